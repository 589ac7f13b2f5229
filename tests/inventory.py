"""All that an account holds, by the lists of each service."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import jmespath

LISTS = (
    ("apigateway", "get_rest_apis", "items[].name"),
    ("athena", "list_work_groups", "WorkGroups[].Name"),
    ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups[].AutoScalingGroupName"),
    ("cloudformation", "describe_stacks", "Stacks[].StackName"),
    ("cloudfront", "list_distributions", "DistributionList.Items[].Id"),
    ("cloudfront", "list_cache_policies", "CachePolicyList.Items[?Type=='custom'].CachePolicy.CachePolicyConfig.Name"),
    ("cloudfront", "list_functions", "FunctionList.Items[].Name"),
    ("cloudfront", "list_key_groups", "KeyGroupList.Items[].KeyGroup.KeyGroupConfig.Name"),
    ("cloudfront", "list_public_keys", "PublicKeyList.Items[].Name"),
    ("cloudfront", "list_origin_access_controls", "OriginAccessControlList.Items[].Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName"),
    ("cognito-idp", "list_user_pools", "UserPools[].Name"),
    ("cognito-identity", "list_identity_pools", "IdentityPools[].IdentityPoolName"),
    ("dynamodb", "list_tables", "TableNames"),
    ("ec2", "describe_vpcs", "Vpcs[?!IsDefault].VpcId"),
    ("ec2", "describe_subnets", "Subnets[?!DefaultForAz].SubnetId"),
    ("ec2", "describe_security_groups", "SecurityGroups[?GroupName!='default'].GroupName"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints[].ServiceName"),
    ("ec2", "describe_launch_templates", "LaunchTemplates[].LaunchTemplateName"),
    ("efs", "describe_file_systems", "FileSystems[].FileSystemId"),
    ("elbv2", "describe_load_balancers", "LoadBalancers[].LoadBalancerName"),
    ("elbv2", "describe_target_groups", "TargetGroups[].TargetGroupName"),
    ("events", "list_rules", "Rules[].Name"),
    ("firehose", "list_delivery_streams", "DeliveryStreamNames"),
    ("glue", "get_databases", "DatabaseList[].Name"),
    ("iam", "list_policies", "Policies[].PolicyName"),
    ("iam", "list_roles", "Roles[].RoleName"),
    ("iam", "list_users", "Users[].UserName"),
    ("iam", "list_instance_profiles", "InstanceProfiles[].InstanceProfileName"),
    ("iot", "list_policies", "policies[].policyName"),
    ("iot", "list_things", "things[].thingName"),
    ("iot", "list_topic_rules", "rules[].ruleName"),
    ("kinesis", "list_streams", "StreamNames"),
    ("lambda", "list_event_source_mappings", "EventSourceMappings[].UUID"),
    ("lambda", "list_functions", "Functions[].FunctionName"),
    ("lambda", "list_layers", "Layers[].LayerName"),
    ("logs", "describe_log_groups", "logGroups[].logGroupName"),
    ("s3", "list_buckets", "Buckets[].Name"),
    ("secretsmanager", "list_secrets", "SecretList[].Name"),
    ("sesv2", "list_configuration_sets", "ConfigurationSets"),
    ("sesv2", "list_email_identities", "EmailIdentities[].IdentityName"),
    ("sns", "list_topics", "Topics[].TopicArn"),
    ("sqs", "list_queues", "QueueUrls"),
    ("ssm", "describe_parameters", "Parameters[].Name"),
)
"""By service an operation that lists resources, and the JMESPath of their names in its answer."""

OPTIONS: dict[str, dict[str, Any]] = {
    "list_policies": {"Scope": "Local"},
    "list_secrets": {"IncludePlannedDeletion": True},
    "list_user_pools": {"MaxResults": 60},
    "list_identity_pools": {"MaxResults": 60},
}


def inventory(regions: tuple[str, ...] = ("us-east-1", "eu-west-1")) -> set[str]:
    """Return a line for each resource: its service, its name, and its Region unless that is the first one."""
    with ThreadPoolExecutor(8) as pool:
        jobs = [(region, *each) for region in regions for each in LISTS]
        found = pool.map(lambda job: set(_listed(*job)), jobs)
        lines: dict[str, set[str]] = {region: set() for region in regions}
        for (region, service, _, _), names in zip(jobs, found, strict=True):
            lines[region] |= {f"{service} {name}" for name in names}
    first, *others = regions
    return lines[first] | {f"{line} in {region}" for region in others for line in lines[region] - lines[first]}


def _listed(region: str, service: str, operation: str, path: str) -> Iterator[str]:
    client: Any = boto3.Session().client(service, region)
    options = OPTIONS.get(operation, {}) if (service, operation) != ("iot", "list_policies") else {}
    pages = (
        client.get_paginator(operation).paginate(**options)
        if client.can_paginate(operation)
        else [getattr(client, operation)(**options)]
    )
    for page in pages:
        yield from map(str, jmespath.search(path, page) or [])
