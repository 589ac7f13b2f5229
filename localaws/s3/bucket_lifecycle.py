"""Gap: CloudFormation ignores the LifecycleConfiguration of a bucket.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-rule.html
No longer needed when GetBucketLifecycleConfiguration returns the rules of a bucket that a stack created.
"""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as xml

from ministack.services import s3
from ministack.services.cloudformation import provisioners

EXPIRATION = {
    "ExpirationInDays": "Days",
    "ExpirationDate": "Date",
    "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker",
}
TRANSITION = {"TransitionInDays": "Days", "TransitionDate": "Date", "StorageClass": "StorageClass"}
NONCURRENT_TRANSITION = {
    "TransitionInDays": "NoncurrentDays",
    "NewerNoncurrentVersions": "NewerNoncurrentVersions",
    "StorageClass": "StorageClass",
}
NONCURRENT_EXPIRATION = {
    "NoncurrentDays": "NoncurrentDays",
    "NewerNoncurrentVersions": "NewerNoncurrentVersions",
}
FILTER = ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan")


def add_element(parent: xml.Element, tag: str, source: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Add the element `tag` with the properties that `source` has, under their S3 names."""
    given = {names[name]: value for name, value in source.items() if name in names}
    if given:
        element = xml.SubElement(parent, tag)
        for name, value in given.items():
            xml.SubElement(element, name).text = str(value).lower() if isinstance(value, bool) else str(value)


def add_filter(parent: xml.Element, rule: Mapping[str, Any]) -> None:
    """Add the `Filter` of a rule. S3 requires an `And` element around more than one criterion."""
    tags = rule.get("TagFilters", [])
    criteria = {name: rule[name] for name in FILTER if name in rule}
    element = xml.SubElement(parent, "Filter")
    if len(tags) + len(criteria) > 1:
        element = xml.SubElement(element, "And")
    for name, value in criteria.items():
        xml.SubElement(element, name).text = str(value)
    for tag in tags:
        add_element(element, "Tag", tag, {"Key": "Key", "Value": "Value"})


def lifecycle_xml(configuration: Mapping[str, Any]) -> bytes:
    """Return a `LifecycleConfiguration` property as the body of PutBucketLifecycleConfiguration."""
    root = xml.Element("LifecycleConfiguration", xmlns=s3.S3_NS)
    for rule in configuration.get("Rules", []):
        element = xml.SubElement(root, "Rule")
        if "Id" in rule:
            xml.SubElement(element, "ID").text = rule["Id"]
        xml.SubElement(element, "Status").text = rule["Status"]
        add_filter(element, rule)
        add_element(element, "Expiration", rule, EXPIRATION)
        for transition in rule.get("Transitions", []):
            add_element(element, "Transition", transition, TRANSITION)
        for transition in rule.get("NoncurrentVersionTransitions", []):
            add_element(element, "NoncurrentVersionTransition", transition, NONCURRENT_TRANSITION)
        add_element(
            element,
            "NoncurrentVersionExpiration",
            rule.get("NoncurrentVersionExpiration", {}),
            NONCURRENT_EXPIRATION,
        )
        add_element(
            element,
            "AbortIncompleteMultipartUpload",
            rule.get("AbortIncompleteMultipartUpload", {}),
            {"DaysAfterInitiation": "DaysAfterInitiation"},
        )
    return xml.tostring(root)


def put_lifecycle(bucket: str, body: bytes) -> None:
    status, _, answer = s3._put_bucket_lifecycle(bucket, body)
    if status >= 400:
        raise ValueError(answer.decode())


def apply() -> None:
    provisioners._S3_BUCKET_CONFIGURATIONS += (
        ("LifecycleConfiguration", lifecycle_xml, put_lifecycle, s3._delete_bucket_lifecycle),
    )
