"""CloudWatch: statistics of metrics, and the states of alarms."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localaws.cloudwatch.alarm_evaluation import Datapoint, evaluate
from localaws.testing import eventually, refusal

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


def alarm(cloudwatch: Any, **more: Any) -> str:
    """Make an alarm; return its name."""
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
        **more,
    )
    return name


def test_an_alarm_has_the_time_of_its_last_change_of_state(cloudwatch: Any) -> None:
    name = alarm(cloudwatch)

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


TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


@pytest.mark.parametrize(
    ("data", "needed", "states"),
    [  # the examples of AWS's page on missing data: X is breaching, 0 is not, - is missing
        ("0-X-X", 3, ("OK", "OK", "OK", "OK")),
        ("0----", 3, ("OK", "OK", "OK", "OK")),
        ("-----", 3, ("INSUFFICIENT_DATA", None, "ALARM", "OK")),
        ("0XX-X", 3, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("--X--", 3, ("ALARM", None, "ALARM", "OK")),
        ("0-X-X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("00X0X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0-X--", 2, ("OK", "OK", "ALARM", "OK")),
        ("----0", 2, ("OK", "OK", "ALARM", "OK")),
        ("---X-", 2, ("ALARM", None, "ALARM", "OK")),
        ("----X", 3, (None, None, "ALARM", "OK")),  # too early for an alarm
    ],
)
def test_missing_data_are_treated_as_the_alarm_says(data: str, needed: int, states: tuple[str | None, ...]) -> None:
    points = [Datapoint(60 * at, float(each == "X"), 1) for at, each in enumerate(data) if each != "-"]
    setting = {"Period": 60, "EvaluationPeriods": 3, "DatapointsToAlarm": needed, "Threshold": 0.5}

    def state(treatment: str) -> str | None:
        settings = setting | {"ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": treatment}
        found = evaluate(settings, points[::-1], 300)
        return found.state if found else None

    assert tuple(state(treatment) for treatment in TREATMENTS) == states


@pytest.mark.parametrize(
    ("values", "more", "reason"),
    [
        (
            [21.5],
            {"EvaluationPeriods": 1},
            "Threshold Crossed: 1 datapoint [21.5 (01/01/70 00:04:00)] was greater than the threshold (1.0).",
        ),
        (
            [0.0],
            {"EvaluationPeriods": 1},
            "Threshold Crossed: 1 datapoint [0.0 (01/01/70 00:04:00)] was not greater than the threshold (1.0).",
        ),
        (
            [2.0, 0.0, 3.0],
            {"EvaluationPeriods": 3, "DatapointsToAlarm": 2},
            "Threshold Crossed: 2 out of the last 3 datapoints [2.0 (01/01/70 00:04:00), 3.0 (01/01/70 00:02:00)] were "
            "greater than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition).",
        ),
        (
            [],
            {"EvaluationPeriods": 2, "TreatMissingData": "breaching"},
            "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as "
            "[Breaching].",
        ),
        ([], {"EvaluationPeriods": 1}, "Insufficient Data: 1 datapoint was unknown."),
    ],
)
def test_the_reason_of_a_state_names_the_datapoints(values: list[float], more: dict[str, Any], reason: str) -> None:
    setting = {"Period": 60, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"} | more
    found = evaluate(setting, [Datapoint(240 - 60 * at, value, 1) for at, value in enumerate(values)], 300)

    assert found is not None
    assert found.reason == reason


def test_the_notification_of_an_alarm_names_its_trigger(cloudwatch: Any, emulator: str) -> None:
    sns, sqs = boto3.client("sns", endpoint_url=emulator), boto3.client("sqs", endpoint_url=emulator)
    url = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    dimensions = [{"Name": "route", "Value": "/"}]
    name = alarm(cloudwatch, AlarmActions=[topic], Dimensions=dimensions, TreatMissingData="ignore")

    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")

    received = eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    message = json.loads(json.loads(received[0]["Body"])["Message"])
    assert message["AlarmArn"].endswith(f":alarm:{name}")
    assert (message["NewStateReason"], message["OldStateValue"]) == ("test", "INSUFFICIENT_DATA")
    assert (message["Region"], message["AlarmActions"]) == ("US East (N. Virginia)", [topic])
    assert message["Trigger"] == {
        "MetricName": name,
        "Namespace": "suite",
        "StatisticType": "Statistic",
        "Statistic": "SUM",
        "Unit": None,
        "Dimensions": [{"value": "/", "name": "route"}],
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 1.0,
        "TreatMissingData": "ignore",
        "EvaluateLowSampleCountPercentile": "",
    }


def test_the_history_of_an_alarm_has_the_reasons_of_both_states(cloudwatch: Any) -> None:
    name = alarm(cloudwatch)
    for state in ("ALARM", "OK"):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason=f"to {state}")

    items = cloudwatch.describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]

    changes = [json.loads(item["HistoryData"]) for item in items]
    assert [(change["oldState"]["stateReason"], change["newState"]["stateReason"]) for change in changes] == [
        ("to ALARM", "to OK"),
        ("Unchecked: Initial alarm creation", "to ALARM"),
    ]


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (
            "INVALID",
            "ValidationError: 1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy "
            "constraint: Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]",
        ),
        ("OK", "ResourceNotFound: "),
    ],
)
def test_a_state_that_cannot_be_set(cloudwatch: Any, state: str, error: str) -> None:
    call = {"AlarmName": "missing", "StateValue": state, "StateReason": "test"}

    assert refusal(lambda: cloudwatch.set_alarm_state(**call)) == error
