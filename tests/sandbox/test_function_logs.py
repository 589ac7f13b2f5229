"""The log lines of functions: which function wrote a line, and a traceback as one entry."""

from __future__ import annotations

import json
import uuid
from typing import Any

import boto3
import pytest

from sandbox import function_logs

STREAM = "2026/11/30/shop-local-buy[$LATEST]0123"
TRACEBACK = """Traceback (most recent call last):
  File "app.py", line 3, in handler
    buy()
    ~~~^^
KeyError: 'price'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "app.py", line 5, in handler
    raise ValueError("no price")
ValueError: no price"""


def events(*lines: str, stream: str = STREAM) -> list[dict[str, Any]]:
    return [{"logStreamName": stream, "message": line, "timestamp": 1} for line in lines]


def texts(given: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in function_logs.folded(given)]


def test_a_traceback_with_its_cause_is_one_entry() -> None:
    lines = ["START RequestId: 1", '{"level": "INFO"}', *TRACEBACK.splitlines(), "END RequestId: 1"]

    assert texts(events(*lines)) == [*lines[:2], TRACEBACK, "END RequestId: 1"]


@pytest.mark.parametrize("after", ["another line", '{"message": "x"}', "Traceback (most recent call last):"])
def test_what_follows_a_traceback_is_an_entry_of_its_own(after: str) -> None:
    assert texts(events(*TRACEBACK.splitlines(), after)) == [TRACEBACK, after]


def test_a_traceback_that_was_cut_ends_with_its_invocation() -> None:
    cut = TRACEBACK.splitlines()[:3]

    assert texts(events(*cut, "END RequestId: 1")) == ["\n".join(cut), "END RequestId: 1"]


def test_a_traceback_takes_no_line_of_another_stream() -> None:
    cut = TRACEBACK.splitlines()[:3]

    assert texts([*events(*cut), *events("  x", stream="other")]) == ["\n".join(cut), "  x"]


def test_a_line_names_its_function_and_older_lines_are_left_out(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logs, app = boto3.client("logs", endpoint_url=emulator), f"shop{uuid.uuid4().hex[:6]}"
    monkeypatch.setattr(function_logs, "client", lambda service: logs)
    for group, stream in ((f"/aws/lambda/{app}-local", STREAM), (f"/aws/lambda/{app}-local-sell", "2026/11/30/[1]0")):
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        now = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["creationTime"]
        sent = [{"timestamp": now + offset, "message": json.dumps({"at": offset})} for offset in (0, 5)]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=sent)

    lines = function_logs.recent(app, "local")

    assert {line.function for line in lines} == {"shop-local-buy", f"{app}-local-sell"}
    assert len(lines) == 4
    assert len(function_logs.recent(app, "local", now + 3)) <= 3


def test_the_report_of_an_invocation_names_its_trace(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logs, group = boto3.client("logs", endpoint_url=emulator), f"/aws/lambda/traced{uuid.uuid4().hex[:6]}"
    monkeypatch.setattr(function_logs, "client", lambda service: logs)
    monkeypatch.setattr(function_logs, "_group", lambda function: group)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="2026/11/30/[1]0")
    now = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["creationTime"]
    told = [f"REPORT RequestId: {n}-a\tDuration: 1 ms\t\nXRAY TraceId: 1-{n}\tSegmentId: s\t" for n in (1, 2)]
    sent = [{"timestamp": now, "message": text} for text in ("START RequestId: 2-a", *told)]
    logs.put_log_events(logGroupName=group, logStreamName="2026/11/30/[1]0", logEvents=sent)

    assert [function_logs.trace_of("traced", request) for request in ("2-a", "3-a")] == ["1-2", ""]


def test_the_log_of_one_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [
        *events("START RequestId: 1", "a", "END RequestId: 1", "START RequestId: 2", "b", "c", "END RequestId: 2"),
        *events("START RequestId: 3", "d", stream="other"),
    ]

    class Client:
        """Lambda and CloudWatch Logs."""

        def get_function_configuration(self, **_: str) -> Any:
            return {"FunctionName": "buy", "LoggingConfig": {"LogGroup": "shared"}}

        def get_paginator(self, _: str) -> Client:
            return self

        def paginate(self, **asked: Any) -> Any:
            assert asked == {"logGroupName": "shared", "startTime": 98_000, "endTime": 103_000}
            return [{"events": both}]

    monkeypatch.setattr(function_logs, "client", lambda service: Client())

    assert function_logs.of_invocation("buy", "2", 100, 101) == ["b", "c"]
    assert function_logs.of_invocation("buy", "3", 100, 101) == []
