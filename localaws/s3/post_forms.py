"""Gap: S3 explains little of why it rejects a form, and a file without a name takes its placeholder away.

A form that is no multipart/form-data fails before its signature is checked. A redirect that is no absolute URL has no
effect.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
No longer needed when a form with a file above content-length-range gets an error with the member MaxSizeAllowed.
"""

import base64
import json
from typing import Any
from urllib.parse import urlsplit

from ministack import app
from ministack.services import s3

type Headers = dict[str, str]

FILENAME = "${filename}"
REDIRECTS = ("success_action_redirect", "redirect")
ENCLOSURE = "Bucket POST must be of the enclosure-type multipart/form-data"
PRECONDITION = "At least one of the pre-conditions you specified did not hold"
ONE_PROPERTY = "Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."


def type_error(method: str, path: str, headers: Headers, query: Any) -> Any:
    """Return the rejection of a POST to a bucket that is no form."""
    bucket, key = s3._parse_bucket_key(path, headers)
    is_post = method == "POST" and not key and not query and "authorization" not in headers
    is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
    if not is_post or is_form or s3._bucket_owner_account(bucket) is None:
        return None
    return s3._error("PreconditionFailed", PRECONDITION, 412, extra={"Condition": ENCLOSURE})


def explaining(enforce: Any) -> Any:
    """Wrap the check of the policy of a signed form."""

    def enforced(fields: Headers, bucket: str, region: str, size: int, sigv4: bool) -> Any:
        rejection = enforce(fields, bucket, region, size, sigv4)
        code = s3.fromstring(rejection[2]).findtext("Code") if rejection else None
        if code in ("EntityTooSmall", "EntityTooLarge"):
            return size_error(code, conditions(fields), size)
        if code in (None, "InvalidPolicyDocument"):
            rejection = condition_error(conditions(fields)) or rejection
        for name in REDIRECTS if rejection is None else ():
            if not is_absolute(fields.get(name, "")):
                fields.pop(name, None)  # PostObject reads its redirect from here
        return rejection

    return enforced


def conditions(fields: Headers) -> list[Any]:
    """Return the conditions of a form's policy; none if the policy is malformed."""
    try:
        policy = json.loads(base64.b64decode(fields["policy"]))
    except ValueError:
        return []
    found = policy.get("conditions") if isinstance(policy, dict) else None
    return found if isinstance(found, list) else []


def size_error(code: str, found: list[Any], size: int) -> Any:
    """Return the rejection of a file of *size* bytes, with the limit."""
    smallest, largest = next(each[1:] for each in found if isinstance(each, list) and each[0] == "content-length-range")
    if code == "EntityTooSmall":
        message = "Your proposed upload is smaller than the minimum allowed size"
        return s3._error(code, message, 400, extra={"MinSizeAllowed": str(smallest), "ProposedSize": str(size)})
    message = "Your proposed upload exceeds the maximum allowed size"
    return s3._error(code, message, 400, extra={"MaxSizeAllowed": str(largest), "ProposedSize": str(size)})


def condition_error(found: list[Any]) -> Any:
    """Return the rejection of a condition with several properties, or for a field without `$`."""
    for condition in found:
        if isinstance(condition, dict) and len(condition) != 1:
            return s3._error("InvalidPolicyDocument", ONE_PROPERTY, 400)
        if isinstance(condition, list) and condition[:1] in (["eq"], ["starts-with"]) and condition[1][:1] != "$":
            message = f"Invalid according to Policy: Policy Condition failed: {json.dumps(condition)}"
            return s3._error("AccessDenied", message, 403)
    return None


def with_placeholder(parse: Any) -> Any:
    """Wrap the parsing of a form: a file without a name leaves the placeholder of its name in the other fields."""
    return lambda content_type, body: [
        (name, FILENAME if name == "file" and filename is None else filename, headers, value)
        for name, filename, headers, value in parse(content_type, body)
    ]


def is_absolute(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.scheme and parts.netloc)


def apply() -> None:
    dispatch = app._dispatch_service_request

    async def dispatch_form(
        method: str, path: str, headers: Headers, body: bytes, query: dict[str, Any], request_id: str
    ) -> Any:
        rejection = type_error(method, path, headers, query) if method == "POST" else None
        if rejection and app.detect_service(method, path, headers, query) == "s3":
            return rejection
        return await dispatch(method, path, headers, body, query, request_id)

    app._dispatch_service_request = dispatch_form
    s3._enforce_signed_post_policy = explaining(s3._enforce_signed_post_policy)
    s3._parse_multipart_form = with_placeholder(s3._parse_multipart_form)
