"""The metrics that services record, on which alarms rely."""

from __future__ import annotations

import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from ministack.services import cloudwatch, sqs

from localaws import control
from localaws.cloudwatch import service_metrics
from localaws.cloudwatch.alarm_evaluation import datapoints, window_end
from localaws.lambda_ import deliveries
from localaws.lambda_.journal import Fate, Step
from localaws.sqs.metrics import ACTIVE, Recorder

numbers = itertools.count(1)
DIMENSIONS = {"FunctionName": "f"}


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[tuple[float, float]]]:
    """A function that returns the values of a metric with how often each was recorded."""
    metrics = cloudwatch.AccountRegionScopedDict()
    monkeypatch.setattr(cloudwatch, "_metrics", metrics)

    def of(name: str) -> list[tuple[float, float]]:
        found = [points for (_, metric, _), points in metrics.items() if metric == name]
        return [(point["Value"], point.get("Count", 1.0)) for each in found for point in each]

    return of


def test_the_emulator_keeps_each_value(points: Callable[[str], Any]) -> None:
    for _ in range(2):
        cloudwatch.record_metric("AWS/Lambda", "Errors", 0, "Count", DIMENSIONS)

    assert len(points("Errors")) == 2, "ministack no longer needs localaws/cloudwatch/service_metrics.py; delete it"


