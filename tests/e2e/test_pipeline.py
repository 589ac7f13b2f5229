"""The deployed pipeline: every record is in a report, a duplicate, or bad, whatever crashes."""

from __future__ import annotations

import base64
import json
import math
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import boto3
import httpx
import pytest
from users import Author, stage
from waiting import is_empty, until

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "pipeline-app"))

from tools import reconcile, sender  # noqa: E402
from tools.sender import Entry  # noqa: E402

READINGS = 20_000
REFUSED = {"Effect": "Deny", "Action": ["athena:StartQueryExecution"], "Resource": "*"}


@dataclass
class Pipeline:
    """The pipeline of a sandbox, with an operator's rights."""

    outputs: dict[str, Any]
    endpoint: str

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint)

    @cached_property
    def functions(self) -> dict[str, dict[str, Any]]:
        """The functions by the name of their handler."""
        pages = self.client("lambda").get_paginator("list_functions").paginate()
        ours = f"pipeline-app-{stage()}-"
        found = [each for page in pages for each in page["Functions"] if each["FunctionName"].startswith(ours)]
        return {each["Handler"].partition(".")[2]: each for each in found}

    def get(self, path: str) -> Any:
        answer = httpx.get(self.outputs["api"] + path)
        return answer.json() if answer.status_code == 200 else None

    def put(self, entries: list[Entry]) -> None:
        assert sum(sender.connect(self.outputs["stream"]).send(entries)) == len(entries)

    def hourly(self, days: list[str], name: str) -> dict[tuple[str, str, str], dict[str, Any]]:
        """The rows of the devices whose ids begin with *name*."""
        found = {}
        for day in days:
            report = self.get(f"/reports/hourly?period={day}") or {"rows": []}
            assert not report.get("cursor")
            rows = [row for row in report["rows"] if row["device_id"].startswith(name)]
            found |= {(row["device_id"], row["metric"], row["hour"]): row for row in rows}
        return found

    @contextmanager
    def crashing(self, handler: str) -> Iterator[None]:
        """Make a function fail at its start: it does not find its settings."""
        aws = self.client("lambda")
        name = self.functions[handler]["FunctionName"]
        variables = aws.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        aws.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables | {"STAGE": "nowhere"}}
        )
        try:
            yield
        finally:
            aws.update_function_configuration(FunctionName=name, Environment={"Variables": variables})

    @contextmanager
    def forbidden(self, handler: str, statement: dict[str, Any]) -> Iterator[None]:
        """Deny a function the actions of a policy *statement*."""
        role = self.functions[handler]["Role"].rpartition("/")[2]
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam = self.client("iam")
        iam.put_role_policy(RoleName=role, PolicyName="denied", PolicyDocument=policy)
        try:
            yield
        finally:
            iam.delete_role_policy(RoleName=role, PolicyName="denied")

    def is_quiet(self) -> bool:
        """Return whether no object waits to be reported."""
        return is_empty(self.outputs["batches_queue"])

    def notify_again(self) -> None:
        """Send S3's notification of every delivered object again."""
        s3, sqs = self.client("s3"), self.client("sqs")
        bucket = self.outputs["ingestion_bucket"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for each in page.get("Contents", []):
                if each["Key"].startswith("failed/"):
                    continue
                created = {"key": each["Key"], "eTag": each["ETag"].strip('"'), "size": each["Size"]}
                body = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": created}}]}
                sqs.send_message(QueueUrl=self.outputs["batches_queue"], MessageBody=json.dumps(body))


@pytest.fixture(scope="module")
def pipeline(sandbox: dict[str, Any]) -> Pipeline:
    return Pipeline(sandbox["pipeline-app"], sandbox["endpoint"])


def computed(expected: reconcile.Expected, name: str) -> dict[tuple[str, str, str], int]:
    """Compute the counts of the hourly report by a few lines of Python."""
    readings = set()
    for entry in expected.entries:
        try:
            each = json.loads(entry.data)
            moment, value, seq = moment_of(each["ts"]), each["value"], each["seq"]
            (each.get("unit") or "").upper()
            if type(seq) is int and type(value) in (int, float) and abs(value) < math.inf and _FIRST <= moment < _SOON:
                readings.add((str(each["device_id"]), each["metric"], moment.astimezone(UTC), seq))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return Counter(
        (device, metric, f"{moment:%Y-%m-%dT%H}:00:00Z")
        for device, metric, moment, _ in readings
        if device.startswith(name)
    )


def moment_of(ts: Any) -> datetime:
    if isinstance(ts, str):
        return datetime.fromisoformat(ts)
    return datetime.fromtimestamp(ts / 1000 if ts > 10**11 else ts, UTC)


_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_SOON = datetime.now(UTC) + timedelta(hours=1)


def test_the_reports_account_for_every_record_whatever_crashes_and_is_notified_again(pipeline: Pipeline) -> None:
    now = time.time()
    name = f"reconcile-{uuid.uuid4().hex[:8]}"
    # Waits for what other tests sent shortly before, so that it is not counted.
    pipeline.put([reading(f"first-{name}", 1, now, 1)])
    until(lambda: pipeline.hourly([f"{datetime.now(UTC):%Y-%m-%d}"], f"first-{name}") and pipeline.is_quiet())
    expected = reconcile.generate(READINGS, seed=1, now=now, name=name)
    reconciliation = reconcile.Reconciliation(reconcile.Api(pipeline.outputs["api"]), name)
    half = READINGS // 2

    pipeline.put(expected.entries[:half])
    with pipeline.crashing("cleanse"), pipeline.crashing("track_devices"), pipeline.forbidden("run_reports", REFUSED):
        pipeline.put(expected.entries[half:])
        time.sleep(4)
    pipeline.notify_again()
    found = reconciliation.wait(expected)
    pipeline.notify_again()

    assert found.matches(expected), reconcile.summary(expected, found)
    days = [(datetime.fromtimestamp(now, UTC).date() + timedelta(days=ago)).isoformat() for ago in range(-3, 2)]
    assert {key: row["count"] for key, row in pipeline.hourly(days, name).items()} == computed(expected, name)


def reading(device: str, value: float, ts: float, seq: int) -> Entry:
    sent = {"device_id": device, "metric": "temperature", "value": value, "unit": "C", "ts": ts, "seq": seq}
    return Entry(device, json.dumps(sent).encode())


class History(NamedTuple):
    """Readings that are sent at once, so that the tests wait for them once."""

    device: str
    values: dict[float, float]


AGAIN, TWICE = datetime(2010, 3, 1, 12, tzinfo=UTC), datetime(2010, 4, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def history(pipeline: Pipeline) -> History:
    device = f"old-{uuid.uuid4().hex[:8]}"
    start = datetime(2011, 5, 30, tzinfo=UTC).timestamp()
    values = {start + number * 1800: 20 + number % 13 / 7 for number in range(96)}
    records = [reading(device, value, ts, seq) for seq, (ts, value) in enumerate(values.items())]
    others = [reading(device, 1, moment.timestamp(), 1) for moment in (AGAIN, TWICE)]
    pipeline.put([*reversed(records), *records[:10], *others])
    return History(device, values)


def test_a_report_has_the_numbers_that_a_few_lines_of_python_compute(pipeline: Pipeline, history: History) -> None:
    days = ["2011-05-30", "2011-05-31"]

    def whole() -> dict[tuple[str, str, str], dict[str, Any]] | None:
        rows = pipeline.hourly(days, history.device)
        return rows if sum(row["count"] for row in rows.values()) == 96 else None

    found = until(whole)

    assert len(found) == 48
    for (_, _, hour), row in found.items():
        ts = datetime.fromisoformat(hour).timestamp()
        pair = [history.values[ts], history.values[ts + 1800]]
        assert (row["count"], row["min"], row["max"]) == (2, min(pair), max(pair))
        assert row["avg"] == pytest.approx(fmean(pair), rel=1e-12)


def test_records_over_the_limit_of_a_response_are_not_lost(pipeline: Pipeline) -> None:
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=1), today, today + timedelta(days=1)]
    api = reconcile.Api(pipeline.outputs["api"])
    before = api.quality(days)["bad: not_json"]
    data = base64.b64encode(bytes(480_000)).decode()
    records = [
        {
            "recordId": f"{number}",
            "data": data,
            "kinesisRecordMetadata": {
                "shardId": "shardId-of-a-test",
                "sequenceNumber": str(uuid.uuid4().int),
                "approximateArrivalTimestamp": int(time.time() * 1000),
            },
        }
        for number in range(8)
    ]

    answer = pipeline.client("lambda").invoke(
        FunctionName=pipeline.functions["cleanse"]["FunctionName"], Payload=json.dumps({"records": records})
    )

    content = answer["Payload"].read()
    results = [each["result"] for each in json.loads(content)["records"]]
    assert len(content) < 6_000_000
    assert set(results) == {"Ok", "Dropped"}
    until(lambda: api.quality(days)["bad: not_json"] == before + results.count("Dropped"))


