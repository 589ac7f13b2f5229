"""EventBridge: patterns, the input of targets, the time of events, and the targets of a rule in pages."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localaws.eventbridge.event_text import ORDER

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


@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_log_group_gets_events_if_its_policy_allows_it(events: Any, emulator: str, is_allowed: bool) -> None:
    logs, name = boto3.client("logs", endpoint_url=emulator), next(names)
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{arn if is_allowed else 'other'}:*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    logs.create_log_group(logGroupName=name)
    logs.put_resource_policy(policyName=name, policyDocument=document)
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": arn}])

    events.put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": "{}"}])

    found = logs.filter_log_events(logGroupName=name)["events"]
    assert [json.loads(event["message"])["source"] for event in found] == ([name] if is_allowed else [])
    logs.delete_resource_policy(policyName=name)


def transformer(template: str, **paths: str) -> dict[str, Any]:
    return {"InputTransformer": {"InputTemplate": template, "InputPathsMap": paths}}


def test_an_object_in_a_text_has_neither_quotes_nor_spaces(received: Any) -> None:
    detail = json.dumps({"a": {"b": [1, 2]}})
    assert received({"Detail": detail}, **transformer('"got <a>"', a="$.detail.a")) == ['"got {b:[1,2]}"']


def test_an_object_in_a_text_of_an_object_is_not_delivered(received: Any) -> None:
    detail = json.dumps({"a": {"b": 1}})
    assert received({"Detail": detail}, **transformer('{"a": "<a>"}', a="$.detail.a")) == []


def test_an_event_is_a_text_without_spaces(received: Any) -> None:
    (body,) = received({"Detail": '{"a": [1, "é"]}', "Resources": ["r"]})
    event = json.loads(body)
    assert list(event) == [*ORDER, "detail"]
    assert body.startswith('{"version":"0","id":"')
    assert body.endswith('"resources":["r"],"detail":{"a":[1,"é"]}}')


def test_a_topic_gets_an_event_without_a_subject(events: Any, emulator: str) -> None:
    sns, sqs = (boto3.client(service, endpoint_url=emulator) for service in ("sns", "sqs"))
    name = next(names)
    url, topic = sqs.create_queue(QueueName=name)["QueueUrl"], sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{name}")
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": topic}])
    events.put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": "{}"}])
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    envelope = json.loads(message["Body"])
    assert "Subject" not in envelope
    assert json.loads(envelope["Message"])["source"] == name


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


def matches(events: Any, detail: Any, pattern: Any) -> bool:
    envelope = {
        "id": "1",
        "source": "s",
        "detail-type": "d",
        "account": "1",
        "region": "r",
        "time": "2026-01-01T00:00:00Z",
    }
    event = json.dumps(envelope | {"detail": detail})
    return bool(events.test_event_pattern(Event=event, EventPattern=json.dumps({"detail": pattern}))["Result"])


@pytest.mark.parametrize(
    ("detail", "pattern", "result"),
    [
        ({"a.b": "x"}, {"a": {"b": ["x"]}}, True),
        ({"a.b": "x", "a": {"c": "y"}}, {"a": {"b": ["x"], "c": ["y"]}}, True),
        ({"a.b": {"b": "x"}}, {"a": {"b": ["x"]}}, False),
        ({"a": {"b": "x"}}, {"a.b": ["x"]}, True),
        ('{"a": "x"}', {"a": ["x"]}, False),
        ({"a": "x"}, {"a": ["x"]}, True),
    ],
)
def test_a_pattern_matches_paths(events: Any, detail: Any, pattern: Any, result: bool) -> None:
    assert matches(events, detail, pattern) is result


@pytest.mark.parametrize(
    ("operand", "reason"),
    [
        (
            {"prefix": {"equals-ignore-case": "a"}},
            "Value of anything-but must be an array or single string/number value",
        ),
        ({"suffix": [None, "a"]}, "prefix/suffix match pattern must be a string"),
    ],
)
def test_a_prefix_that_is_no_text_is_refused(events: Any, operand: Any, reason: str) -> None:
    with pytest.raises(ClientError, match=reason):
        matches(events, {}, {"a": [{"anything-but": operand}]})


def test_the_bare_emulator_knows_no_paths(bare_emulator: str) -> None:
    events = boto3.client("events", endpoint_url=bare_emulator)
    assert not matches(events, {"a.b": "c"}, {"a": {"b": ["c"]}}), "delete localaws/eventbridge/event_patterns.py"


def test_the_bare_emulator_writes_spaces(bare_emulator: str) -> None:
    events, sqs = (boto3.client(service, endpoint_url=bare_emulator) for service in ("events", "sqs"))
    url = sqs.create_queue(QueueName="text")["QueueUrl"]
    events.put_rule(Name="text", EventPattern=json.dumps({"source": ["text"]}))
    events.put_targets(Rule="text", Targets=[{"Id": "one", "Arn": "arn:aws:sqs:us-east-1:000000000000:text"}])
    events.put_events(Entries=[{"Source": "text", "DetailType": "d", "Detail": "{}"}])
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert not message["Body"].startswith('{"version":"0","id":'), "delete localaws/eventbridge/event_text.py"


def test_the_bare_emulator_accepts_an_unknown_placeholder(bare_emulator: str) -> None:
    events = boto3.client("events", endpoint_url=bare_emulator)
    events.put_rule(Name="bare", EventPattern=PATTERN)
    arn = "arn:aws:sqs:us-east-1:000000000000:q"
    answer = events.put_targets(Rule="bare", Targets=[{"Id": "one", "Arn": arn} | transformer('"<b>"', a="$.detail")])
    assert answer["FailedEntryCount"] == 0
