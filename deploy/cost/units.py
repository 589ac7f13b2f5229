"""What a unit of work costs, such as a request or a mail, with and without the cache that answers a part of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deploy import order
from deploy.cost.idle import DAX, STAGE_CACHE
from deploy.cost.prices import Item, total, usage
from deploy.planned import Resource, Stack

GB = 1_000_000
"""Kilobytes of a gigabyte."""


@dataclass(frozen=True)
class Unit:
    """A unit of work of an app: what a number of them uses, with and without a cache."""

    name: str
    app: str
    items: Callable[[Functions, float], Iterator[Item]]
    """Yields what one unit uses, called with the functions and the part that the cache answers: 0 without a cache."""
    cache: str = ""


type Functions = Mapping[tuple[str, str], Resource]
"""By app and logical id the functions of the stage, and by app and type its web ACLs."""

WEB_ACL = "AWS::WAFv2::WebACL"


def functions(stacks: Sequence[Stack]) -> Functions:
    """Return the functions and the web ACLs of the stacks."""
    resources = [resource for stack in stacks for resource in stack.resources()]
    found = {(each.app, each.logical_id): each for each in resources if each.type == "AWS::Serverless::Function"}
    return found | {(each.app, WEB_ACL): each for each in resources if each.type == WEB_ACL}


def of_unit(unit: Unit, count: float, found: Functions, hits: float = 0) -> float:
    """Return what *count* units of work cost, of which the cache answers the part *hits*."""
    return count * total(unit.items(found, hits))


def _invocation(found: Functions, app: str, name: str, ms: float, times: float) -> Iterator[Item]:
    properties = found[app, name].properties
    architecture = properties.get("Architectures", ["x86_64"])[0]
    gb_seconds = float(properties["MemorySize"]) / 1024 * ms / 1000
    yield Item(app, name, "lambda_request", times)
    yield Item(app, name, f"lambda_{architecture}_gb_s", times * gb_seconds)
    yield Item(app, f"{name}: logs", "logs_gb", times * usage("request_log_kb") / GB)


def _request(found: Functions, app: str, reads: float, answered: float, function: str = "APIHandler") -> Iterator[Item]:
    """Yield what a request that reaches the API uses, if the function runs for the part *answered* of them."""
    yield Item(app, "API", "api_request", 1)
    yield Item(app, "traces", "trace", usage("traced"))
    yield from _invocation(found, app, function, usage("request_ms"), answered)
    yield Item(app, "table", "dynamodb_read", reads * answered)


def _edge(found: Functions, app: str, kb: float) -> Iterator[Item]:
    """Yield what a request that the edge answers uses."""
    yield Item(app, "edge", "cloudfront_request", 1)
    yield Item(app, "edge: data", "cloudfront_gb", kb / GB)
    if (app, WEB_ACL) in found:
        yield Item(app, "edge: web ACL", "waf_request", 1)


def _todo(found: Functions, hits: float) -> Iterator[Item]:
    yield from _request(found, "todo-app", 1, 1 - hits)


def _todo_with_dax(found: Functions, hits: float) -> Iterator[Item]:
    yield from _request(found, "todo-app", 0, 1)
    yield Item("todo-app", "table", "dynamodb_read", 1 - hits)


def _view(found: Functions, hits: float) -> Iterator[Item]:
    """Yield what a view of a post uses. Without the edge, the API answers it to the internet."""
    if not hits:
        yield from _request(found, "blog-app", 0.5, 1)
        yield Item("blog-app", "to the internet", "internet_gb", usage("page_kb") / GB)
        return
    yield from _edge(found, "blog-app", usage("page_kb"))
    yield Item("blog-app", "edge: function", "cloudfront_function", 1)
    for item in _request(found, "blog-app", 0.5, 1):
        yield Item(item.app, item.what, item.price, item.quantity * (1 - hits))


def _video(found: Functions, hits: float) -> Iterator[Item]:
    yield from _request(found, "video-app", 2, 1, "GenerateLinks")
    yield from _edge(found, "video-app", usage("video_mb") * 1000)


def _mail(found: Functions, hits: float) -> Iterator[Item]:
    yield Item("blog-app", "mail", "mail", 1)
    yield from _invocation(found, "blog-app", "WelcomeSubscribers", usage("event_ms"), 1)
    yield from _invocation(found, "blog-app", "HandleMailEvents", usage("event_ms"), 1)
    yield Item("blog-app", "topic of events", "sns_publish", 1)
    yield Item("blog-app", "table", "dynamodb_write", 3)
    yield Item("blog-app", "table: replica", "dynamodb_replicated_write", 3)


def _reading(found: Functions, hits: float) -> Iterator[Item]:
    app, batches = "pipeline-app", 1 / usage("batch")
    yield Item(app, "IoT: message", "iot_message", 1)
    yield Item(app, "IoT: rule", "iot_rule", 1)
    yield Item(app, "IoT: action", "iot_action", 1)
    yield Item(app, "stream", "kinesis_gb", max(1, usage("reading_kb")) / GB)
    yield Item(app, "stream: two consumers", "kinesis_read_gb", 2 * usage("reading_kb") / GB)
    for name in ("firehose_gb", "firehose_conversion_gb"):
        yield Item(app, "delivery", name, max(5, usage("reading_kb")) / GB)
    yield Item(app, "delivery", "firehose_partitioning_gb", usage("reading_kb") / GB)
    for name in ("Cleanse", "TrackDevices"):
        yield from _invocation(found, app, name, usage("event_ms"), batches)
    yield Item(app, "latest readings", "dynamodb_write", usage("devices") * batches)


def _hour_of_reports(found: Functions, hits: float) -> Iterator[Item]:
    """Yield what the reports cost in an hour in which readings arrive all the time: each minute two queries."""
    yield Item("pipeline-app", "delivery: objects", "firehose_object", usage("objects"))
    yield Item("pipeline-app", "queries", "athena_byte", 60 * 2 * usage("report_mb") * 1e6)
    yield from _invocation(found, "pipeline-app", "RunReports", 10_000, 60)


def _download(found: Functions, hits: float) -> Iterator[Item]:
    gb = usage("package_mb") * 1000 / GB
    if hits:
        yield from _edge(found, order.UPDATES, usage("package_mb") * 1000)
    else:
        yield Item(order.UPDATES, "to the internet", "internet_gb", gb)
    yield Item(order.UPDATES, "file system: reads", "efs_read_gb", gb * (1 - hits))


UNITS = (
    Unit("requests to todo-app", "todo-app", _todo, STAGE_CACHE),
    Unit("requests to todo-app", "todo-app", _todo_with_dax, DAX),
    Unit("views of blog posts", "blog-app", _view, "CloudFront"),
    Unit("views of videos", "video-app", _video),
    Unit("welcome mails", "blog-app", _mail),
    Unit("readings", "pipeline-app", _reading),
    Unit("hours with readings: reports", "pipeline-app", _hour_of_reports),
    Unit("downloads of updates", order.UPDATES, _download, "CloudFront"),
)
