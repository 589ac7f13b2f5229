"""Event sources as all the apps speak them: partial batches, and S3 events under every way of deploying."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from chalice.app import Chalice

from common import logs

type Handler = Callable[[dict[str, Any], Any], Any]


def on_s3_event(app: Chalice, bucket: str, prefix: str, suffix: str = "") -> Callable[[Handler], Handler]:
    """`app.on_s3_event` for created objects, in a form that `chalice package` can express too.

    Under `chalice deploy` Chalice attaches the function to the bucket. `chalice package` cannot, so there it is a
    plain function that merge.yaml attaches by an EventBridge rule. The function gets the event as it comes, of
    either form.
    """

    def register(handle: Handler) -> Handler:
        @functools.wraps(handle)
        def handler(event: dict[str, Any], context: Any) -> Any:
            logs.correlate(None)
            return handle(event, context)

        if "AWS_CHALICE_CLI_MODE" not in os.environ:
            return handler
        if "package" in sys.argv:
            registered: Handler = app.lambda_function(name=handle.__name__)(handler)
        else:
            created = ["s3:ObjectCreated:*"]
            registered = app.on_s3_event(bucket, events=created, prefix=prefix, suffix=suffix or None)(handler)
        return registered

    return register


def each_record(app: Chalice, event: dict[str, Any], handle: Callable[[dict[str, Any]], object]) -> Any:
    """Handle the records of a DynamoDB stream's *event* one by one; what fails is reported, to be tried again.

    Returns the answer of ReportBatchItemFailures with the first failure, since a stream goes on from the lowest:
    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    Only merge.yaml turns those reports on, and says so in PARTIAL_BATCH. Without (`chalice deploy`) the answer would
    pass for success, so there the failure is raised and the whole batch comes again.
    """
    for record in event["Records"]:
        logs.correlate(record["eventID"])
        try:
            handle(record)
            app.log.info("record handled", extra={"event_id": record["eventID"]})
        except Exception as error:
            app.log.exception("record failed", extra={"event_id": record["eventID"], "reason": str(error)})
            if os.environ.get("PARTIAL_BATCH") != "1":
                raise
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}


class Group(NamedTuple):
    """Records of a Kinesis or SQS event that are handled together: their sequence numbers or message ids, and how."""

    ids: Sequence[str]
    handle: Callable[[], object]


def each_group(app: Chalice, groups: Iterable[Group], again: Callable[[Sequence[str]], object] | None = None) -> Any:
    """Handle the groups one by one; the records of those that fail are reported, to be tried again.

    *again* is told their ids, to have them come back sooner than they would.

    A stream goes on from the lowest of them, so what comes after it comes twice:
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    Without PARTIAL_BATCH (see `each_record`) a failure is raised after all are done, and the whole batch comes again.
    """
    logs.correlate(None)
    failed: list[str] = []
    failures: list[Exception] = []
    handled = 0
    for group in groups:
        handled += 1
        try:
            group.handle()
        except Exception as error:
            app.log.exception("records failed", extra={"records": len(group.ids), "reason": str(error)})
            failed += group.ids
            failures.append(error)
    app.log.info("records handled", extra={"groups": handled, "failed_groups": len(failures)})
    if failed and again is not None:
        again(failed)
    if failures and os.environ.get("PARTIAL_BATCH") != "1":
        raise ExceptionGroup("some records failed", failures)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}


def each_message(app: Chalice, event: dict[str, Any], handle: Callable[[str], object]) -> Any:
    """Handle the bodies of an SQS *event* one by one, as `each_group` does, with a log line for each."""

    def one(record: dict[str, Any]) -> None:
        handle(record["body"])
        app.log.info("message handled", extra={"message_id": record["messageId"]})

    return each_group(app, [Group([r["messageId"]], functools.partial(one, r)) for r in event["Records"]])