def test_equal_values_of_a_minute_are_one_data_point(
    points: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in (60, 61, 119.9, 120):
        monkeypatch.setattr(service_metrics.time, "time", lambda at=at: at)
        service_metrics.record("AWS/Lambda", "Errors", 0, "Count", DIMENSIONS)

    assert points("Errors") == [(0, 3), (0, 1)]


def test_many_values_of_a_minute_take_little_memory_and_keep_their_percentiles(points: Callable[[str], Any]) -> None:
    values = [1.5 * number for number in range(1, 2_001)]
    for value in values:
        service_metrics.record("AWS/Lambda", "Duration", value, "Milliseconds", DIMENSIONS)

    assert len(points("Duration")) < 2 * 300  # the minute may end in between
    (found,) = [kept for (_, name, _), kept in cloudwatch._metrics.items() if name == "Duration"]
    statistics = cloudwatch._calc_stats(found)
    assert statistics["SampleCount"] == 2_000
    assert cloudwatch._stat_value(statistics, "p99", found) == pytest.approx(0.99 * values[-1], rel=0.05)


def test_the_window_of_an_alarm_slides_with_each_minute(points: Callable[[str], Any]) -> None:
    hour = {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Period": 3600, "EvaluationPeriods": 1}
    alarm = hour | {"Dimensions": [{"Name": "FunctionName", "Value": "f"}], "Statistic": "Sum"}
    service_metrics.record("AWS/Lambda", "Errors", 1, "Count", DIMENSIONS)
    end = window_end(alarm, time.time() + 60)

    counted = [[(point.time - at, point.value) for point in datapoints(alarm, at)] for at in (end, end + 3600)]

    assert counted == [[(-3600, 1)], [(-7200, 1)]]
    assert end > time.time()
    assert window_end(alarm | {"Period": 10}, 1_234_567) == 1_234_560


def queue(monkeypatch: pytest.MonkeyPatch, now: float, *ages: float) -> dict[str, Any]:
    messages = [{"sent_at": now - age, "visible_at": now - age, "receive_count": 0} for age in ages]
    made: dict[str, Any] = {"name": "q", "attributes": {}, "messages": messages}
    queues = sqs.AccountRegionScopedDict()
    queues["q"] = made
    monkeypatch.setattr(sqs, "_queues", queues)
    return made


def test_a_queue_with_messages_has_their_number_and_the_age_of_the_oldest(
    points: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    queue(monkeypatch, now, 90, 30)

    Recorder().record_all(now)

    assert points("ApproximateNumberOfMessagesVisible") == [(2, 1)]
    assert points("ApproximateNumberOfMessagesNotVisible") == [(0, 1)]
    assert points("ApproximateAgeOfOldestMessage") == [(90, 1)]


def test_a_queue_without_messages_has_metrics_for_six_hours(
    points: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, now = Recorder(), time.time()
    made = queue(monkeypatch, now, 1)
    recorder.record_all(now)
    made["messages"] = []

    recorder.record_all(now + ACTIVE - 1)
    recorder.record_all(now + ACTIVE + 1)

    assert sum(count for _, count in points("ApproximateNumberOfMessagesVisible")) == 2


def step(**changed: Any) -> bytes:
    function = "arn:aws:lambda:us-east-1:000000000000:function:f"
    made = Step(*("b", "m", function, "source", "shard-0", 0, 1, "1", "1", 9, 1, 3), fate=Fate("succeeded"))
    return json.dumps([asdict(made) | {"request_id": "r", "last_age": 1.25} | changed]).encode()


def test_a_batch_of_a_stream_has_the_age_of_its_last_record(points: Callable[[str], Any]) -> None:
    for changed in {}, {"shard": ""}, {"request_id": ""}:
        deliveries.add(control.Request({}, step(**changed)))

    assert points("IteratorAge") == [(1_250, 1)]


def statistics(endpoint: str, namespace: str, name: str, dimensions: dict[str, str]) -> tuple[float, float]:
    """Return the sum and the sample count of a metric in the last minutes."""
    now = datetime.now(UTC)
    found = boto3.client("cloudwatch", endpoint_url=endpoint).get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    return sum(point["Sum"] for point in found), sum(point["SampleCount"] for point in found)


def write(endpoint: str) -> str:
    """Write to a stream, with one record more than its shard takes, and return its name."""
    kinesis, name = boto3.client("kinesis", endpoint_url=endpoint), f"stream-{next(numbers)}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    kinesis.put_records(StreamName=name, Records=[{"Data": b"x" * 900_000, "PartitionKey": "k"}] * 2)
    kinesis.put_record(StreamName=name, Data=b"xyz", PartitionKey="k")
    return name


def test_a_stream_has_the_records_that_it_takes_and_refuses(emulator: str) -> None:
    stream = {"StreamName": write(emulator)}

    assert statistics(emulator, "AWS/Kinesis", "IncomingRecords", stream) == (2, 2)
    assert statistics(emulator, "AWS/Kinesis", "IncomingBytes", stream) == (900_005, 2)
    assert statistics(emulator, "AWS/Kinesis", "WriteProvisionedThroughputExceeded", stream) == (1, 2)


def answers(endpoint: str) -> tuple[str, str]:
    """Ask a new API for a path that it has, for one that fails, and for none. Return its name and its id."""
    gateway, name = boto3.client("apigateway", endpoint_url=endpoint), f"api-{next(numbers)}"
    api = gateway.create_rest_api(name=name)["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    broken = gateway.create_resource(restApiId=api, parentId=root, pathPart="broken")["id"]
    for resource, status in (root, "200"), (broken, "500"):
        method = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        gateway.put_method(**method, authorizationType="NONE")
        template = {"application/json": f'{{"statusCode": {status}}}'}
        gateway.put_integration(**method, type="MOCK", requestTemplates=template)
        gateway.put_method_response(**method, statusCode=status)
        gateway.put_integration_response(**method, statusCode=status)
    gateway.create_deployment(restApiId=api, stageName="v1")
    metrics = {"op": "replace", "path": "/~1broken/GET/metrics/enabled", "value": "true"}
    gateway.update_stage(restApiId=api, stageName="v1", patchOperations=[metrics])
    for path in "", "broken", "missing":
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{endpoint}/_aws/execute-api/{api}/v1/{path}")
    return name, api


def test_a_stage_has_its_requests_errors_and_latency(emulator: str) -> None:
    name, _ = answers(emulator)
    stage = {"ApiName": name, "Stage": "v1"}

    assert statistics(emulator, "AWS/ApiGateway", "Count", stage) == (3, 3)
    assert statistics(emulator, "AWS/ApiGateway", "4XXError", stage) == (1, 3)
    assert statistics(emulator, "AWS/ApiGateway", "5XXError", stage) == (1, 3)
    assert statistics(emulator, "AWS/ApiGateway", "Latency", stage)[1] == 3
    method = stage | {"Method": "GET", "Resource": "/broken"}
    assert statistics(emulator, "AWS/ApiGateway", "5XXError", method) == (1, 1)
    assert statistics(emulator, "AWS/ApiGateway", "Count", stage | {"Method": "GET", "Resource": "/"}) == (0, 0)


def test_ministack_has_neither(bare_emulator: str) -> None:
    stream, (name, _) = write(bare_emulator), answers(bare_emulator)

    assert statistics(bare_emulator, "AWS/Kinesis", "IncomingRecords", {"StreamName": stream}) == (0, 0), (
        "ministack no longer needs localaws/kinesis/metrics.py; delete it"
    )
    assert statistics(bare_emulator, "AWS/ApiGateway", "Count", {"ApiName": name, "Stage": "v1"}) == (0, 0), (
        "ministack no longer needs localaws/apigateway/request_metrics.py; delete it"
    )