def test_a_device_sends_for_itself_only(pipeline: Pipeline) -> None:
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=1), today, today + timedelta(days=1)]
    api = reconcile.Api(pipeline.outputs["api"])
    before = api.quality(days)["bad: another_device"]
    own, other = (f"{kind}-{uuid.uuid4().hex[:8]}" for kind in ("own", "other"))
    for device in (own, other):
        payload = reading(device, 1, time.time(), 1).data
        topic = f"{pipeline.outputs['device_topics']}/{own}/readings"
        pipeline.client("iot-data").publish(topic=topic, payload=payload)

    until(lambda: api.quality(days)["bad: another_device"] == before + 1)
    assert pipeline.get(f"/devices/{own}")["device_id"] == own
    assert pipeline.get(f"/devices/{other}") is None


def test_only_an_operator_runs_reports_again(pipeline: Pipeline, history: History) -> None:
    path = "/reports/hourly?period=2010-03-01"
    first = until(lambda: pipeline.get(path))
    iam = pipeline.client("iam")
    iam.create_user(UserName=history.device)
    iam.attach_user_policy(UserName=history.device, PolicyArn=pipeline.outputs["operator_policy"])
    key = iam.create_access_key(UserName=history.device)["AccessKey"]
    operator = Author(pipeline.outputs, key["AccessKeyId"], key["SecretAccessKey"])
    rerun = {"from": "2010-03-01", "to": "2010-03-02"}

    assert httpx.post(pipeline.outputs["api"] + "/reports/hourly/runs", json=rerun).status_code == 403
    assert operator.send("POST", "/reports/hourly/runs", {"period": "2010-03-01' OR '1'='1"}).status_code == 400
    assert operator.send("POST", "/reports/hourly/runs", rerun).status_code == 202

    second = until(lambda: (now := pipeline.get(path)) and now["generated_at"] > first["generated_at"] and now)
    assert second["rows"] == first["rows"]
    assert pipeline.get("/reports/hourly?period=2010-03-02") is None


