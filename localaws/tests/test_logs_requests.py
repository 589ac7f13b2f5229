"""CloudWatch Logs and Parameter Store: what they reject, and how they answer."""

from __future__ import annotations

import itertools
import time
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

DAY = 86_400_000
names = (f"logs-requests-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def logs(emulator: str) -> Any:
    return boto3.client("logs", endpoint_url=emulator)


@pytest.fixture(scope="module")
def ssm(emulator: str) -> Any:
    return boto3.client("ssm", endpoint_url=emulator)


@pytest.fixture
def stream(logs: Any) -> dict[str, str]:
    group = next(names)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    return {"logGroupName": group, "logStreamName": "one"}


def message(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Message"])


def test_events_must_be_in_order(logs: Any, stream: dict[str, str]) -> None:
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": "a"}, {"timestamp": now - 1, "message": "b"}]
    assert "chronological order" in message(logs.put_log_events, **stream, logEvents=events)


def test_events_that_are_too_old_or_too_new_are_dropped(logs: Any, stream: dict[str, str]) -> None:
    now = int(time.time() * 1000)
    times = [now - 15 * DAY, now, now + DAY]
    answer = logs.put_log_events(**stream, logEvents=[{"timestamp": at, "message": str(at)} for at in times])
    kept = logs.get_log_events(**stream, startFromHead=True)["events"]
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}
    assert [event["timestamp"] for event in kept] == [now]


def test_a_group_is_found_by_its_arn(logs: Any, stream: dict[str, str]) -> None:
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{stream['logGroupName']}"
    (described,) = logs.describe_log_streams(logGroupIdentifier=arn)["logStreams"]
    assert described["logStreamName"] == "one"
    assert "uploadSequenceToken" not in described


def test_names_and_limits_are_bounded(logs: Any, stream: dict[str, str]) -> None:
    transformation = {"metricNamespace": "n", "metricName": "m", "metricValue": "1"}
    filter_ = {"logGroupName": stream["logGroupName"], "filterName": "f", "filterPattern": ""}
    many = [transformation, transformation]
    assert "512" in message(logs.create_log_group, logGroupName="a" * 513)
    assert "10000" in message(logs.get_log_events, **stream, limit=10_001)
    assert "equal to 1" in message(logs.put_metric_filter, **filter_, metricTransformations=many)


def test_a_missing_stream_is_not_named(logs: Any, stream: dict[str, str]) -> None:
    missing = message(logs.get_log_events, logGroupName=stream["logGroupName"], logStreamName="missing")
    assert missing == "The specified log stream does not exist."


def test_a_parameter_at_the_first_level_has_two_names(ssm: Any) -> None:
    name = next(names)
    ssm.put_parameter(Name=name, Value="1", Type="String")
    assert ssm.get_parameter(Name=f"/{name}")["Parameter"]["Name"] == f"/{name}"
    assert ssm.get_parameters(Names=[f"/{name}"])["InvalidParameters"] == []


@pytest.mark.parametrize("name", ["/a//b", "a/b"])
def test_a_name_must_be_a_path(ssm: Any, name: str) -> None:
    assert "sub-paths" in message(ssm.get_parameter, Name=name)
    assert message(ssm.put_parameter, Name=name, Value="1", Type="String").startswith("Parameter name")


def test_the_bare_emulator_accepts_them(bare_emulator: str) -> None:
    logs = boto3.client("logs", endpoint_url=bare_emulator)
    ssm = boto3.client("ssm", endpoint_url=bare_emulator)
    logs.create_log_group(logGroupName="a" * 513)
    ssm.put_parameter(Name="a//b", Value="1", Type="String")
