"""CloudWatch: statistics of metrics, and the states of alarms."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

NOW = datetime.now(UTC).replace(second=5, microsecond=0)
RANGE = {"StartTime": NOW - timedelta(minutes=5), "EndTime": NOW + timedelta(minutes=5)}
names = (f"metric-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def cloudwatch(emulator: str) -> Any:
    return boto3.client("cloudwatch", endpoint_url=emulator)


@pytest.fixture
def metric(cloudwatch: Any) -> Callable[..., str]:
    """A function that puts data of a new metric and returns its name."""

    def put(*data: dict[str, Any]) -> str:
        name = next(names)
        named = [{"MetricName": name, "Timestamp": NOW} | datum for datum in data]
        cloudwatch.put_metric_data(Namespace="suite", MetricData=named)
        return name

    return put


def statistics(cloudwatch: Any, name: str, **more: Any) -> list[tuple[float, str]]:
    request = {"Namespace": "suite", "MetricName": name, "Period": 60, "Statistics": ["Sum"]} | RANGE | more
    return sorted((point["Sum"], point["Unit"]) for point in cloudwatch.get_metric_statistics(**request)["Datapoints"])


def query(name: str, **more: Any) -> dict[str, Any]:
    return {
        "Id": "q",
        "MetricStat": {"Metric": {"Namespace": "suite", "MetricName": name}, "Period": 60, "Stat": "Sum"},
    }


def test_a_request_without_dimensions_gets_only_values_without_dimensions(
    cloudwatch: Any, metric: Callable[..., str]
) -> None:
    dimensions = [{"Name": "route", "Value": "/"}]
    name = metric({"Value": 1}, {"Value": 5, "Dimensions": dimensions})

    assert statistics(cloudwatch, name) == [(1, "None")]
    assert statistics(cloudwatch, name, Dimensions=dimensions) == [(5, "None")]


def test_units_are_kept_apart(cloudwatch: Any, metric: Callable[..., str]) -> None:
    name = metric({"Value": 1, "Unit": "Count"}, {"Value": 2, "Unit": "Count"}, {"Value": 9, "Unit": "Bytes"})

    assert statistics(cloudwatch, name) == [(3, "Count"), (9, "Bytes")]
    assert statistics(cloudwatch, name, Unit="Bytes") == [(9, "Bytes")]


def test_metric_data_comes_newest_first_and_in_pages(cloudwatch: Any, metric: Callable[..., str]) -> None:
    name = metric(*({"Value": minute, "Timestamp": NOW - timedelta(minutes=minute)} for minute in range(3)))
    request = {"MetricDataQueries": [query(name)], "MaxDatapoints": 2} | RANGE

    first = cloudwatch.get_metric_data(**request)
    second = cloudwatch.get_metric_data(**request, NextToken=first["NextToken"])

    assert first["Messages"] == []
    assert [page["MetricDataResults"][0]["Values"] for page in (first, second)] == [[0, 1], [2]]
    assert "NextToken" not in second


def test_metrics_are_listed_in_pages_of_500(cloudwatch: Any) -> None:
    for start in range(0, 501, 167):
        data = [{"MetricName": f"m-{number}", "Value": 1} for number in range(start, start + 167)]
        cloudwatch.put_metric_data(Namespace="pages", MetricData=data)

    first = cloudwatch.list_metrics(Namespace="pages")
    second = cloudwatch.list_metrics(Namespace="pages", NextToken=first["NextToken"])

    assert (len(first["Metrics"]), len(second["Metrics"])) == (500, 1)


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({"Value": 1.5, "Values": [1.0, 10.0]}, "InvalidParameterCombination"),
        ({"Values": [1.0, 10.0], "Counts": [2, 4, 5]}, "InvalidParameterValue"),
        (
            {"Value": 1.5, "StatisticValues": {"SampleCount": 10, "Sum": 55, "Minimum": 1, "Maximum": 10}},
            "InvalidParameterCombination",
        ),
    ],
)
def test_a_datum_that_aws_refuses_is_refused(metric: Callable[..., str], datum: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError, match=code):
        metric(datum)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"Period": 1, "EndTime": NOW + timedelta(days=1)}, "exceeds the limit of 1440"),
        ({"EndTime": RANGE["StartTime"]}, "StartTime must be less than the parameter EndTime"),
    ],
)
def test_a_request_for_statistics_that_aws_refuses_is_refused(
    cloudwatch: Any, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        statistics(cloudwatch, "any", **more)


def test_an_alarm_has_the_time_of_its_last_change_of_state(cloudwatch: Any, metric: Callable[..., str]) -> None:
    name = next(names)
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="suite",
        MetricName=name,
        Period=60,
        EvaluationPeriods=1,
        Statistic="Sum",
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )

    def describe() -> dict[str, Any]:
        alarm: dict[str, Any] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
        return alarm

    made = describe()
    assert "TreatMissingData" not in made
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    changed = describe()

    assert made["StateTransitionedTimestamp"] == made["StateUpdatedTimestamp"]
    assert changed["StateTransitionedTimestamp"] == changed["StateUpdatedTimestamp"]


def test_a_deleted_alarm_has_no_tags(cloudwatch: Any) -> None:
    arn = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:deleted"

    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == []
