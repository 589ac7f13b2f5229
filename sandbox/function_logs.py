"""The log lines of the functions, read from CloudWatch Logs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from deploy.account import client

_TRACE = re.compile(r"^XRAY TraceId: (\S+)", re.MULTILINE)
_STREAM = re.compile(r"\d{4}/\d\d/\d\d/(?P<function>[^\[]+)\[")
"""The name of a log stream in a group that functions share."""
_HEADER = "Traceback (most recent call last):"
_CHAIN = ("During handling of the above exception", "The above exception was the direct cause")
SLACK = 2
"""Seconds by which the times of an invocation and of its log may differ."""
_PLATFORM = re.compile(r"^(START|END|REPORT|INIT_START|XRAY) ")


@dataclass(frozen=True)
class Line:
    """One log line, or a traceback with all its lines.

    ``time`` is ISO 8601 in UTC, and ``trace`` the id of the invocation's trace, empty without one.
    """

    time: str
    function: str
    text: str
    trace: str = ""


def recent(app: str, stage: str, since: int = 0) -> list[Line]:
    """Return what a stage's functions of *app* logged at or after *since*, epoch milliseconds, oldest first."""
    logs = client("logs")
    lines = []
    prefix = f"/aws/lambda/{app}-{stage}"
    for group in logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]:
        name = group["logGroupName"]
        if not f"{name}-".startswith(f"{prefix}-"):
            continue
        invocations: dict[str, list[int]] = {}
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name, startTime=since)
        for event in folded(event for page in pages for event in page["events"]):
            moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
            text = event["message"].rstrip()
            named = _STREAM.match(event["logStreamName"])
            function = named["function"] if named else name.removeprefix("/aws/lambda/")
            lines.append(Line(moment.isoformat(timespec="milliseconds"), function, text))
            # One stream has one invocation at a time. Its last line names the trace.
            invocations.setdefault(event["logStreamName"], []).append(len(lines) - 1)
            if text.startswith("REPORT RequestId: "):
                found = _TRACE.search(text)
                for number in invocations.pop(event["logStreamName"]):
                    lines[number] = replace(lines[number], trace=found[1] if found else "")
    return sorted(lines, key=lambda line: line.time)


def of_invocation(function: str, request: str, began: float, ended: float) -> list[str]:
    """Return what a function logged in one invocation. The times are in epoch seconds. Raises ClientError."""
    group = _group(function)
    first, last = int((began - SLACK) * 1000), int((ended + SLACK) * 1000)
    pages = (
        client("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=first, endTime=last)
    )
    by_stream: dict[str, list[str]] = {}
    for event in (event for page in pages for event in page["events"]):
        lines = by_stream.setdefault(event["logStreamName"], [])
        if event["message"].startswith("START RequestId: "):
            lines.clear()
        lines.append(event["message"])
        if event["message"].startswith(f"END RequestId: {request}"):
            return lines[1:-1]
    return []


def trace_of(function: str, request: str) -> str:
    """Return the id of the trace of an invocation, empty if its log has none. Raises ClientError."""
    pages = (
        client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=_group(function), filterPattern=f'"REPORT RequestId: {request}"')
    )
    found = (_TRACE.search(event["message"]) for page in pages for event in page["events"])
    return next((match[1] for match in found if match), "")


def _group(function: str) -> str:
    """Return the log group of a function. Raises ClientError."""
    config = client("lambda").get_function_configuration(FunctionName=function)
    return config.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"


def folded(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the events, with the lines of each traceback as one event."""
    last: dict[str, Any] | None = None
    for event in events:
        if last and last["logStreamName"] == event["logStreamName"] and _continues(last["message"], event["message"]):
            last = last | {"message": f"{last['message']}\n{event['message']}"}
            continue
        if last:
            yield last
        last = event
    if last:
        yield last


def _continues(text: str, line: str) -> bool:
    """Return whether the line belongs to the traceback that *text* ends with."""
    if _HEADER not in text or _PLATFORM.match(line):
        return False
    before = text.rstrip().rpartition("\n")[2]
    if before.startswith(" ") or before.endswith(_HEADER):
        return True  # a frame, or the error after the last one
    if before.startswith(_CHAIN):
        return not line.strip() or line.startswith(_HEADER)
    return not line.strip() or line.startswith(_CHAIN)


def follow(app: str, stage: str) -> Iterator[Line]:
    """Yield the lines so far, and then each new line."""
    seen: set[Line] = set()
    while True:
        for line in recent(app, stage):
            if line not in seen:
                seen.add(line)
                yield line
        time.sleep(1)
