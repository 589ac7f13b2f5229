"""Builds each object once in a process, on first use. Modules that only some functions need are imported there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from chalicelib.device_table import DeviceTable
from chalicelib.devices import Devices, Rule
from chalicelib.kinesis_stream import KinesisStream
from chalicelib.report_bucket import ReportBucket
from chalicelib.report_table import ReportTable
from chalicelib.report_views import ReportViews
from chalicelib.reports import Report, load
from common import aws
from common import settings as stage_settings

if TYPE_CHECKING:
    from chalicelib.alert_stream import AlertStream
    from chalicelib.cleansing import Cleansing
    from chalicelib.queues import Queue
    from chalicelib.redelivery import Redelivery
    from chalicelib.report_batches import ReportBatches
    from chalicelib.tracking import Tracking

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """The outputs of the stage's resources stack.

    ``user_pool_arn`` is empty if the reads are open. ``report_rate`` is the rate of `chalicelib.pacing`.
    """

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
    reads: Literal["closed", "open"]
    report_rate: int = 10_000
    user_pool_arn: str = ""


@cache
def settings() -> Settings:
    return stage_settings.load(Settings, _HERE / "stages")


@cache
def _reports() -> dict[str, Report]:
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
def report_views() -> ReportViews:
    return ReportViews(_reports(), _report_table(), _report_bucket())


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
def report_batches() -> ReportBatches:
    from chalicelib.athena import Athena
    from chalicelib.glue_catalog import GlueCatalog
    from chalicelib.report_batches import ReportBatches
    from chalicelib.runs import Runs

    database = settings().athena_database
    athena = Athena(aws.client("athena"), settings().athena_workgroup, database)
    catalog = GlueCatalog(aws.client("glue"), database)
    rate = settings().report_rate
    return ReportBatches(Runs(_reports(), athena, _report_bucket(), _report_table(), catalog, batch_queue(), rate))


@cache
def redelivery() -> Redelivery:
    from chalicelib.ingestion_bucket import IngestionBucket
    from chalicelib.redelivery import Redelivery

    return Redelivery(IngestionBucket(aws.s3(), settings().ingestion_bucket), _stream())


@cache
def alert_stream() -> AlertStream:
    from chalicelib.alert_mails import AlertMails
    from chalicelib.alert_stream import AlertStream
    from common import mail, ses

    mailer = ses.Mailer(ses.client(), settings().sender)
    template = mail.MailTemplate(_HERE / "mails", "alert")
    return AlertStream(AlertMails(_device_table(), mailer, template, settings().alert_recipient))
