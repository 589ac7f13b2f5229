"""Gap: CloudFormation ignores the ReplicationConfiguration of a bucket.

S3 refuses a rule whose destination does not exist or has no versions. A rule is in its newer form, with a Filter.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-replicationconfiguration.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html
No longer needed when GetBucketReplication returns the rules of a bucket that a stack created.
"""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as xml

from ministack.services import s3
from ministack.services.cloudformation import provisioners


def replication_xml(configuration: Mapping[str, Any]) -> bytes:
    """Return a `ReplicationConfiguration` property as the body of PutBucketReplication. Raises ValueError."""
    root = xml.Element("ReplicationConfiguration", xmlns=s3.S3_NS)
    xml.SubElement(root, "Role").text = configuration["Role"]
    for rule in configuration["Rules"]:
        element = xml.SubElement(root, "Rule")
        for name, property_name in (("ID", "Id"), ("Priority", "Priority"), ("Status", "Status")):
            if property_name in rule:
                xml.SubElement(element, name).text = str(rule[property_name])
        xml.SubElement(xml.SubElement(element, "Filter"), "Prefix").text = rule["Filter"]["Prefix"]
        deletions = rule["DeleteMarkerReplication"]["Status"]
        xml.SubElement(xml.SubElement(element, "DeleteMarkerReplication"), "Status").text = deletions
        destination = rule["Destination"]["Bucket"]
        check_destination(destination)
        xml.SubElement(xml.SubElement(element, "Destination"), "Bucket").text = destination
    return xml.tostring(root)


def check_destination(arn: str) -> None:
    name = arn.rpartition(":")[2]
    if s3._bucket_owner_account(name) is None:
        raise ValueError(f"Destination bucket must exist. (Service: S3, Status Code: 400): {name}")
    if s3._bucket_versioning.get(name) != "Enabled":
        raise ValueError(f"Destination bucket must have versioning enabled. (Service: S3, Status Code: 400): {name}")


def put_replication(bucket: str, body: bytes) -> None:
    status, _, answer = s3._put_bucket_replication(bucket, body)
    if status >= 400:
        raise ValueError(answer.decode())


def apply() -> None:
    provisioners._S3_BUCKET_CONFIGURATIONS += (
        ("ReplicationConfiguration", replication_xml, put_replication, s3._delete_bucket_replication),
    )
