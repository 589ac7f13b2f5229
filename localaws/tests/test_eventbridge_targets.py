"""EventBridge: the input of targets, the time of events, and the targets of a rule in pages."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

PATTERN = json.dumps({"source": ["suite"]})
names = (f"event-targets-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def events(emulator: str) -> Any:
    return boto3.client("events", endpoint_url=emulator)


@pytest.fixture
def received(events: Any, emulator: str) -> Any:
    """A function that puts an event to a target with an input, and returns what the queue receives."""
    sqs = boto3.client("sqs", endpoint_url=emulator)

    def put(entry: dict[str, Any], **target: Any) -> list[str]:
        name = next(names)
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
        events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
        events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": arn} | target])
        events.put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": "{}"} | entry])
        return [message["Body"] for message in sqs.receive_message(QueueUrl=url).get("Messages", [])]

    return put


def transformer(template: str, **paths: str) -> dict[str, Any]:
    return {"InputTransformer": {"InputTemplate": template, "InputPathsMap": paths}}


def test_an_object_in_a_text_has_neither_quotes_nor_spaces(received: Any) -> None:
    detail = json.dumps({"a": {"b": [1, 2]}})
    assert received({"Detail": detail}, **transformer('"got <a>"', a="$.detail.a")) == ['"got {b:[1,2]}"']


def test_an_object_in_a_text_of_an_object_is_not_delivered(received: Any) -> None:
    detail = json.dumps({"a": {"b": 1}})
    assert received({"Detail": detail}, **transformer('{"a": "<a>"}', a="$.detail.a")) == []


def test_an_event_keeps_its_time(received: Any) -> None:
    (body,) = received({"Time": datetime(2022, 1, 1, tzinfo=UTC)})
    assert json.loads(body)["time"] == "2022-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (transformer('"<b>"', a="$.detail") | {"InputPath": "$.detail"}, "Only one of Input"),
        (transformer('"<b>"', a="$.detail"), "invalid placeholder b"),
    ],
)
def test_a_target_has_one_valid_input(events: Any, target: dict[str, Any], reason: str) -> None:
    name = next(names)
    events.put_rule(Name=name, EventPattern=PATTERN)
    arn = "arn:aws:sqs:us-east-1:000000000000:q"
    with pytest.raises(ClientError, match=reason):
        events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": arn} | target])


def test_targets_come_in_pages(events: Any) -> None:
    name = next(names)
    events.put_rule(Name=name, EventPattern=PATTERN)
    arn = "arn:aws:sqs:us-east-1:000000000000:q"
    events.put_targets(Rule=name, Targets=[{"Id": str(number), "Arn": arn} for number in range(3)])
    first = events.list_targets_by_rule(Rule=name, Limit=2)
    rest = events.list_targets_by_rule(Rule=name, NextToken=first["NextToken"])
    assert [target["Id"] for target in first["Targets"] + rest["Targets"]] == ["0", "1", "2"]
    assert "NextToken" not in rest


def test_a_tested_event_has_an_envelope(events: Any) -> None:
    with pytest.raises(ClientError, match="Parameter Event is not valid"):
        events.test_event_pattern(Event='{"source": "suite"}', EventPattern=PATTERN)


def test_the_bare_emulator_accepts_an_unknown_placeholder(bare_emulator: str) -> None:
    events = boto3.client("events", endpoint_url=bare_emulator)
    events.put_rule(Name="bare", EventPattern=PATTERN)
    arn = "arn:aws:sqs:us-east-1:000000000000:q"
    answer = events.put_targets(Rule="bare", Targets=[{"Id": "one", "Arn": arn} | transformer('"<b>"', a="$.detail")])
    assert answer["FailedEntryCount"] == 0
