"""A graph of the deployed services, read through public APIs.

A node is a resource of one of the stage's stacks. An edge is a setting that moves data: an event source mapping,
an integration, a rule's target, a notification, a subscription, an origin, or a permission of a function's role.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from threading import Lock
from typing import Any

from deploy import stages
from deploy.account import client
from sandbox.console import metrics
from sandbox.settings import REGION

KINDS = {
    "AWS::ApiGateway::RestApi": "API",
    "AWS::CloudFront::Distribution": "distribution",
    "AWS::Cognito::UserPool": "user pool",
    "AWS::DynamoDB::GlobalTable": "table",
    "AWS::DynamoDB::Table": "table",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "load balancer",
    "AWS::Events::Rule": "rule",
    "AWS::Glue::Database": "database",
    "AWS::IoT::TopicRule": "IoT rule",
    "AWS::Kinesis::Stream": "stream",
    "AWS::KinesisFirehose::DeliveryStream": "delivery stream",
    "AWS::Lambda::Function": "function",
    "AWS::S3::Bucket": "bucket",
    "AWS::SES::EmailIdentity": "mail",
    "AWS::SNS::Topic": "topic",
    "AWS::SQS::Queue": "queue",
    "AWS::SecretsManager::Secret": "secret",
    "AWS::Athena::WorkGroup": "workgroup",
}
DATA = ("table", "bucket", "queue", "stream", "workgroup")
"""The kinds that the page of data shows, in order."""
_SERVICES = {
    "API": "execute-api",
    "table": "dynamodb",
    "stream": "kinesis",
    "bucket": "s3",
    "mail": "ses",
    "topic": "sns",
    "queue": "sqs",
    "secret": "secretsmanager",
    "workgroup": "athena",
    "function": "lambda",
}
_READS = re.compile(r"^(Get|List|Query|Scan|BatchGet|Describe|Receive|Head)")
_SENDS = re.compile(r"^(Publish|Send|PutRecord|PutEvents)")
_OF_A_SOURCE = re.compile(
    r"^(ReceiveMessage|DeleteMessage|GetQueueAttributes|GetRecords|GetShardIterator|DescribeStream.*|List(Streams|Shards))$"
)


@dataclass(frozen=True)
class Node:
    id: str
    """The app's name and the logical id in its stack."""
    app: str
    kind: str
    name: str
    physical: str

    @property
    def data(self) -> str | None:
        """Return its name on the page of data; None if that does not show its kind."""
        if self.kind not in DATA:
            return None
        return self.physical.rpartition("/")[2] if self.kind == "queue" else self.physical

    @property
    def arn(self) -> str:
        """Return its ARN; for an API the common start of its ARNs."""
        if self.physical.startswith("arn:"):
            return self.physical
        name = self.physical.rpartition("/")[2] if self.kind == "queue" else self.physical
        prefix = {
            "API": f"arn:aws:execute-api:{REGION}:{_account()}:",
            "bucket": "arn:aws:s3:::",
            "table": f"arn:aws:dynamodb:{REGION}:{_account()}:table/",
            "stream": f"arn:aws:kinesis:{REGION}:{_account()}:stream/",
            "queue": f"arn:aws:sqs:{REGION}:{_account()}:",
            "mail": f"arn:aws:ses:{REGION}:{_account()}:identity/",
            "secret": f"arn:aws:secretsmanager:{REGION}:{_account()}:secret:",
            "workgroup": f"arn:aws:athena:{REGION}:{_account()}:workgroup/",
            "function": f"arn:aws:lambda:{REGION}:{_account()}:function:",
        }.get(self.kind, "")
        return prefix + name


@dataclass(frozen=True)
class Edge:
    source: str
    target: str
    how: str


