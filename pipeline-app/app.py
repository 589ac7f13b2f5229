"""The ingestion pipeline: every route and trigger, and what handles it."""

from functools import partial
from typing import Any

from chalice import Chalice, CognitoUserPoolAuthorizer, IAMAuthorizer
from chalice.app import DynamoDBEvent, KinesisEvent, SQSEvent

from chalicelib import wiring
from chalicelib.devices import AlertQuery, AlertView, DeviceQuery, DeviceView
from chalicelib.report_views import PeriodQuery, ReportDownload, ReportList, ReportPage, ReportQuery, Status
from chalicelib.reports import RerunRequest
from common import events, rest
from common.pages import Page

app = Chalice(app_name="pipeline-app", configure_logs=False)
rest.configure(app)
settings = wiring.settings()
operators = IAMAuthorizer()
# Every user of the pool may read. It has one client, so the API need not check for which one a token was issued.
readers = None
if settings.reads == "closed":
    readers = CognitoUserPoolAuthorizer("cognito", provider_arns=[settings.user_pool_arn])


@app.route("/health", methods=["GET"])
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.route("/devices", methods=["GET"], authorizer=readers)
def list_devices() -> rest.Answer[Page[DeviceView]]:
    return rest.answer(app, wiring.devices().page(rest.query(app, DeviceQuery)))


@app.route("/devices/{device_id}", methods=["GET"], authorizer=readers)
def get_device(device_id: str) -> rest.Answer[DeviceView]:
    return rest.answer(app, wiring.devices().get(device_id))


@app.route("/alerts", methods=["GET"], authorizer=readers)
def list_alerts() -> rest.Answer[Page[AlertView]]:
    return rest.answer(app, wiring.devices().alerts(rest.query(app, AlertQuery)))


@app.route("/reports", methods=["GET"], authorizer=readers)
def list_reports() -> rest.Answer[ReportList]:
    return rest.answer(app, wiring.report_views().list())


@app.route("/reports/{name}", methods=["GET"], authorizer=readers)
def get_report(name: str) -> rest.Answer[ReportPage]:
    return rest.answer(app, wiring.report_views().get(name, rest.query(app, ReportQuery)))


@app.route("/reports/{name}/download", methods=["GET"], authorizer=readers)
def download_report(name: str) -> rest.NoStore[ReportDownload]:
    return rest.no_store(wiring.report_views().download(name, rest.query(app, PeriodQuery)))


@app.route("/reports/{name}/runs", methods=["POST"], authorizer=operators)
def run_report(name: str) -> rest.Accepted:
    report = wiring.report_views().require(name)
    wiring.batch_queue().request_rerun(report.name, rest.body(app, RerunRequest).days())
    return rest.accepted()


@app.route("/status", methods=["GET"], authorizer=readers)
def get_status() -> rest.Answer[Status]:
    return rest.answer(app, wiring.report_views().status())


# Firehose invokes it with the records of the stream: delivery.yaml.
@app.lambda_function(name="cleanse")
def cleanse(event: dict[str, Any], context: Any) -> dict[str, Any]:
    answer = wiring.cleansing().transform(event)
    app.log.info("cleansed", extra={"records": len(event["records"]), "request_id": context.aws_request_id})
    return answer


@app.on_kinesis_record(settings.stream, batch_size=1000, starting_position="TRIM_HORIZON")
def track_devices(event: KinesisEvent) -> Any:
    return events.each_group(app, wiring.tracking().groups(event.to_dict()))


@app.on_dynamodb_record(settings.alerts_stream_arn, batch_size=100, starting_position="TRIM_HORIZON")
def mail_alerts(event: DynamoDBEvent) -> Any:
    return events.each_record(app, event.to_dict(), wiring.alert_stream().handle)


@app.on_sqs_message(
    queue=settings.batches_queue.rpartition("/")[2], batch_size=1000, maximum_batching_window_in_seconds=30
)
def run_reports(event: SQSEvent) -> Any:
    batch = event.to_dict()
    back_off = partial(wiring.batch_queue().back_off, batch)
    return events.each_group(app, wiring.report_batches().groups(batch), back_off)


@app.on_sqs_message(queue=settings.failures_queue.rpartition("/")[2], batch_size=1)
def redeliver(event: SQSEvent) -> Any:
    batch = event.to_dict()
    back_off = partial(wiring.failure_queue().back_off, batch)
    return events.each_group(app, wiring.redelivery().groups(batch), back_off)
