"""Event sources: batches of records with partial failures, and S3 events under every way of deploying."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chalice.app import Chalice

from common import logs
from common.groups import Group

type Handler = Callable[[dict[str, Any], Any], Any]


def on_s3_event(app: Chalice, bucket: str, prefix: str, suffix: str = "") -> Callable[[Handler], Handler]:
    """Register a handler of created objects, as `app.on_s3_event` does, in a form that `chalice package` supports too.

    Under `chalice deploy`, Chalice attaches the function to the bucket. `chalice package` cannot, so there the handler
    is a plain function, to which merge.yaml attaches an EventBridge rule. The handler gets the event as it comes, in
    either format.
    """

    def register(handle: Handler) -> Handler:
        @functools.wraps(handle)
        def handler(event: dict[str, Any], context: Any) -> Any:
            logs.correlate(None)
            return handle(event, context)

        if "AWS_CHALICE_CLI_MODE" not in os.environ:
            return handler
        if _chalice_command() == "package":
            registered: Handler = app.lambda_function(name=handle.__name__)(handler)
        else:
            created = ["s3:ObjectCreated:*"]
            registered = app.on_s3_event(bucket, events=created, prefix=prefix, suffix=suffix or None)(handler)
        return registered

    return register


def _chalice_command() -> str | None:
    """Return the name of the Chalice command that imports the app."""
    import click  # a dependency of the Chalice command, which is not in the zip

    context = click.get_current_context(silent=True)
    return context.info_name if context else None


def each_group(
    app: Chalice,
    groups: Iterable[Group],
    on_failure: Callable[[Sequence[str]], object] | None = None,
    *,
    in_order: bool = False,
) -> Any:
    """Handle the groups one by one; return the response of ReportBatchItemFailures with the ids of the failed ones.

    Lambda delivers the reported records again. A stream resumes at the lowest of them, so later records come twice:
    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html

    *on_failure* gets the failed ids, for example to shorten their visibility timeout. With *in_order* no group is
    handled after one that failed.

    Only merge.yaml turns on ReportBatchItemFailures, and sets PARTIAL_BATCH to say so. Without it (`chalice deploy`)
    Lambda would take the response for success, so an ExceptionGroup of the failures is raised and the whole batch is
    delivered again.
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
            about = {"first_id": group.ids[0], "records": len(group.ids), "reason": str(error)}
            app.log.exception("records failed", extra=about)
            failed += group.ids
            failures.append(error)
            if in_order:
                break
    app.log.info("records handled", extra={"groups": handled, "failed_groups": len(failures)})
    if failed and on_failure is not None:
        on_failure(failed)
    if failures and os.environ.get("PARTIAL_BATCH") != "1":
        raise ExceptionGroup("some records failed", failures)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}


def each_record(app: Chalice, event: dict[str, Any], handle: Callable[[dict[str, Any]], object]) -> Any:
    """Handle the records of a DynamoDB stream's *event* up to the first that fails, as `each_group` does.

    Writes a log line for each record.
    """

    def one(record: dict[str, Any]) -> None:
        logs.correlate(record["eventID"])
        handle(record)
        app.log.info("record handled", extra={"event_id": record["eventID"]})

    records = event["Records"]
    groups = [Group([record["dynamodb"]["SequenceNumber"]], functools.partial(one, record)) for record in records]
    return each_group(app, groups, in_order=True)


def each_message(app: Chalice, event: dict[str, Any], handle: Callable[[str], object]) -> Any:
    """Handle the bodies of an SQS *event* one by one, as `each_group` does.

    Writes a log line for each message.
    """

    def one(record: dict[str, Any]) -> None:
        handle(record["body"])
        app.log.info("message handled", extra={"message_id": record["messageId"]})

    return each_group(app, [Group([r["messageId"]], functools.partial(one, r)) for r in event["Records"]])