def graph(stage: str) -> dict[str, Any]:
    """Return ``{nodes: [{id, app, kind, name, data, calls}], edges: [{source, target, how}]}`` of a stage.

    ``data`` is the name in the address of its page of data, if it has one. ``calls`` counts those of the last hour.
    """
    with _reading:
        nodes, edges = _read(stage, _version())
    calls = _calls(nodes)
    joined = {end for edge in edges for end in (edge.source, edge.target)}
    return {
        "nodes": [
            {"id": n.id, "app": n.app, "kind": n.kind, "name": n.name, "data": n.data, "calls": calls.get(n)}
            for n in nodes
            if n.id in joined
        ],
        "edges": [{"source": e.source, "target": e.target, "how": e.how} for e in edges],
    }


_reading = Lock()
"""One request reads the stacks. The others that come meanwhile use what it found."""


def _version() -> frozenset[tuple[str, Any]]:
    """Return what changes with each change of a stack."""
    pages = client("cloudformation").get_paginator("describe_stacks").paginate()
    return frozenset(
        (stack["StackId"], (stack["StackStatus"], stack.get("LastUpdatedTime")))
        for page in pages
        for stack in page["Stacks"]
    )


def resources(stage: str) -> list[Node]:
    """Return the resources of the stage's stacks that have a kind."""
    return _resources(stage, _version())


@lru_cache(maxsize=1)
def _resources(stage: str, version: frozenset[tuple[str, Any]]) -> list[Node]:
    return _nodes(stage)


@lru_cache(maxsize=1)
def _read(stage: str, version: frozenset[tuple[str, Any]]) -> tuple[list[Node], list[Edge]]:
    """Read the stage's stacks, which takes some hundred requests. *version* is that of the stacks."""
    nodes = _resources(stage, version)
    with ThreadPoolExecutor() as pool:
        found = [edge for edges in pool.map(lambda read: list(read(nodes)), _READERS) for edge in edges]
    return nodes, list(dict.fromkeys(found))


def _nodes(stage: str) -> list[Node]:
    cloudformation = client("cloudformation")
    return [
        Node(f"{app}.{r['LogicalResourceId']}", app, KINDS[r["ResourceType"]], _name(r, app), r["PhysicalResourceId"])
        for stack, app in stages.stacks_of(stage).items()
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        for r in page["StackResourceSummaries"]
        if r["ResourceType"] in KINDS
    ]


def _name(resource: dict[str, Any], app: str) -> str:
    """Return a function's name in app.py, or the resource's logical id."""
    logical = str(resource["LogicalResourceId"])
    if resource["ResourceType"] == "AWS::Lambda::Function":
        return "api_handler" if logical == "APIHandler" else re.sub(r"(?<!^)(?=[A-Z])", "_", logical).lower()
    if resource["ResourceType"] == "AWS::Events::Rule":
        return re.sub(r"^(.+)\1", r"\1", logical).removesuffix("Event")  # SAM repeats the function's name
    return app if logical == "RestAPI" else logical


type _Reader = Callable[[list[Node]], Iterable[Edge]]


def _by_arn(nodes: list[Node]) -> Callable[[str], Node | None]:
    """Return a function that finds the node of an ARN, or of the resource that contains it."""
    by_arn = {node.arn: node for node in nodes}

    def find(arn: str) -> Node | None:
        arn = arn.partition("/stream/")[0]
        return by_arn.get(arn) or by_arn.get(arn.rpartition(":")[0]) or by_arn.get(arn.partition("/")[0])

    return find


