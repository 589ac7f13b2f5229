"""Gap: CloudFormation takes over a resource that exists, such as a log group of the same name.

This module covers the types in NAMES. The emulator itself refuses buckets, parameters, users and a few others.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html
No longer needed when a stack fails that contains a log group that exists.
"""

import json
from typing import Any

from ministack.services import (
    alb,
    autoscaling,
    cloudfront,
    cloudwatch,
    cloudwatch_logs,
    dynamodb,
    ec2,
    eventbridge,
    firehose,
    iam,
    iot,
    kinesis,
    lambda_svc,
    secretsmanager,
    ses_v2,
    sns,
    sqs,
    stepfunctions,
)
from ministack.services.cloudformation import stacks

KEY = ""
NAMES: dict[str, tuple[str, Any, str]] = {
    "AWS::AutoScaling::AutoScalingGroup": ("AutoScalingGroupName", autoscaling._asgs, KEY),
    "AWS::CloudFront::CachePolicy": ("CachePolicyConfig.Name", cloudfront._cache_policies, "Config.Name"),
    "AWS::CloudFront::OriginAccessControl": ("OriginAccessControlConfig.Name", cloudfront._oacs, "Name"),
    "AWS::CloudFront::ResponseHeadersPolicy": (
        "ResponseHeadersPolicyConfig.Name",
        cloudfront._response_headers_policies,
        "Config.Name",
    ),
    "AWS::CloudWatch::Alarm": ("AlarmName", cloudwatch._alarms, KEY),
    "AWS::CloudWatch::CompositeAlarm": ("AlarmName", cloudwatch._composite_alarms, KEY),
    "AWS::DynamoDB::GlobalTable": ("TableName", dynamodb._tables, KEY),
    "AWS::DynamoDB::Table": ("TableName", dynamodb._tables, KEY),
    "AWS::EC2::LaunchTemplate": ("LaunchTemplateName", ec2._launch_templates, "LaunchTemplateName"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("Name", alb._lbs, "LoadBalancerName"),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("Name", alb._tgs, "TargetGroupName"),
    "AWS::Events::Rule": ("Name", eventbridge._rules, "Name"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", iam._policies, "PolicyName"),
    "AWS::IAM::Role": ("RoleName", iam._roles, KEY),
    "AWS::IoT::TopicRule": ("RuleName", iot._topic_rules, KEY),
    "AWS::Kinesis::Stream": ("Name", kinesis._streams, KEY),
    "AWS::KinesisFirehose::DeliveryStream": ("DeliveryStreamName", firehose._streams, KEY),
    "AWS::Lambda::Function": ("FunctionName", lambda_svc._functions, KEY),
    "AWS::Logs::LogGroup": ("LogGroupName", cloudwatch_logs._log_groups, KEY),
    "AWS::SES::ConfigurationSet": ("Name", ses_v2._config_sets, KEY),
    "AWS::SES::EmailIdentity": ("EmailIdentity", ses_v2._identities, KEY),
    "AWS::SNS::Topic": ("TopicName", sns._topics, "name"),
    "AWS::SQS::Queue": ("QueueName", sqs._queues, "name"),
    "AWS::SecretsManager::Secret": ("Name", secretsmanager._secrets, "Name"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", stepfunctions._state_machines, "name"),
}
"""By type: the property with the name, the emulator's store, and the name's place in a record (KEY: the key of it)."""


def value_at(document: dict[str, Any], path: str) -> Any:
    found: Any = document
    for part in path.split("."):
        found = (found or {}).get(part)
    return found


def check(resource_type: str, properties: dict[str, Any]) -> None:
    """Raise ValueError if a resource of this type and name exists."""
    if resource_type not in NAMES:
        return
    path, store, field = NAMES[resource_type]
    name = value_at(properties, path)
    exists = name in store if field == KEY else any(value_at(record, field) == name for record in store.values())
    if name and exists:
        # Recorded on AWS: the identifier of a log group is JSON.
        logs = resource_type == "AWS::Logs::LogGroup"
        identifier = json.dumps({f"/properties/{path}": name}, separators=(",", ":")) if logs else name
        raise ValueError(f"Resource of type '{resource_type}' with identifier '{identifier}' already exists.")


def apply() -> None:
    provision = stacks._provision_keeping_seed

    def provision_new(resource_type: str, logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        check(resource_type, properties)
        return provision(resource_type, logical_id, properties, stack)

    stacks._provision_keeping_seed = provision_new
