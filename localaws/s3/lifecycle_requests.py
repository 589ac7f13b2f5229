"""Gap: S3 accepts lifecycle rules that AWS rejects, and adds criteria to the filter of a rule.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRuleFilter.html
No longer needed when a lifecycle rule without a Filter is rejected with MalformedXML.
"""

import re
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from ministack.services import s3

from localaws.s3.notifications import MALFORMED, argument_error, named


def child(element: Element, name: str) -> Element | None:
    return next((each for each in element if each.tag.rpartition("}")[2] == name), None)


def rule_error(rule: Element) -> Any:
    """Return the rejection of a rule, or None."""
    chosen, noncurrent = child(rule, "Filter"), child(rule, "NoncurrentVersionExpiration")
    expiration = child(rule, "Expiration")
    if (
        (chosen is None and child(rule, "Prefix") is None)
        or (chosen is not None and len(chosen) > 1)
        or (noncurrent is not None and len(noncurrent) == 0)
        or (expiration is not None and len(expiration) != 1)
    ):
        return s3._error("MalformedXML", MALFORMED, 400)
    for date in named(rule, "Date"):
        time = (date.text or "").partition("T")[2]
        if time and not time.startswith("00:00:00"):
            return argument_error("Date", date.text or "", "'Date' must be at midnight GMT")
    keys = [each.text for tag in named(rule, "Tag") for each in named(tag, "Key")]
    if len(set(keys)) < len(keys):
        return s3._error("InvalidRequest", "Duplicate Tag Keys are not allowed.", 400)
    return None


def apply() -> None:
    put, get = s3._put_bucket_lifecycle, s3._get_bucket_lifecycle

    def put_lifecycle(bucket: str, body: bytes) -> Any:
        try:
            root = s3.fromstring(body)
        except ParseError:
            return s3._error("MalformedXML", MALFORMED, 400)
        errors = (rule_error(rule) for rule in named(root, "Rule"))
        return next((error for error in errors if error), None) or put(bucket, body)

    def get_lifecycle(bucket: str) -> Any:
        status, headers, content = get(bucket)
        for default in (b"<Prefix></Prefix>", b"<ObjectSizeGreaterThan>0</ObjectSizeGreaterThan>"):
            content = re.sub(b"(?<=<And>)(.*?)" + default, rb"\1", content)
        return status, headers, content

    s3._put_bucket_lifecycle, s3._get_bucket_lifecycle = put_lifecycle, get_lifecycle