def _mappings(nodes: list[Node]) -> Iterator[Edge]:
    find = _by_arn(nodes)
    pages = client("lambda").get_paginator("list_event_source_mappings").paginate()
    for mapping in (mapping for page in pages for mapping in page["EventSourceMappings"]):
        source, target = find(mapping["EventSourceArn"]), find(mapping["FunctionArn"])
        if source and target:
            yield Edge(source.id, target.id, "event source")
            failed = find(mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", ""))
            if failed:
                yield Edge(target.id, failed.id, "on failure")


def _integrations(nodes: list[Node]) -> Iterator[Edge]:
    find = _by_arn(nodes)
    for api in (node for node in nodes if node.kind == "API"):
        pages = client("apigateway").get_paginator("get_resources").paginate(restApiId=api.physical, embed=["methods"])
        for resource in (item for page in pages for item in page["items"]):
            for method in resource.get("resourceMethods", {}).values():
                uri = method.get("methodIntegration", {}).get("uri", "")
                target = find(uri.partition("/functions/")[2].partition("/invocations")[0])
                if target:
                    yield Edge(api.id, target.id, "integration")


def _rules(nodes: list[Node]) -> Iterator[Edge]:
    find, events = _by_arn(nodes), client("events")
    buckets = {node.physical: node for node in nodes if node.kind == "bucket"}
    rules = {node.physical.rpartition("/")[2]: node for node in nodes if node.kind == "rule"}
    for name, rule in rules.items():
        described = events.describe_rule(Name=name)
        pattern = json.loads(described.get("EventPattern") or "{}")
        for bucket in pattern.get("detail", {}).get("bucket", {}).get("name", []):
            if bucket in buckets:
                yield Edge(buckets[bucket].id, rule.id, "object created")
        for target in events.list_targets_by_rule(Rule=name)["Targets"]:
            if found := find(target["Arn"]):
                yield Edge(rule.id, found.id, described.get("ScheduleExpression") or "event")


def _notifications(nodes: list[Node]) -> Iterator[Edge]:
    find = _by_arn(nodes)
    for bucket in (node for node in nodes if node.kind == "bucket"):
        settings = client("s3").get_bucket_notification_configuration(Bucket=bucket.physical)
        for kind, arn in (("Lambda", "LambdaFunctionArn"), ("Queue", "QueueArn"), ("Topic", "TopicArn")):
            for setting in settings.get(
                f"{kind}FunctionConfigurations" if kind == "Lambda" else f"{kind}Configurations", []
            ):
                if target := find(setting[arn]):
                    yield Edge(bucket.id, target.id, "object created")


def _subscriptions(nodes: list[Node]) -> Iterator[Edge]:
    find = _by_arn(nodes)
    pages = client("sns").get_paginator("list_subscriptions").paginate()
    for subscription in (item for page in pages for item in page["Subscriptions"]):
        source, target = find(subscription["TopicArn"]), find(subscription["Endpoint"])
        if source and target:
            yield Edge(source.id, target.id, "subscription")


def _origins(nodes: list[Node]) -> Iterator[Edge]:
    for distribution in (node for node in nodes if node.kind == "distribution"):
        answer = client("cloudfront").get_distribution(Id=distribution.physical)
        for origin in answer["Distribution"]["DistributionConfig"]["Origins"]["Items"]:
            domain = origin["DomainName"]
            for node in nodes:
                if node.kind in ("API", "bucket") and domain.startswith(f"{node.physical}."):
                    yield Edge(distribution.id, node.id, "origin")


def _deliveries(nodes: list[Node]) -> Iterator[Edge]:
    find = _by_arn(nodes)
    for delivery in (node for node in nodes if node.kind == "delivery stream"):
        described = client("firehose").describe_delivery_stream(DeliveryStreamName=delivery.physical.rpartition("/")[2])
        stream = described["DeliveryStreamDescription"]
        source = find(stream.get("Source", {}).get("KinesisStreamSourceDescription", {}).get("KinesisStreamARN", ""))
        if source:
            yield Edge(source.id, delivery.id, "source")
        for destination in stream["Destinations"]:
            settings = destination["ExtendedS3DestinationDescription"]
            if bucket := find(settings["BucketARN"]):
                yield Edge(delivery.id, bucket.id, "delivers")
            for processor in settings.get("ProcessingConfiguration", {}).get("Processors", []):
                for parameter in processor.get("Parameters", []):
                    function = find(parameter["ParameterValue"]) if parameter["ParameterName"] == "LambdaArn" else None
                    if function:
                        yield Edge(delivery.id, function.id, "transforms")


def _topic_rules(nodes: list[Node]) -> Iterator[Edge]:
    streams = {node.physical: node for node in nodes if node.kind == "stream"}
    for rule in (node for node in nodes if node.kind == "IoT rule"):
        payload = client("iot").get_topic_rule(ruleName=rule.physical)["rule"]
        for action in payload["actions"]:
            stream = streams.get(action.get("kinesis", {}).get("streamName", ""))
            if stream:
                yield Edge(rule.id, stream.id, payload["sql"])


def _permissions(nodes: list[Node]) -> Iterator[Edge]:
    """Yield what functions may do to resources. The name of the action tells a read from a write, a send or a call."""
    iam = client("iam")
    known = {node: _arns(node) for node in nodes if node.kind in _SERVICES}
    for function in (node for node in nodes if node.kind == "function"):
        role = client("lambda").get_function_configuration(FunctionName=function.physical)["Role"].rpartition("/")[2]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for statement in document["Statement"]:
                if statement["Effect"] == "Allow":
                    yield from _permitted(function, statement, known)


def _arns(node: Node) -> list[str]:
    """Return the ARNs that a policy can name: of the resource itself, and of an API its routes."""
    match node.kind:
        case "API":
            pages = client("apigateway").get_paginator("get_resources").paginate(restApiId=node.physical)
            return [
                f"{node.arn}/api/{method}{re.sub('{.+?}', 'x', item['path'])}"
                for page in pages
                for item in page["items"]
                for method in item.get("resourceMethods", {})
                if method != "OPTIONS"
            ]
        case "secret":
            return [node.arn, f"{node.arn}-AbCdEf"]  # Secrets Manager adds six characters to the name
    return [node.arn]


def _permitted(function: Node, statement: dict[str, Any], known: dict[Node, list[str]]) -> Iterator[Edge]:
    resources = [r.partition("/index/")[0] for r in _listed(statement["Resource"]) if r != "*" and "/stream/" not in r]
    for action in _listed(statement["Action"]):
        service, _, verb = action.partition(":")
        if _OF_A_SOURCE.match(verb):
            continue  # the event source mapping is an edge already
        for node, arns in known.items():
            if _SERVICES[node.kind] == service and any(_covers(resource, arns, node) for resource in resources):
                if node.kind == "mail" and node.app != function.app:
                    continue  # SES checks recipients' identities too, so policies allow all identities
                yield Edge(function.id, node.id, _how(verb))


def _how(verb: str) -> str:
    if verb.startswith("Invoke"):
        return "calls"
    if _SENDS.match(verb):
        return "sends"
    return "reads" if _READS.match(verb) else "writes"


def _covers(resource: str, arns: list[str], node: Node) -> bool:
    """Return whether a policy's pattern matches the node or something in it."""
    if node.kind == "bucket":
        return fnmatch.fnmatchcase(node.arn, resource.partition("/")[0])
    return any(fnmatch.fnmatchcase(arn, resource) for arn in arns)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


_READERS: tuple[_Reader, ...] = (
    _mappings,
    _integrations,
    _rules,
    _notifications,
    _subscriptions,
    _origins,
    _deliveries,
    _topic_rules,
    _permissions,
)


def _calls(nodes: Iterable[Node]) -> dict[Node, int]:
    """Return how many times each function ran in the last hour."""
    functions = {
        node: metrics.Metric("AWS/Lambda", "Invocations", (("FunctionName", node.physical),))
        for node in nodes
        if node.kind == "function"
    }
    sums = metrics.sums(list(functions.values()), timedelta(hours=1))
    return {node: sums[metric] for node, metric in functions.items()}


@cache
def _account() -> str:
    return str(client("sts").get_caller_identity()["Account"])
