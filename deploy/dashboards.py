"""A dashboard of CloudWatch for each app of a stage: the stack ``dashboards-<stage>``, made from what is deployed.

A dashboard has the alarms of its app, and for each kind of resource the metrics that show what a user would feel.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy import stacks
from deploy.account import client

type Resource = tuple[str, str]
"""The type and the physical id of a resource."""

type Dimensions = Mapping[str, str]

WIDTH, HEIGHT, COLUMNS = 8, 6, 3
MOST_ALARMS = 100
"""Alarms that a widget can have."""


@dataclass(frozen=True)
class Graph:
    """Lines of a graph: *metrics* of a service with their statistics, of all resources of a kind.

    *dimensions* returns those of a resource by its physical id, the app and the stage; None leaves it out.
    """

    title: str
    namespace: str
    metrics: tuple[tuple[str, str], ...]
    dimensions: Callable[[str, str, str], Dimensions | None]


def _named(dimension: str) -> Callable[[str, str, str], Dimensions]:
    return lambda identifier, app, stage: {dimension: identifier}


def _api(identifier: str, app: str, stage: str) -> Dimensions:
    return {"ApiName": f"{app}-{stage}", "Stage": "api"}


def _queue(identifier: str, failures: bool) -> Dimensions | None:
    name = identifier.rpartition("/")[2]
    return {"QueueName": name} if name.endswith(("failed", "undelivered")) == failures else None


def _distribution(identifier: str, app: str, stage: str) -> Dimensions:
    return {"DistributionId": identifier, "Region": "Global"}


def _reads(identifier: str, app: str, stage: str) -> Dimensions:
    return {"TableName": identifier, "Operation": "Query"}


def _load_balancer(identifier: str, app: str, stage: str) -> Dimensions:
    return {"LoadBalancer": identifier.partition("loadbalancer/")[2]}


def _account(identifier: str, app: str, stage: str) -> Dimensions:
    return {}


_TABLE = (
    Graph(
        "Refused reads and writes of tables",
        "AWS/DynamoDB",
        (("ReadThrottleEvents", "Sum"), ("WriteThrottleEvents", "Sum")),
        _named("TableName"),
    ),
    Graph("Milliseconds of queries", "AWS/DynamoDB", (("SuccessfulRequestLatency", "Average"),), _reads),
)

_MAILS = (
    # https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-cloudwatch.html
    Graph(
        "Mails of the account",
        "AWS/SES",
        (("Send", "Sum"), ("Delivery", "Sum"), ("Bounce", "Sum"), ("Complaint", "Sum")),
        _account,
    ),
)

GRAPHS: dict[str, tuple[Graph, ...]] = {
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
    "AWS::ApiGateway::RestApi": (
        Graph(
            "Requests and errors of the API",
            "AWS/ApiGateway",
            (("Count", "Sum"), ("4XXError", "Sum"), ("5XXError", "Sum")),
            _api,
        ),
        Graph("Share of errors of the API", "AWS/ApiGateway", (("5XXError", "Average"),), _api),
        Graph("Milliseconds of the API", "AWS/ApiGateway", (("Latency", "p50"), ("Latency", "p99")), _api),
        Graph("Hits of the stage cache", "AWS/ApiGateway", (("CacheHitCount", "Sum"), ("CacheMissCount", "Sum")), _api),
    ),
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS::Lambda::Function": (
        Graph("Runs of functions", "AWS/Lambda", (("Invocations", "Sum"),), _named("FunctionName")),
        Graph("Errors of functions", "AWS/Lambda", (("Errors", "Sum"),), _named("FunctionName")),
        Graph("Throttles of functions", "AWS/Lambda", (("Throttles", "Sum"),), _named("FunctionName")),
        Graph("Milliseconds behind the streams", "AWS/Lambda", (("IteratorAge", "Maximum"),), _named("FunctionName")),
    ),
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS::SQS::Queue": (
        Graph(
            "Failed messages",
            "AWS/SQS",
            (("ApproximateNumberOfMessagesVisible", "Maximum"),),
            lambda name, *_: _queue(name, True),
        ),
        Graph(
            "Seconds that messages wait",
            "AWS/SQS",
            (("ApproximateAgeOfOldestMessage", "Maximum"),),
            lambda name, *_: _queue(name, False),
        ),
    ),
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    "AWS::DynamoDB::Table": _TABLE,
    "AWS::DynamoDB::GlobalTable": _TABLE,
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/dax-metrics-dimensions-dax.html
    "AWS::DAX::Cluster": (
        Graph(
            "Hits of DAX",
            "AWS/DAX",
            tuple((f"{cache}Cache{found}", "Sum") for cache in ("Item", "Query") for found in ("Hits", "Misses")),
            _named("ClusterId"),
        ),
    ),
    # https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
    "AWS::Kinesis::Stream": (
        Graph(
            "Records of the stream",
            "AWS/Kinesis",
            (("IncomingRecords", "Sum"), ("WriteProvisionedThroughputExceeded", "Sum")),
            _named("StreamName"),
        ),
    ),
    # https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html
    "AWS::KinesisFirehose::DeliveryStream": (
        Graph(
            "Seconds until readings are delivered",
            "AWS/Firehose",
            (("DeliveryToS3.DataFreshness", "Maximum"),),
            _named("DeliveryStreamName"),
        ),
        Graph(
            "Share of cleansed batches",
            "AWS/Firehose",
            (("ExecuteProcessing.Success", "Average"),),
            _named("DeliveryStreamName"),
        ),
    ),
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/programming-cloudwatch-metrics.html
    "AWS::CloudFront::Distribution": (
        Graph("Requests of the edge", "AWS/CloudFront", (("Requests", "Sum"),), _distribution),
        Graph("Bytes of the edge", "AWS/CloudFront", (("BytesDownloaded", "Sum"),), _distribution),
        Graph(
            "Percent of refused and failed requests of the edge",
            "AWS/CloudFront",
            (("4xxErrorRate", "Average"), ("5xxErrorRate", "Average")),
            _distribution,
        ),
        Graph("Percent of hits of the edge", "AWS/CloudFront", (("CacheHitRate", "Average"),), _distribution),
    ),
    "AWS::SES::ConfigurationSet": _MAILS,
    "AWS::SES::EmailIdentity": _MAILS,
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        Graph(
            "Requests and errors of the origin",
            "AWS/ApplicationELB",
            (("RequestCount", "Sum"), ("HTTPCode_Target_5XX_Count", "Sum")),
            _load_balancer,
        ),
        Graph("Bytes of the origin", "AWS/ApplicationELB", (("ProcessedBytes", "Sum"),), _load_balancer),
        Graph("Seconds of the origin", "AWS/ApplicationELB", (("TargetResponseTime", "p99"),), _load_balancer),
    ),
}
"""By type of resource. A metric that nobody records, such as the hits of a cache that is off, has an empty line."""

ALARMS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")


def stack(stage: str) -> str:
    """Return the name of the stage's stack."""
    return f"dashboards-{stage}"


