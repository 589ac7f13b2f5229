"""The names that a stage's resources take: which of them exist already, although no stack of the stage has them.

CloudFormation refuses to create a resource whose name exists. A deletion may have kept it, or a tool made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.account import client
from deploy.planned import Resource
from deploy.quotas import is_missing, listed


@dataclass(frozen=True)
class Named:
    """How to find and to delete a resource of one type: its name's place in the properties, and AWS's operations."""

    name: Sequence[str]
    exists: Callable[[str], bool]
    delete: str
    """The command, with ``{}`` for the name."""


def _described(service: str, operation: str, parameter: str) -> Callable[[str], bool]:
    """Return a function that tells whether *operation* finds a name."""

    def exists(name: str) -> bool:
        try:
            getattr(client(service), operation)(**{parameter: name})
        except ClientError as error:
            if is_missing(error):
                return False
            if error.response["Error"]["Code"] == "403":  # a bucket of another account has the name
                return True
            raise
        return True

    return exists


def _in_list(service: str, operation: str, *path: str, name: Sequence[str], **request: Any) -> Callable[[str], bool]:
    """Return a function that tells whether a name is among the items that *operation* lists."""
    return lambda wanted: any(_member(item, name) == wanted for item in listed(service, operation, *path, **request))


def _log_group(name: str) -> bool:
    groups = listed("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    return any(group["logGroupName"] == name for group in groups)


def _member(item: Any, path: Sequence[str]) -> Any:
    for name in path:
        item = item.get(name, {})
    return item


_TABLE = Named(
    ["TableName"],
    _described("dynamodb", "describe_table", "TableName"),
    "aws dynamodb delete-table --table-name {}",
)

NAMED = {
    "AWS::Athena::WorkGroup": Named(
        ["Name"],
        _described("athena", "get_work_group", "WorkGroup"),
        "aws athena delete-work-group --recursive-delete-option --work-group {}",
    ),
    "AWS::CloudFront::CachePolicy": Named(
        ["CachePolicyConfig", "Name"],
        _in_list(
            "cloudfront",
            "list_cache_policies",
            "CachePolicyList",
            "Items",
            name=["CachePolicy", "CachePolicyConfig", "Name"],
            Type="custom",
        ),
        "delete the cache policy {} in the CloudFront console",
    ),
    "AWS::CloudFront::ResponseHeadersPolicy": Named(
        ["ResponseHeadersPolicyConfig", "Name"],
        _in_list(
            "cloudfront",
            "list_response_headers_policies",
            "ResponseHeadersPolicyList",
            "Items",
            name=["ResponseHeadersPolicy", "ResponseHeadersPolicyConfig", "Name"],
            Type="custom",
        ),
        "delete the response headers policy {} in the CloudFront console",
    ),
    "AWS::CloudFront::Function": Named(
        ["Name"],
        _in_list("cloudfront", "list_functions", "FunctionList", "Items", name=["Name"]),
        "delete the function {} in the CloudFront console",
    ),
    "AWS::CloudFront::OriginAccessControl": Named(
        ["OriginAccessControlConfig", "Name"],
        _in_list("cloudfront", "list_origin_access_controls", "OriginAccessControlList", "Items", name=["Name"]),
        "delete the origin access {} in the CloudFront console",
    ),
    "AWS::DynamoDB::GlobalTable": _TABLE,
    "AWS::DynamoDB::Table": _TABLE,
    "AWS::EC2::LaunchTemplate": Named(
        ["LaunchTemplateName"],
        _in_list("ec2", "describe_launch_templates", "LaunchTemplates", name=["LaunchTemplateName"]),
        "aws ec2 delete-launch-template --launch-template-name {}",
    ),
    "AWS::Glue::Database": Named(
        ["DatabaseInput", "Name"], _described("glue", "get_database", "Name"), "aws glue delete-database --name {}"
    ),
    "AWS::IoT::Policy": Named(
        ["PolicyName"],
        _described("iot", "get_policy", "policyName"),
        "aws iot delete-policy --policy-name {}",
    ),
    "AWS::IoT::TopicRule": Named(
        ["RuleName"],
        _in_list("iot", "list_topic_rules", "rules", name=["ruleName"]),
        "aws iot delete-topic-rule --rule-name {}",
    ),
    "AWS::Kinesis::Stream": Named(
        ["Name"],
        _described("kinesis", "describe_stream_summary", "StreamName"),
        "aws kinesis delete-stream --stream-name {}",
    ),
    "AWS::KinesisFirehose::DeliveryStream": Named(
        ["DeliveryStreamName"],
        _described("firehose", "describe_delivery_stream", "DeliveryStreamName"),
        "aws firehose delete-delivery-stream --delivery-stream-name {}",
    ),
    "AWS::Logs::LogGroup": Named(["LogGroupName"], _log_group, "aws logs delete-log-group --log-group-name {}"),
    "AWS::S3::Bucket": Named(["BucketName"], _described("s3", "head_bucket", "Bucket"), "aws s3 rb --force s3://{}"),
    "AWS::SES::ConfigurationSet": Named(
        ["Name"],
        _described("sesv2", "get_configuration_set", "ConfigurationSetName"),
        "aws sesv2 delete-configuration-set --configuration-set-name {}",
    ),
    "AWS::SQS::Queue": Named(
        ["QueueName"], _described("sqs", "get_queue_url", "QueueName"), "delete the queue {} in the SQS console"
    ),
    "AWS::SecretsManager::Secret": Named(
        ["Name"],
        _described("secretsmanager", "describe_secret", "SecretId"),
        "aws secretsmanager delete-secret --force-delete-without-recovery --secret-id {}",
    ),
}
"""By type of CloudFormation."""


def taken(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str, str]]:
    """Yield each of the *resources* whose name exists, with the name and the command that deletes what has it."""
    for resource in resources:
        named = NAMED.get(resource.type)
        name = str(_member(resource.properties, named.name)) if named else ""
        if named and name and "${" not in name and named.exists(name):
            yield resource, name, named.delete.format(name)
