"""Rules, targets and events that EventBridge rejects."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localaws.testing import refusal

type Call = Callable[[Any], Any]

QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
EVENT = {"Source": "s", "DetailType": "d", "Detail": "{}"}
SCHEDULE = "ValidationException: Parameter ScheduleExpression is not valid."


def rule(name: str = "rule", **more: Any) -> Call:
    return lambda events: events.put_rule(Name=name, **more)


def schedule(expression: str) -> Call:
    return rule(ScheduleExpression=expression)


def targets(*names: str) -> Call:
    def run(events: Any) -> Any:
        events.put_rule(Name="targets", ScheduleExpression="rate(5 minutes)")
        events.put_targets(Rule="targets", Targets=[{"Id": name, "Arn": QUEUE} for name in names])

    return run


def delete_with_target(events: Any) -> Any:
    targets("one")(events)
    events.delete_rule(Name="targets")


def put(*entries: dict[str, str]) -> Call:
    return lambda events: events.put_events(Entries=list(entries))


CASES: dict[str, tuple[Call, str]] = {
    "rate(1 minutes)": (schedule("rate(1 minutes)"), SCHEDULE),
    "rate(2 hour)": (schedule("rate(2 hour)"), SCHEDULE),
    "rate(0 minutes)": (schedule("rate(0 minutes)"), SCHEDULE),
    "two spaces": (schedule("rate(5  minutes)"), SCHEDULE),
    "minute 61": (schedule("cron(61 12 * * ? *)"), SCHEDULE),
    "hour 25": (schedule("cron(0 25 * * ? *)"), SCHEDULE),
    "month 13": (schedule("cron(0 12 1 13 ? *)"), SCHEDULE),
    "a rule of nothing": (
        rule(),
        "ValidationException: Parameter(s) EventPattern or ScheduleExpression must be specified.",
    ),
    "a schedule on another bus": (
        rule(ScheduleExpression="rate(1 minute)", EventBusName="bus"),
        "ValidationException: ScheduleExpression is supported only on the default event bus.",
    ),
    "a name with a space": (
        rule("a b", ScheduleExpression="rate(1 minute)"),
        "ValidationException: 1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member "
        r"must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+",
    ),
    "six targets": (
        targets("1", "2", "3", "4", "5", "6"),
        "LimitExceededException: The requested resource exceeds the maximum number allowed.",
    ),
    "a rule with targets": (
        delete_with_target,
        "ValidationException: Rule can't be deleted since it has targets.",
    ),
    "no entry": (
        put(),
        "ValidationException: 1 validation error detected: Value '[]' at 'entries' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
    ),
    "256 KB": (
        put(EVENT | {"Detail": json.dumps({"a": "x" * 256 * 1024})}),
        "ValidationException: Total size of the entries in the request is over the limit.",
    ),
}

ENTRIES: dict[str, tuple[dict[str, str], tuple[str, str]]] = {
    "no source": (
        EVENT | {"Source": ""},
        ("InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument."),
    ),
    "no detail type": (
        {"Source": "s", "Detail": "{}"},
        ("InvalidArgument", "Parameter DetailType is not valid. Reason: DetailType is a required argument."),
    ),
    "no detail": (
        {"Source": "s", "DetailType": "d"},
        ("InvalidArgument", "Parameter Detail is not valid. Reason: Detail is a required argument."),
    ),
    "a detail that is not JSON": (EVENT | {"Detail": "x"}, ("MalformedDetail", "Detail is malformed.")),
    "a detail that is a list": (EVENT | {"Detail": "[]"}, ("MalformedDetail", "Detail is malformed.")),
}


@cache
def client(endpoint: str) -> Any:
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    events = boto3.client("events", endpoint_url=endpoint, config=config)
    events.create_event_bus(Name="bus")
    return events


@pytest.mark.parametrize("case", CASES)
def test_an_invalid_request_is_rejected(emulator: str, case: str) -> None:
    call, expected = CASES[case]

    assert refusal(lambda: call(client(emulator))) == expected


@pytest.mark.parametrize("case", CASES)
def test_the_gap_is_still_there(bare_emulator: str, case: str) -> None:
    call, expected = CASES[case]

    assert refusal(lambda: call(client(bare_emulator))) != expected


@pytest.mark.parametrize("case", ENTRIES)
def test_an_invalid_event_fails_and_the_others_are_accepted(emulator: str, bare_emulator: str, case: str) -> None:
    entry, expected = ENTRIES[case]

    answer = client(emulator).put_events(Entries=[EVENT, entry, EVENT])
    bare = client(bare_emulator).put_events(Entries=[EVENT, entry, EVENT])

    failed = answer["Entries"][1]
    assert (failed.get("ErrorCode"), failed.get("ErrorMessage")) == expected
    assert [bool(each.get("EventId")) for each in answer["Entries"]] == [True, False, True]
    assert (answer["FailedEntryCount"], bare["FailedEntryCount"]) == (1, 0)


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minute)", "rate(1 hour)", "rate(15 minutes)", "rate(7 days)", "cron(0 12 * * ? *)",
        "cron(0/15 8-17 ? * MON-FRI *)", "cron(0 18 L * ? *)", "cron(0 10 ? * 6#3 *)", "cron(5,35 14 1 JAN ? 2030)",
    ],
)  # fmt: skip
def test_a_valid_schedule_is_accepted(emulator: str, expression: str) -> None:
    assert refusal(lambda: schedule(expression)(client(emulator))) == ""