def resources(stacks_of_stage: Mapping[str, str]) -> dict[str, list[Resource]]:
    """Return by app the resources of its stacks, whose names are given with the app of each."""
    found: dict[str, list[Resource]] = defaultdict(list)
    for name, app in stacks_of_stage.items():
        if app != "dashboards":
            found[app] += stacks.resources(name).values()
    return found


def deploy(stage: str, resources: Mapping[str, Sequence[Resource]]) -> list[str]:
    """Make or update the dashboards; return their names. Raises StackFailed."""
    made = template(stage, str(client("cloudformation").meta.region_name), resources)
    stacks.deploy(stack(stage), json.dumps(made), {})
    return [each["Properties"]["DashboardName"] for each in made["Resources"].values()]


def template(stage: str, region: str, resources: Mapping[str, Sequence[Resource]]) -> dict[str, Any]:
    """Return the template of the stack, with a dashboard for each app, whose *resources* are given."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The dashboards of the stage {stage}. `make dashboards STAGE={stage}` writes them.",
        "Resources": {
            f"{''.join(word.capitalize() for word in app.split('-'))}Dashboard": {
                "Type": "AWS::CloudWatch::Dashboard",
                "Properties": {
                    "DashboardName": f"{app}-{stage}-{region}",  # all Regions share the names
                    "DashboardBody": {"Fn::Sub": json.dumps(body(app, stage, region, own))},
                },
            }
            for app, own in sorted(resources.items())
        },
    }


def body(app: str, stage: str, region: str, resources: Sequence[Resource]) -> dict[str, Any]:
    """Return the body of an app's dashboard. The names of its alarms are to be substituted by CloudFormation."""
    text = f"# {app}-{stage}\n`make dashboards STAGE={stage}` replaces what you change here. Runbooks: docs/runbooks.md"
    widgets = [{"type": "text", "width": 24, "height": 2, "properties": {"markdown": text}}]
    if alarms := [_alarm(name) for kind, name in resources if kind in ALARMS]:
        shown = {"title": "Alarms", "alarms": alarms[:MOST_ALARMS]}
        widgets.append({"type": "alarm", "width": 24, "height": 3, "properties": shown})
    return {"widgets": _placed([*widgets, *_graphs(app, stage, region, resources)])}


def _alarm(name: str) -> str:
    return f"arn:${{AWS::Partition}}:cloudwatch:${{AWS::Region}}:${{AWS::AccountId}}:alarm:{name}"


def _graphs(app: str, stage: str, region: str, resources: Sequence[Resource]) -> Iterator[dict[str, Any]]:
    """Yield a widget for each graph that has a metric."""
    for graph in dict.fromkeys(graph for graphs in GRAPHS.values() for graph in graphs):
        own = [name for kind, name in resources if graph in GRAPHS.get(kind, ())]
        lines = [line for name in own for line in _lines(graph, graph.dimensions(name, app, stage))]
        if metrics := [line for number, line in enumerate(lines) if line not in lines[:number]]:
            place = "us-east-1" if graph.namespace == "AWS/CloudFront" else region
            shown = {"title": graph.title, "region": place, "period": 60, "view": "timeSeries", "metrics": metrics}
            yield {"type": "metric", "width": WIDTH, "height": HEIGHT, "properties": shown}


def _lines(graph: Graph, dimensions: Dimensions | None) -> Iterator[list[Any]]:
    if dimensions is None:
        return
    for metric, statistic in graph.metrics:
        yield [graph.namespace, metric, *itertools.chain(*dimensions.items()), {"stat": statistic}]


def _placed(widgets: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the widgets from left to right and from top to bottom, of which those of full width come first."""
    placed: list[dict[str, Any]] = []
    x = y = 0
    for widget in widgets:
        placed.append({"x": x, "y": y, **widget})
        x += widget["width"]
        if x >= WIDTH * COLUMNS:
            x, y = 0, y + widget["height"]
    return placed
