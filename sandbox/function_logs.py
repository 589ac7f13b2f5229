"""The log lines of the functions, read from CloudWatch Logs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import boto3

_TRACE = re.compile(r"^XRAY TraceId: (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """One log line; ``time`` is ISO 8601 in UTC, and ``trace`` the id of the invocation's trace, empty without one."""

    time: str
    function: str
    text: str
    trace: str = ""


def recent(app: str, stage: str, since: int = 0) -> list[Line]:
    """Return what a stage's functions of *app* logged at or after *since*, epoch milliseconds, oldest first."""
    logs = boto3.client("logs")
    lines = []
    prefix = f"/aws/lambda/{app}-{stage}"
    for group in logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]:
        name = group["logGroupName"]
        if not f"{name}-".startswith(f"{prefix}-"):
            continue
        invocations: dict[str, list[int]] = {}
        for event in logs.filter_log_events(logGroupName=name, startTime=since)["events"]:
            moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
            text = event["message"].rstrip()
            lines.append(Line(moment.isoformat(timespec="milliseconds"), name.removeprefix("/aws/lambda/"), text))
            # One stream has one invocation at a time. Its last line names the trace.
            invocations.setdefault(event["logStreamName"], []).append(len(lines) - 1)
            if text.startswith("REPORT RequestId: "):
                found = _TRACE.search(text)
                for number in invocations.pop(event["logStreamName"]):
                    lines[number] = replace(lines[number], trace=found[1] if found else "")
    return sorted(lines, key=lambda line: line.time)


def follow(app: str, stage: str) -> Iterator[Line]:
    """Yield the lines so far, and then each new line."""
    seen: set[Line] = set()
    while True:
        for line in recent(app, stage):
            if line not in seen:
                seen.add(line)
                yield line
        time.sleep(1)
