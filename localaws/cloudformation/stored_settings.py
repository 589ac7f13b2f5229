"""Gap: CloudFormation drops settings that the API of the service stores, such as the encryption of a bucket.

This module passes them on: encryption, ownership and tags of a bucket; point-in-time recovery and encryption of a
table; encryption of a stream; the attributes of a topic; the options of a generated secret.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
No longer needed when GetBucketEncryption returns the key of a bucket that a stack created.
"""

import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as xml

from ministack.services import dynamodb, kinesis, s3, secretsmanager, sns
from ministack.services.cloudformation import provisioners

TOPIC_ATTRIBUTES = ("DisplayName", "FifoThroughputScope", "KmsMasterKeyId", "SignatureVersion", "TracingConfig")
CONVERSIONS = {"PasswordLength": int, "ExcludeCharacters": str}
RECOVERY = "PointInTimeRecoverySpecification"

type Properties = Mapping[str, Any]


def checked(answer: Any) -> Any:
    """Return the body of an answer. Raises ValueError with it if it is an error."""
    status, _, body = answer
    if status >= 400:
        raise ValueError(body.decode())
    return body


def add(parent: xml.Element, tag: str, text: Any) -> None:
    xml.SubElement(parent, tag).text = str(text).lower() if isinstance(text, bool) else str(text)


def encryption_xml(configuration: Properties) -> bytes:
    """Return a `BucketEncryption` property as the body of PutBucketEncryption."""
    root = xml.Element("ServerSideEncryptionConfiguration", xmlns=s3.S3_NS)
    for rule in configuration.get("ServerSideEncryptionConfiguration", []):
        element = xml.SubElement(root, "Rule")
        if default := rule.get("ServerSideEncryptionByDefault"):
            by_default = xml.SubElement(element, "ApplyServerSideEncryptionByDefault")
            for name, value in default.items():
                add(by_default, name, value)
        if "BucketKeyEnabled" in rule:
            add(element, "BucketKeyEnabled", provisioners._cfn_bool(rule["BucketKeyEnabled"]))
    return xml.tostring(root)


def ownership_xml(configuration: Properties) -> bytes:
    """Return an `OwnershipControls` property as the body of PutBucketOwnershipControls."""
    root = xml.Element("OwnershipControls", xmlns=s3.S3_NS)
    for rule in configuration.get("Rules", []):
        add(xml.SubElement(root, "Rule"), "ObjectOwnership", rule["ObjectOwnership"])
    return xml.tostring(root)


def tags_xml(tags: list[dict[str, str]]) -> bytes:
    """Return a `Tags` property as the body of PutBucketTagging."""
    root = xml.Element("Tagging", xmlns=s3.S3_NS)
    tag_set = xml.SubElement(root, "TagSet")
    for tag in tags:
        element = xml.SubElement(tag_set, "Tag")
        add(element, "Key", tag["Key"])
        add(element, "Value", tag["Value"])
    return xml.tostring(root)


BUCKET_CONFIGURATIONS = (
    ("BucketEncryption", encryption_xml, s3._put_bucket_encryption, s3._delete_bucket_encryption),
    ("OwnershipControls", ownership_xml, s3._put_bucket_ownership_controls, s3._delete_bucket_ownership_controls),
    ("Tags", tags_xml, s3._put_bucket_tagging, s3._delete_bucket_tagging),
)


def set_table(name: str, properties: Properties, old: Properties) -> None:
    if RECOVERY in properties or RECOVERY in old:
        enabled = provisioners._cfn_bool(properties.get(RECOVERY, {}).get("PointInTimeRecoveryEnabled"))
        specification = {"PointInTimeRecoveryEnabled": enabled}
        checked(dynamodb._update_continuous_backups({"TableName": name, RECOVERY: specification}))
    if properties.get("SSESpecification") != old.get("SSESpecification"):
        specification = {**properties.get("SSESpecification", {})}
        specification["Enabled"] = provisioners._cfn_bool(specification.pop("SSEEnabled", None))
        checked(dynamodb._update_table({"TableName": name, "SSESpecification": specification}))


def set_stream(name: str, properties: Properties, old: Properties) -> None:
    if encryption := properties.get("StreamEncryption"):
        checked(kinesis._start_stream_encryption({"StreamName": name, **encryption}))
    elif old.get("StreamEncryption"):
        checked(kinesis._stop_stream_encryption({"StreamName": name}))


def set_topic(arn: str, properties: Properties, old: Properties) -> None:
    attributes = sns._topics[arn]["attributes"]
    for name in TOPIC_ATTRIBUTES:
        if name in properties:
            attributes[name] = str(properties[name])
        elif name in old and name != "DisplayName":
            attributes.pop(name, None)


def patch(kind: str, set_settings: Any) -> None:
    """Wrap the handlers of a resource type to pass on its settings."""
    handlers = provisioners._RESOURCE_HANDLERS[kind]
    original_create, original_update = handlers["create"], handlers["update"]

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        created = original_create(logical_id, properties, stack)
        set_settings(created[0], properties, {})
        return created

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], *names: Any) -> Any:
        updated = original_update(physical_id, old, new, *names)
        set_settings(updated[0], new, old)
        return updated

    handlers["create"], handlers["update"] = create, update


def secret_string(properties: Properties) -> str:
    """Return the value of a secret: as it is given, or generated by GetRandomPassword."""
    options = properties.get("GenerateSecretString")
    if options is None:
        return str(properties.get("SecretString", ""))
    request = {
        name: value for name, value in options.items() if name not in ("SecretStringTemplate", "GenerateStringKey")
    }
    for name, value in request.items():
        if name == "PasswordLength":
            request[name] = int(value)
        elif name != "ExcludeCharacters":
            request[name] = provisioners._cfn_bool(value)
    password = json.loads(checked(secretsmanager._get_random_password(request)))["RandomPassword"]
    if "SecretStringTemplate" not in options:
        return str(password)
    return json.dumps(json.loads(options["SecretStringTemplate"]) | {options["GenerateStringKey"]: password})


def apply() -> None:
    provisioners._S3_BUCKET_CONFIGURATIONS += BUCKET_CONFIGURATIONS
    provisioners._STACK_TAG_PROPERTY["AWS::S3::Bucket"] = ("Tags", "list")
    provisioners._sm_secret_string = secret_string
    patch("AWS::DynamoDB::Table", set_table)
    patch("AWS::Kinesis::Stream", set_stream)
    patch("AWS::SNS::Topic", set_topic)
