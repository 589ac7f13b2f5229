"""The journey through pipeline-app: a device sends readings, which become the latest values and a report.

The readings are of a day in the 1970s of which the pipeline has nothing. So the objects, the report and the partition
of that day are this journey's alone and can be removed, and no report of real readings changes.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from deploy.verify import page
from deploy.verify.health import Health
from deploy.verify.journey import step
from deploy.verify.people import operator, sign_in
from deploy.verify.removal import delete_item, delete_objects, items_of, keys
from deploy.verify.requests import Answer, Api

_FIRST, _DAYS = date(1971, 1, 1), 3_000
_TEMPERATURE, _HUMIDITY = 21.5, 40.0
_LAST_RUNS, _ARRIVALS, _OBJECT, _SIZE, _WAITING = "#newest", "#arrivals", "#object", "#size", "#waiting"
"""Names of items in the table of reports: pipeline-app/chalicelib/report_table.py."""

type Item = dict[str, Any]


class Pipeline(Health):
    """A device that sends a reading to Kinesis, one to AWS IoT, and one that is malformed."""

    app = "pipeline-app"
    day: str
    arrived: str
    last_run: Item | None
    reader: Api
    generated_at: str
    bad: list[dict[str, str]]

    @step("Readings come in through Kinesis and through AWS IoT.")
    def send(self) -> None:
        self.day, self.arrived = self._empty_day(), f"{datetime.now(UTC):%Y-%m-%d}"
        self.last_run = self._last_run()
        self.reader = self._signed_in()
        self.bad = []
        self.remove_later(f"device {self.name}", self._remove_device)
        self.remove_later(f"report of {self.day}", self._remove_report)
        self.remove_later(f"partition of {self.day}", self._remove_partition)
        self.remove_later(f"objects of {self.day}", self._remove_objects)
        self.remove_later("the wait for all that was sent", self._wait)
        stream = self.outputs()["Stream"]
        for reading in (self._reading("temperature", _TEMPERATURE, "C", 1), self._reading("humidity", "wet", "%", 3)):
            self.client("kinesis").put_record(StreamName=stream, Data=json.dumps(reading), PartitionKey=self.name)
        reading = self._reading("humidity", _HUMIDITY, "%", 2)
        topic = f"{self.outputs()['DeviceTopics']}/{self.name}/readings"
        self.client("iot-data").publish(topic=topic, qos=1, payload=json.dumps(reading))

    @step("The API shows the latest values of the device.")
    def show_latest(self) -> None:
        device = self.until(
            lambda: self.reader.get(f"/devices/{self.name}"),
            lambda answer: answer.status == 200 and len(answer.json["metrics"]) == 2,
            "the device with two metrics",
        )
        values = {name: metric["value"] for name, metric in device.json["metrics"].items()}
        wanted = {"temperature": _TEMPERATURE, "humidity": _HUMIDITY}
        self.expect(values == wanted, str(wanted), values)

    @step("Firehose delivers the readings to the partition of their day, and a report has them.")
    def report(self) -> None:
        self.until(self._delivered, bool, "an object of Firehose in the bucket")
        report = self.until(self._report, lambda answer: len(_counts(answer)) == 2, "an hourly report with two rows")
        self.expect(_counts(report) == {"temperature": 1, "humidity": 1}, "one reading of each metric", _counts(report))
        self.generated_at = report.json["generated_at"]

    @step("Nobody reads without signing in.")
    def refuse_strangers(self) -> None:
        if "UserPoolId" not in self.outputs():
            self.skip("the reads of this stage are open")
        for path in (f"/devices/{self.name}", "/devices", "/alerts", "/reports", "/status"):
            self.refused(Api(self.http, self.api()).get(path), 401)

    @step("The malformed reading is kept with its reason, and Athena finds it.")
    def keep_malformed(self) -> None:
        found = self.until(self._bad_records, bool, "the record in the table errors")
        self.expect(found[0]["reason"] == "wrong_value", "the reason wrong_value", found[0]["reason"])

    @step("An operator runs the report again, and nobody else can.")
    def run_again(self) -> None:
        path, body = "/reports/hourly/runs", {"period": self.day}
        self.refused(Api(self.http, self.api()).send("POST", path, body), 403)
        accepted = operator(self, self.api()).send("POST", path, body)
        self.expect(accepted.status == 202, "202", accepted)
        self.until(
            self._report,
            lambda answer: answer.status == 200 and answer.json["generated_at"] > self.generated_at,
            "a newer edition of the report",
        )

    @step("The dashboard's API answers: the devices, the reports, and how fresh they are.")
    def show_dashboard(self) -> None:
        for path in ("/devices", "/alerts", "/reports", "/status"):
            answer = self.reader.get(path)
            self.expect(answer.status == 200, f"200 for {path}", answer)

    @step("The page loads, with the addresses of this stage.")
    def load_page(self) -> None:
        page.loads(self)

    def _reading(self, metric: str, value: float | str, unit: str, seq: int) -> dict[str, Any]:
        known = {"device_id": self.name, "metric": metric, "value": value, "unit": unit}
        return {**known, "ts": f"{self.day}T12:00:00Z", "seq": seq}

    def _signed_in(self) -> Api:
        """Return the API as somebody who may read it: a user if the app has users, or else the tester."""
        return sign_in(self, "reader").api(self.api()) if "UserPoolId" in self.outputs() else operator(self, self.api())

    def _empty_day(self) -> str:
        """Return a day of which nothing was ever ingested."""
        while True:
            day = (_FIRST + timedelta(days=random.randrange(_DAYS))).isoformat()  # noqa: S311
            key = {"name": {"S": "hourly"}, "period": {"S": day}}
            known = self.client("dynamodb").get_item(TableName=self.outputs()["ReportsTable"], Key=key)
            if "Item" not in known and not self._objects(f"readings/day={day}/"):
                return day

    def _objects(self, prefix: str) -> list[str]:
        return keys(self.client("s3"), self.outputs()["IngestionBucket"], prefix)

    def _delivered(self) -> list[str]:
        return self._objects(f"readings/day={self.day}/")

    def _report(self) -> Answer:
        return self.reader.get(f"/reports/hourly?period={self.day}")

    def _bad_records(self) -> list[dict[str, str]]:
        """Return for each object with bad records of this device: its path, the reason, and all its records."""
        own = f"count_if(raw LIKE '%{self.name}%')"
        return self._query(
            f'SELECT "$path" AS path, max(reason) AS reason, count(*) AS records, {own} AS own '  # noqa: S608
            f"FROM errors WHERE day = '{self.arrived}' GROUP BY \"$path\" HAVING {own} > 0"
        )

    def _query(self, sql: str) -> list[dict[str, str]]:
        """Return the rows of a query in the stage's workgroup, whose result is removed at the end."""
        outputs, athena = self.outputs(), self.client("athena")
        query = athena.start_query_execution(
            QueryString=sql,
            WorkGroup=outputs["AthenaWorkgroup"],
            QueryExecutionContext={"Database": outputs["AthenaDatabase"]},
        )["QueryExecutionId"]

        def state() -> dict[str, Any]:
            found: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
            return found

        self.settled(lambda: state()["State"] not in ("QUEUED", "RUNNING"))
        self.expect(state()["State"] == "SUCCEEDED", "a query that succeeds", state())
        names, *rows = (
            [cell.get("VarCharValue", "") for cell in row["Data"]]
            for row in athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
        )
        delete_objects(self.client("s3"), outputs["ReportingBucket"], f"athena/{query}")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _last_run(self) -> Item | None:
        """Return the item that names the edition of the hourly report that was made last."""
        runs = items_of(self.client("dynamodb"), self.outputs()["ReportsTable"], "name", _LAST_RUNS)
        return next((item for item in runs if item["period"]["S"] == "hourly"), None)

    # Removal

    def _wait(self) -> None:
        """Wait until all that was sent has arrived: what arrives after the removal would stay."""

        def has_arrived() -> bool:
            self.bad = self.bad or self._bad_records()
            known = self.reader.get(f"/devices/{self.name}").status == 200
            return bool(self.bad) and known and self._report().status == 200

        self.settled(has_arrived)

    def _remove_objects(self) -> None:
        """Delete the objects of the day, and those with bad records unless they have records of others too."""
        bucket, s3 = self.outputs()["IngestionBucket"], self.client("s3")
        for each in self.bad:
            if each["records"] == each["own"]:
                self._remove_object(urlsplit(each["path"]).path.lstrip("/"))
            else:
                self.note(f"one malformed reading stays in {each['path']}, beside those of other devices")
        for key in self._delivered():
            self._remove_object(key)
        delete_objects(s3, bucket, f"readings/day={self.day}/")

    def _remove_object(self, key: str) -> None:
        """Delete an object and the item that says that it is in the reports."""
        s3, bucket = self.client("s3"), self.outputs()["IngestionBucket"]
        tag = s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
        table = self.outputs()["ReportsTable"]
        delete_item(self.client("dynamodb"), table, name=_OBJECT, period=f"{key} {tag}")
        delete_objects(s3, bucket, key)

    def _remove_device(self) -> None:
        delete_item(self.client("dynamodb"), self.outputs()["DevicesTable"], device_id=self.name)

    def _remove_partition(self) -> None:
        glue = self.client("glue")
        with suppress(glue.exceptions.EntityNotFoundException):
            glue.delete_partition(
                DatabaseName=self.outputs()["AthenaDatabase"], TableName="hourly", PartitionValues=[self.day]
            )

    def _remove_report(self) -> None:
        outputs, dynamodb, s3 = self.outputs(), self.client("dynamodb"), self.client("s3")
        bucket, table = outputs["ReportingBucket"], outputs["ReportsTable"]
        delete_objects(s3, bucket, f"reports/hourly/{self.day}/")
        for key in keys(s3, bucket, "runs/hourly/"):
            if f"/period={self.day}/" in key:
                delete_objects(s3, bucket, key)
        delete_item(dynamodb, table, name="hourly", period=self.day)
        for partition in ("readings", "late"):
            delete_item(dynamodb, table, name=_SIZE, period=f"{partition}/{self.day}")
        delete_item(dynamodb, table, name=_WAITING, period=f"event day/{self.day}")
        with suppress(dynamodb.exceptions.ConditionalCheckFailedException):  # nothing has arrived
            dynamodb.update_item(
                TableName=table,
                Key={"name": {"S": _ARRIVALS}, "period": {"S": self.arrived}},
                UpdateExpression="DELETE #days :day",
                ConditionExpression="attribute_exists(#days)",
                ExpressionAttributeNames={"#days": "days"},
                ExpressionAttributeValues={":day": {"SS": [self.day]}},
            )
        newest = self._last_run()
        if newest and newest["of"]["S"] == self.day:
            if self.last_run:
                dynamodb.put_item(TableName=table, Item=self.last_run)
            else:
                delete_item(dynamodb, table, name=_LAST_RUNS, period="hourly")


def _counts(report: Answer) -> dict[str, int]:
    """Return the number of readings by metric, none if there is no report yet."""
    rows = report.json["rows"] if report.status == 200 else []
    return {row["metric"]: row["count"] for row in rows}