def test_a_repeated_notification_runs_nothing(pipeline: Pipeline, history: History) -> None:
    path = "/reports/hourly?period=2010-04-01"
    first = until(lambda: pipeline.get(path))
    until(pipeline.is_quiet)
    for _ in range(2):
        pipeline.notify_again()
    until(pipeline.is_quiet)

    assert pipeline.get(path) == first


def test_an_alert_is_raised_mailed_once_and_cleared(pipeline: Pipeline, sandbox: dict[str, Any]) -> None:
    device = f"hot-{uuid.uuid4().hex[:8]}"
    now = time.time()

    def alerts() -> list[dict[str, Any]]:
        return [each for each in pipeline.get("/alerts?limit=100")["items"] if each["device_id"] == device]

    for _ in range(2):
        pipeline.put([reading(device, 90 if second % 2 else 78, now - 60 + second, second) for second in range(20)])
    until(lambda: len(alerts()) == 1)
    assert pipeline.get(f"/devices/{device}")["alerts"][0]["value"] == 90
    pipeline.put([reading(device, 60, now, 99)])
    until(lambda: len(alerts()) == 2)

    def mails() -> list[Any]:
        return [each for each in httpx.get(f"{sandbox['console']}/mails.json").json() if device in json.dumps(each)]

    until(mails)
    assert [alert["state"] for alert in alerts()] == ["cleared", "raised"]
    assert pipeline.get(f"/devices/{device}")["alerts"] == []
    assert len(mails()) == 1
