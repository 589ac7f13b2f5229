"""The console's traces, read from X-Ray's API: the newest ones, and one as the rows of a waterfall."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from deploy.account import client
from sandbox.console.failures import counted, name_of

type Json = dict[str, Any]

SHOWN = 100
"""Traces in the list."""
OUTCOMES = ("ok", "error", "fault")
"""The page's choices of a status, which are filter expressions of X-Ray."""
_RESOURCES = (
    "table_name",
    "table_names",
    "bucket_name",
    "queue_url",
    "topic_arn",
    "stream_name",
    "delivery_stream_name",
    "function_name",
    "parameter_name",
    "secret_id",
    "user_pool_id",
    "workgroup",
)


def newest(query: Mapping[str, str]) -> list[Json]:
    """Return the newest traces that *query* asks for.

    ``text`` is a part of the route, the API, a function, the user or the id; ``outcome`` one of OUTCOMES; ``slower`` a
    number of seconds. Other values ask for everything.
    """
    conditions = [outcome for outcome in OUTCOMES if outcome == query.get("outcome")]
    if query.get("slower", "").replace(".", "", 1).isdecimal():
        conditions.append(f"duration > {query['slower']}")
    text = query.get("text", "").strip().lower()
    rows = (row(each) for each in _summaries(" AND ".join(conditions)))
    return list(islice((each for each in rows if text in each.pop("searched")), SHOWN))


def _summaries(expression: str) -> Iterator[Json]:
    now = datetime.now(UTC)
    pages = client("xray").get_paginator("get_trace_summaries")
    period = {"StartTime": now - timedelta(days=1), "EndTime": now + timedelta(minutes=1)}
    for page in pages.paginate(**period, **({"FilterExpression": expression} if expression else {})):
        yield from page["TraceSummaries"]


def row(summary: Json) -> Json:
    """Return the row of a trace in the list: when, where, what, and how it ended."""
    http, users = summary.get("Http", {}), summary.get("Users", [])
    entry, services = summary["EntryPoint"]["Name"], [each["Name"] for each in summary["ServiceIds"]]
    routes = [each["AnnotationValue"]["StringValue"] for each in summary["Annotations"].get("route", ())]
    user = users[0]["UserName"] if users else ""
    return {
        "id": summary["Id"],
        "time": summary["StartTime"].timestamp(),
        "entry": entry,
        "what": routes[0] if routes else "",
        "status": http.get("HttpStatus"),
        "problem": _problem(summary, "HasFault", "HasError"),
        "running": summary["IsPartial"],
        "ms": summary["Duration"] * 1000,
        "services": len(services),
        "searched": " ".join([summary["Id"], http.get("HttpURL", ""), user, *routes, *services]).lower(),
    }


def _problem(document: Json, fault: str = "fault", error: str = "error") -> str:
    return "fault" if document.get(fault) else "error" if document.get(error) else ""


def waterfall(trace_id: str) -> Json | None:
    """Return a trace with its rows in the order of a tree, or None if it is not kept."""
    found = client("xray").batch_get_traces(TraceIds=[trace_id])["Traces"]
    if not found:
        return None
    documents = [json.loads(each["Document"]) for each in found[0]["Segments"]]
    return {"id": trace_id, "complete": not found[0]["LimitExceeded"]} | described(documents, found[0]["Duration"])


def described(documents: list[Json], duration: float) -> Json:
    """Return a trace of some seconds, given as the documents of its segments: its title, its times and its rows."""
    first, duration = documents[0], max(duration, 0.001)
    return {
        "title": first.get("annotations", {}).get("route") or first["name"],
        "entry": first["name"],
        "user": first.get("user", ""),
        "time": first["start_time"],
        "ms": duration * 1000,
        "rows": [bar(document, depth, first["start_time"], duration) for document, depth in _tree(documents)],
    }


def _tree(documents: list[Json]) -> Iterator[tuple[Json, int]]:
    """Yield each segment and subsegment with its depth: what is inside of it follows it, in order of time."""
    inside: defaultdict[str | None, list[Json]] = defaultdict(list)
    known: set[str] = set()

    def register(document: Json, parent: str | None) -> None:
        known.add(document["id"])
        inside[parent].append(document)
        for each in document.get("subsegments", ()):
            register(each, document["id"])

    for document in documents:
        register(document, document.get("parent_id"))

    def walk(parent: str | None, depth: int) -> Iterator[tuple[Json, int]]:
        for each in sorted(inside[parent], key=lambda document: document["start_time"]):
            yield each, depth
            yield from walk(each["id"], depth + 1)

    outer = [parent for parent in inside if parent not in known]
    for parent in sorted(outer, key=lambda name: inside[name][0]["start_time"]):
        yield from walk(parent, 0)


def bar(document: Json, depth: int, begin: float, duration: float) -> Json:
    """Return a row of the waterfall: where its bar is, as parts of the trace's duration, and what it says."""
    running = document.get("in_progress", False)
    end = document.get("end_time", time.time())
    aws, http = document.get("aws", {}), document.get("http", {})
    failure: Json = next(iter(document.get("cause", {}).get("exceptions", ())), {})
    return {
        "id": document["id"],
        "depth": depth,
        "kind": _kind(document),
        "name": document["name"],
        "what": document.get("annotations", {}).get("route") or " ".join([aws.get("operation", ""), _resource(aws)]),
        "from": min(max((document["start_time"] - begin) / duration, 0), 1),
        "length": min(max((end - document["start_time"]) / duration, 0), 1),
        "ms": (end - document["start_time"]) * 1000,
        "status": http.get("response", {}).get("status"),
        "problem": _problem(document),
        "running": running,
        "failure": ": ".join(filter(None, (failure.get("type"), failure.get("message")))),
        "facts": list(_facts(document)),
        "links": sorted({each["trace_id"] for each in document.get("links", ())}),
        "raw": json.dumps({k: v for k, v in document.items() if k != "subsegments"}, indent=2),
    }


def _kind(document: Json) -> str:
    kinds = {"AWS::ApiGateway::Stage": "API", "AWS::Lambda::Function": "function"}
    return kinds.get(document.get("origin", ""), "call" if document.get("namespace") == "aws" else "start")


def _resource(aws: Json) -> str:
    value = next((aws[name] for name in _RESOURCES if name in aws), "")
    if isinstance(value, list):
        return ", ".join(value)
    name = value.rpartition("/")[2].rpartition(":")[2] if "://" in value or value.startswith("arn:") else value
    return "/".join(filter(None, (name, aws.get("index_name") or aws.get("key"))))


def _facts(document: Json) -> Iterator[str]:
    aws, event = document.get("aws", {}), document.get("metadata", {}).get("event", {})
    annotations = document.get("annotations", {})
    if annotations.get("ColdStart"):
        yield "cold start"
    if cache := annotations.get("cache"):
        yield f"cache {cache}"
    if records := event.get("records"):
        source = f" of {name_of(event['source'])}" if "source" in event else ""
        yield f"{counted(records, 'record')}{source}"
    if "waited_seconds" in event:
        yield f"waited {event['waited_seconds']:.2f} s"
    if event.get("attempt", 1) > 1:
        yield f"attempt {event['attempt']}"
    if aws.get("retries"):
        yield f"retry {aws['retries']}"
    if "consumed_capacity" in aws:
        yield f"{aws['consumed_capacity']:g} capacity units"
