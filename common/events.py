"""Event sources as all the apps speak them: partial batches, and S3 events under every way of deploying."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

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


def each_message(app: Chalice, event: dict[str, Any], handle: Callable[[str], object]) -> Any:
    """Handle the bodies of an SQS *event* one by one; all are tried, and those that fail come again.

    Returns the answer of ReportBatchItemFailures, or raises where merge.yaml did not turn it on: see `each_record`.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    failed = []
    for record in event["Records"]:
        logs.correlate(record["messageId"])
        try:
            handle(record["body"])
            app.log.info("message handled", extra={"message_id": record["messageId"]})
        except Exception as error:
            app.log.exception("message failed", extra={"message_id": record["messageId"], "reason": str(error)})
            if os.environ.get("PARTIAL_BATCH") != "1":
                raise
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
