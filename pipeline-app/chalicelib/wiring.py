"""Builds each object once in a process, on first use; what only some functions need is imported there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.device_table import DeviceTable, alert_of
from chalicelib.devices import Devices, Rule
from chalicelib.kinesis_stream import KinesisStream
from chalicelib.report_bucket import ReportBucket
from chalicelib.report_table import ReportTable
from chalicelib.reports import Report, load
from chalicelib.views import Views
from common import aws, events
from common import settings as stage_settings

if TYPE_CHECKING:
    from chalicelib.alert_mails import AlertMails
    from chalicelib.cleansing import Cleansing
    from chalicelib.queues import Queue
    from chalicelib.redelivery import Redelivery
    from chalicelib.runs import Runs
    from chalicelib.tracking import Tracking

_HERE = Path(__file__).parent

_RUN_SECONDS = 200
"""In which an invocation of `run_reports` waits for Athena; in the rest of its 300 it stores what Athena made."""


@dataclass(frozen=True)
class Settings:
    """What the stage's resources stack made."""

    stream: str
    ingestion_bucket: str
    reporting_bucket: str
    athena_workgroup: str
    athena_database: str
    devices_table: str
    alerts_table: str
    alerts_stream_arn: str
    reports_table: str
    batches_queue: str
    failures_queue: str
    sender: str
    alert_recipient: str


@cache
def settings() -> Settings:
    return stage_settings.load(Settings, _HERE / "stages")


@cache
def reports() -> dict[str, Report]:
    return load(_HERE / "reports")


@cache
def _report_table() -> ReportTable:
    return ReportTable(aws.client("dynamodb"), settings().reports_table)


@cache
def _report_bucket() -> ReportBucket:
    return ReportBucket(aws.s3(), settings().reporting_bucket)


@cache
def _device_table() -> DeviceTable:
    return DeviceTable(aws.client("dynamodb"), settings().devices_table, settings().alerts_table)


@cache
def _stream() -> KinesisStream:
    return KinesisStream(aws.client("kinesis"), settings().stream)


@cache
def views() -> Views:
    return Views(reports(), _report_table(), _report_bucket())


@cache
def devices() -> Devices:
    rules = msgspec.json.decode((_HERE / "alert-rules.json").read_bytes(), type=list[Rule])
    return Devices(_device_table(), rules)


@cache
def batch_queue() -> Queue:
    from chalicelib.queues import Queue

    return Queue(aws.client("sqs"), settings().batches_queue)


@cache
def failure_queue() -> Queue:
    from chalicelib.queues import Queue

    return Queue(aws.client("sqs"), settings().failures_queue)


@cache
def cleansing() -> Cleansing:
    from chalicelib.cleansing import Cleansing

    return Cleansing(_stream())


@cache
def tracking() -> Tracking:
    from chalicelib.tracking import Tracking

    return Tracking(devices(), _report_table())


@cache
def _runs() -> Runs:
    from chalicelib.athena import Athena
    from chalicelib.catalogue import Catalogue
    from chalicelib.runs import Runs

    database = settings().athena_database
    return Runs(
        reports(),
        Athena(aws.client("athena"), settings().athena_workgroup, database),
        _report_bucket(),
        _report_table(),
        Catalogue(aws.client("glue"), database),
    )


def batches(event: dict[str, Any]) -> Iterator[events.Group]:
    """Yield what is to be done for messages of the queue of batches: all new objects at once, then each wish.

    All of it together may take `_RUN_SECONDS`.
    """
    from chalicelib import queues

    until = time.time() + _RUN_SECONDS
    batch = queues.read(event)
    if batch.ids:
        yield events.Group(batch.ids, partial(_runs().add, batch.objects, until))
    for wish in batch.wishes:
        yield events.Group([wish.id], partial(_runs().repeat, wish.report, wish.periods, wish.id, until))
    for name, error in batch.strange.items():
        yield events.Group([name], partial(_refuse, error))


def _refuse(error: ValueError) -> None:
    raise error


def failures(event: dict[str, Any]) -> Iterator[events.Group]:
    """Yield what is to be done for messages that tell of objects which Firehose could not deliver."""
    from chalicelib import notifications

    for message in event["Records"]:
        for created in notifications.created(message["body"]):
            yield events.Group([message["messageId"]], partial(_redelivery().send, created.key))


@cache
def _redelivery() -> Redelivery:
    from chalicelib.ingestion_bucket import IngestionBucket
    from chalicelib.redelivery import Redelivery

    return Redelivery(IngestionBucket(aws.s3(), settings().ingestion_bucket), _stream())


@cache
def _alert_mails() -> AlertMails:
    from chalicelib.alert_mails import AlertMails
    from common import email

    mailer = email.Mailer(email.client(), settings().sender)
    template = email.MailTemplate(_HERE / "mails", "alert")
    return AlertMails(_device_table(), mailer, template, settings().alert_recipient)


def mail_alert(record: dict[str, Any]) -> None:
    """Handle a record of the stream of alerts."""
    if record["eventName"] == "INSERT":
        _alert_mails().send(alert_of(record["dynamodb"]["NewImage"]))
