"""The dashboards of a stage: each metric is one that AWS has, and those of an app's alarms are on its dashboard."""

from __future__ import annotations

import json
from typing import Any

import pytest
import suite

from deploy import dashboards, order, planned
from deploy.dashboards import GRAPHS, body, template

pytestmark = suite.of_all_apps

DOCUMENTED = {
    "AWS/ApiGateway": "4XXError 5XXError CacheHitCount CacheMissCount Count IntegrationLatency Latency",
    "AWS/ApplicationELB": "HTTPCode_Target_5XX_Count ProcessedBytes RequestCount TargetResponseTime",
    "AWS/CloudFront": "4xxErrorRate 5xxErrorRate BytesDownloaded BytesUploaded CacheHitRate OriginLatency Requests",
    "AWS/DAX": "ItemCacheHits ItemCacheMisses QueryCacheHits QueryCacheMisses",
    "AWS/DynamoDB": "ReadThrottleEvents SuccessfulRequestLatency WriteThrottleEvents",
    "AWS/Firehose": "DeliveryToS3.DataFreshness ExecuteProcessing.Success",
    "AWS/Kinesis": "IncomingBytes IncomingRecords WriteProvisionedThroughputExceeded",
    "AWS/Lambda": "ConcurrentExecutions Duration Errors Invocations IteratorAge Throttles",
    "AWS/SES": "Bounce Complaint Delivery Reject Send",
    "AWS/SQS": "ApproximateAgeOfOldestMessage ApproximateNumberOfMessagesVisible",
}
"""By namespace the metrics on the page of AWS that deploy/dashboards.py names beside the graphs."""

SAM = {"AWS::Serverless::Api": "AWS::ApiGateway::RestApi", "AWS::Serverless::Function": "AWS::Lambda::Function"}
"""The types that CloudFormation lists instead of those of SAM."""


def physical(resource: planned.Resource) -> str:
    """Return an id that CloudFormation could list for a resource of a template."""
    if resource.type == "AWS::SQS::Queue":
        return f"https://sqs.us-east-1.amazonaws.com/123456789012/{resource.properties['QueueName']}"
    if resource.type == "AWS::ElasticLoadBalancingV2::LoadBalancer":
        return "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/updates-prod/50dc6c495c0c9188"
    return f"{resource.app}-{resource.logical_id}"


RESOURCES = [each for stack in planned.stacks("prod", order.names(), {"Dax": "true"}) for each in stack.resources()]
OF_APP = {
    app: [(SAM.get(each.type, each.type), physical(each)) for each in RESOURCES if each.app == app]
    for app in order.names()
}


def metrics(app: str) -> list[list[Any]]:
    """Return the lines of the graphs on the dashboard of an app."""
    widgets = body(app, "prod", "us-east-1", OF_APP[app])["widgets"]
    return [line for widget in widgets if widget["type"] == "metric" for line in widget["properties"]["metrics"]]


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_graph_has_only_metrics_that_aws_documents(kind: str) -> None:
    for graph in GRAPHS[kind]:
        assert {metric for metric, _ in graph.metrics} <= set(DOCUMENTED[graph.namespace].split())


@pytest.mark.parametrize("app", order.names())
def test_the_metric_of_each_alarm_is_on_the_dashboard_of_its_app(app: str) -> None:
    alarms = [each.properties for each in RESOURCES if each.app == app and each.type == "AWS::CloudWatch::Alarm"]

    shown = {tuple(line[:2]) for line in metrics(app)}

    assert alarms
    assert {(alarm["Namespace"], alarm["MetricName"]) for alarm in alarms} <= shown


@pytest.mark.parametrize(
    ("app", "line"),
    [
        ("todo-app", ["AWS/ApiGateway", "Latency", "ApiName", "todo-app-prod", "Stage", "api", {"stat": "p99"}]),
        ("blog-app", ["AWS/Lambda", "IteratorAge", "FunctionName", "blog-app-PublishPosts", {"stat": "Maximum"}]),
        (
            "video-app",
            [
                "AWS/CloudFront",
                "4xxErrorRate",
                "DistributionId",
                "video-app-Distribution",
                "Region",
                "Global",
                {"stat": "Average"},
            ],
        ),
        (
            "pipeline-app",
            ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "pipeline-app-prod-batches", {"stat": "Maximum"}],
        ),
        ("blog-app", ["AWS/SES", "Bounce", {"stat": "Sum"}]),
        (
            "receipts-app",
            [
                "AWS/SQS",
                "ApproximateNumberOfMessagesVisible",
                "QueueName",
                "receipts-app-prod-failed",
                {"stat": "Maximum"},
            ],
        ),
        (
            "updates",
            [
                "AWS/ApplicationELB",
                "ProcessedBytes",
                "LoadBalancer",
                "app/updates-prod/50dc6c495c0c9188",
                {"stat": "Sum"},
            ],
        ),
    ],
)
def test_a_dashboard_shows_what_a_user_of_the_app_feels(app: str, line: list[Any]) -> None:
    assert line in metrics(app)


def test_failed_messages_and_waiting_ones_have_graphs_of_their_own() -> None:
    lines = metrics("pipeline-app")

    failed = {line[3] for line in lines if line[1] == "ApproximateNumberOfMessagesVisible"}
    assert "pipeline-app-prod-batches-failed" in failed
    assert failed.isdisjoint(line[3] for line in lines if line[1] == "ApproximateAgeOfOldestMessage")


def test_widgets_do_not_overlap_and_stay_within_the_grid() -> None:
    widgets = body("pipeline-app", "prod", "us-east-1", OF_APP["pipeline-app"])["widgets"]

    covered = [
        (x, y)
        for widget in widgets
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(covered) == len(set(covered))
    assert max(x for x, _ in covered) < 24


def test_the_template_has_a_dashboard_for_each_app_with_its_alarms() -> None:
    made = template("prod", "us-east-1", OF_APP)["Resources"]

    names = {each["Properties"]["DashboardName"] for each in made.values()}
    assert names == {f"{app}-prod-us-east-1" for app in order.names()}
    shown = json.loads(made["TodoAppDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    (alarms,) = (widget["properties"]["alarms"] for widget in shown["widgets"] if widget["type"] == "alarm")
    assert "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:todo-app-Unavailable" in alarms


def test_the_stack_of_the_dashboards_is_not_shown_on_a_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {"Table": ("AWS::DynamoDB::Table", "todos")}
    monkeypatch.setattr(dashboards.stacks, "resources", lambda name: listed)

    found = dashboards.resources({"todo-app-prod": "todo-app", "dashboards-prod": "dashboards"})

    assert found == {"todo-app": [("AWS::DynamoDB::Table", "todos")]}
