"""What a stage costs per month while nobody uses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from deploy import apps
from deploy.cost.prices import Item, hours, usage
from deploy.planned import Resource, Stack

POLLS = 5 * 3 * 60
"""Requests an hour with which Lambda polls an idle queue: five pollers, each waits 20 seconds for messages.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
"""


def idle(stacks: Sequence[Stack]) -> list[Item]:
    """Return what the stacks cost per month while nobody uses them. Raises UnknownType."""
    resources = [resource for stack in stacks for resource in stack.resources()]
    found = [item for resource in resources for item in _idle(resource, resources)]
    signing = {each.app for each in resources if each.app in apps.names() and apps.has_signing_key(each.app)}
    return found + [Item(app, "secret of the signing key", "secret", 1) for app in sorted(signing)]


class UnknownType(Exception):
    """A resource has a type that is neither priced here nor listed as free."""


def _idle(resource: Resource, others: Sequence[Resource]) -> Iterator[Item]:
    if resource.type in PRICED:
        for what, name, quantity in PRICED[resource.type](resource.properties, _beside(resource, others)):
            yield Item(resource.app, what, name, quantity)
    elif not resource.type.startswith(FREE) and resource.type not in BY_USE:
        raise UnknownType(f"{resource.type}: give it a price in deploy/cost/idle.py, or list it as free")


def detailed_metrics(stacks: Sequence[Stack]) -> list[Item]:
    """Return what the detailed metrics of the APIs cost in a month in which every method is called in every hour."""
    return [
        Item(stack.app, "detailed metrics", "metric", _methods(stack.app) * usage("method_metrics"))
        for stack in stacks
        for api in stack.resources()
        if api.type == "AWS::Serverless::Api"
        if any(each.get("MetricsEnabled") in (True, "true") for each in api.properties.get("MethodSettings", []))
    ]


def _methods(app: str) -> int:
    paths = json.loads((apps.ROOT / app / "openapi.json").read_text())["paths"]
    return sum(method in ("get", "put", "post", "patch", "delete") for path in paths.values() for method in path)


def _beside(resource: Resource, others: Sequence[Resource]) -> dict[str, Resource]:
    """Return by logical id the resources of the same stack."""
    return {each.logical_id: each for each in others if each.stack == resource.stack}


type Properties = Mapping[str, Any]
type Parts = Iterator[tuple[str, str, float]]
"""What, the name of its price, and the quantity a month."""


def _alarm(properties: Properties, beside: Mapping[str, Resource]) -> Parts:
    yield "alarms", "alarm", max(1, len([each for each in properties.get("Metrics", []) if "MetricStat" in each]))


def _api(properties: Properties, beside: Mapping[str, Resource]) -> Parts:
    if properties.get("CacheClusterEnabled") in (True, "true"):
        size = str(properties.get("CacheClusterSize", "0.5"))
        yield STAGE_CACHE, f"api_cache_{size.replace('.', '_')}", hours()


def _dax(properties: Properties, beside: Mapping[str, Resource]) -> Parts:
    kind = str(properties["NodeType"]).removeprefix("dax.").replace(".", "_")
    yield DAX, f"dax_{kind}", float(properties["ReplicationFactor"]) * hours()


def _endpoint(properties: Properties, beside: Mapping[str, Resource]) -> Parts:
    if properties.get("VpcEndpointType", "Gateway") == "Interface":
        of_dax = any(each.type == "AWS::DAX::Cluster" for each in beside.values())
        what = f"{DAX}: interface endpoint" if of_dax else "interface endpoints"
        yield what, "vpc_endpoint", len(properties.get("SubnetIds", [1])) * hours()


def _fleet(properties: Properties, beside: Mapping[str, Resource]) -> Parts:
    launch = str(properties["LaunchTemplate"]["LaunchTemplateId"]).strip("${}")
    data, size = beside[launch].properties["LaunchTemplateData"], float(properties["MinSize"])
    yield "servers", f"ec2_{str(data['InstanceType']).replace('.', '_')}", size * hours()
    disks = [disk["Ebs"].get("VolumeSize", 8) for disk in data.get("BlockDeviceMappings", []) if "Ebs" in disk]
    yield "servers: disks", "ebs_gp3_gb", size * sum(map(float, disks))
    if data.get("Monitoring", {}).get("Enabled"):
        yield "servers: detailed monitoring", "metric", size * 7


def _function(properties: Properties, beside: Mapping[str, Resource]) -> Parts:
    queues = [name for name in properties.get("Events", {}) if name.endswith("SqsEventSource")]
    if queues:
        yield "polling of queues", "sqs_request", len(queues) * POLLS * hours()


def _load_balancer(properties: Properties, beside: Mapping[str, Resource]) -> Parts:
    yield "load balancer", "load_balancer", hours()
    if properties.get("Scheme", "internet-facing") == "internet-facing":
        yield "load balancer: public addresses", "ipv4", len(properties["Subnets"]) * hours()


def _stream(properties: Properties, beside: Mapping[str, Resource]) -> Parts:
    if properties.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND":
        yield "data stream, on demand", "kinesis_stream", hours()
    else:
        yield "data stream, shards", "kinesis_shard", float(properties.get("ShardCount", 1)) * hours()


def _web_acl(properties: Properties, beside: Mapping[str, Resource]) -> Parts:
    yield "web ACL", "waf_acl", 1
    yield "web ACL: rules", "waf_rule", len(properties.get("Rules", []))


def _one(what: str, name: str, quantity: Callable[[], float] = lambda: 1) -> Callable[..., Parts]:
    return lambda properties, beside: iter([(what, name, quantity())])


STAGE_CACHE, DAX = "stage cache", "DAX"

PRICED: dict[str, Callable[[Properties, Mapping[str, Resource]], Parts]] = {
    "AWS::AutoScaling::AutoScalingGroup": _fleet,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _one("composite alarms", "composite_alarm"),
    "AWS::CloudWatch::Dashboard": _one("dashboards", "dashboard"),
    "AWS::DAX::Cluster": _dax,
    "AWS::EC2::EIP": _one("public address", "ipv4", hours),
    "AWS::EC2::NatGateway": _one("NAT gateway", "nat_gateway", hours),
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _load_balancer,
    "AWS::KMS::Key": _one("key", "kms_key"),
    "AWS::Kinesis::Stream": _stream,
    "AWS::SecretsManager::Secret": _one("secrets", "secret"),
    "AWS::Serverless::Api": _api,
    "AWS::Serverless::Function": _function,
    "AWS::WAFv2::WebACL": _web_acl,
}
"""By type, what a resource costs while nobody uses it."""

BY_USE = {
    "AWS::Athena::WorkGroup",
    "AWS::CloudFront::Distribution",
    "AWS::Cognito::UserPool",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::EFS::FileSystem",
    "AWS::IoT::TopicRule",
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::S3::Bucket",
    "AWS::SES::ConfigurationSet",
    "AWS::SES::EmailIdentity",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
}
"""The types that cost only for what is stored, sent or run."""

FREE = (
    "AWS::ApiGateway::",
    "AWS::AutoScaling::",
    "AWS::CloudFront::",
    "AWS::Cognito::",
    "AWS::DAX::",
    "AWS::EC2::",
    "AWS::ECS::",
    "AWS::EFS::",
    "AWS::ElasticLoadBalancingV2::",
    "AWS::Events::",
    "AWS::Glue::",
    "AWS::IAM::",
    "AWS::IoT::",
    "AWS::Lambda::",
    "AWS::Logs::",
    "AWS::S3::",
    "AWS::SES::",
    "AWS::SNS::",
    "AWS::SQS::",
    "AWS::SSM::",
    "AWS::Scheduler::",
    "AWS::WAFv2::",
)
"""The beginnings of types that cost nothing by themselves."""
