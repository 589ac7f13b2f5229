"""The queues with failures: what their messages say, the records that they are about, and how to send those again.

A queue with failures is one that no event source mapping reads: a dead-letter queue, or an on-failure destination.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy import redrive
from deploy.account import client
from deploy.redrive import NotRedriven
from sandbox import function_logs
from sandbox.console.data.queues import COUNTS, peek

SHOWN = 50
"""How many messages of a queue the console shows, the newest."""
LOGGED = 1000
"""How many errors in logs are remembered."""
LATE = 60
"""Seconds after which the log of an invocation is complete."""
LENGTH = 20_000
"""How many characters of a message the console shows."""
STREAMS = ("KinesisBatchInfo", "DDBStreamBatchInfo")

type Json = dict[str, Any]

CONDITIONS = {
    "RetryAttemptsExhausted": "That was the last attempt.",
    "RetriesExhausted": "That was the last attempt.",
    "RecordAgeExceeded": "The records are older than the mapping allows.",
    "EventAgeExceeded": "The event is older than the function allows.",
    "ZeroReservedConcurrency": "The function has no concurrency.",
}
"""By AWS's name of a condition what ended the attempts."""


def routes(endpoint: str) -> list[Route]:
    """Return the routes of a message: its records, and what sends it, or all messages of its queue, again."""

    def answered(act: Callable[[Any], Any]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            try:
                return JSONResponse(act(request.path_params))
            except NotRedriven as error:
                return JSONResponse({"message": str(error)}, 409)

        return answer

    message = "/queues/{queue}/messages/{id}"
    return [
        Route(f"{message}/records.json", answered(lambda at: records(endpoint, at["queue"], at["id"]))),
        Route(f"{message}/again", answered(lambda at: send_again(endpoint, at["queue"], at["id"])), methods=["POST"]),
        Route("/queues/{queue}/again", answered(lambda at: move(at["queue"])), methods=["POST"]),
    ]


def name_of(arn: str) -> str:
    """Return the name in an ARN: of a queue, stream, table or function."""
    resource = arn.split(":", 5)[-1]
    return resource.removeprefix("stream/").removeprefix("table/").removeprefix("function:").split("/")[0].split(":")[0]


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def error_of(step: Json) -> Json | None:
    """Return the error of an attempt with a batch of the *function*.

    It is that of the function. If the function reported records as failed, its log has the reason.
    """
    if step["error"] or not step["failed"]:
        error: Json | None = step["error"]
        return error
    logged = _logged(step["function"], step["request_id"], step["at"], step["seconds"])
    reported = f"The function reported {len(step['failed'])} of {step['records']} as failed"
    message = f"{reported}: {logged['message']}" if logged else f"{reported}, and logged no error."
    return {"type": "", "message": message, "trace": logged["trace"] if logged else []}


_found_in_logs: dict[str, Json | None] = {}
"""By request id the error that a function logged, or that there is none."""


def _logged(function: str, request: str, at: float, seconds: float) -> Json | None:
    """Return the first error in the log of an invocation that ended *at* epoch seconds."""
    if request in _found_in_logs:
        return _found_in_logs[request]
    try:
        lines = function_logs.of_invocation(function, request, at - seconds, at)
    except ClientError:  # the function or its log is gone
        lines = []
    records = [record for record in map(_json, lines) if record.get("level") in ("ERROR", "CRITICAL")]
    found = _error_in(records[0]) if records else None
    if found or time.time() - at > LATE:
        if len(_found_in_logs) >= LOGGED:
            _found_in_logs.clear()
        _found_in_logs[request] = found
    return found


def _error_in(record: Json) -> Json:
    *trace, error = str(record.get("exc_info") or record.get("reason") or record.get("message", "")).split("\n")
    return {"message": error, "trace": trace}


def queues(endpoint: str, mappings: Sequence[Json], batches: Sequence[Json], shown: int | None = SHOWN) -> list[Json]:
    """Return the queues with failures, those with messages first: ``[{name, feeds, count, moves, messages}]``.

    Each has the newest *shown* messages, for None all.
    """
    sqs = client("sqs")
    read = {mapping["EventSourceArn"] for mapping in mappings}
    urls = [url for page in sqs.get_paginator("list_queues").paginate() for url in page.get("QueueUrls", [])]
    attributes = {url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls}
    sources = [described["QueueArn"] for described in attributes.values() if "RedrivePolicy" in described]
    targets = {
        described["QueueArn"]: json.loads(described["RedrivePolicy"])
        for described in attributes.values()
        if "RedrivePolicy" in described
    }
    found = []
    for url, described in attributes.items():
        arn = described["QueueArn"]
        if arn in read:
            continue
        dead = [each for each in sources if targets[each]["deadLetterTargetArn"] == arn]
        feeds = [f"dead-letter queue of {name_of(each)}" for each in dead] + [
            f"on-failure destination of {name_of(mapping['EventSourceArn'])}"
            for mapping in mappings
            if mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination") == arn
        ]
        count = sum(int(described[name]) for name in COUNTS)
        peeked = peek(endpoint, url)[:shown] if count else []
        messages = [message(each, mappings, batches, bool(dead)) for each in peeked]
        if any(each["kind"] == "event" for each in messages):
            feeds.append("on-failure destination of asynchronous invocations")
        found.append(
            {
                "name": name_of(arn),
                "feeds": feeds,
                "count": count,
                "moves": bool(dead) and count > 0,
                "messages": messages,
            }
        )
    return sorted(found, key=lambda queue: (queue["count"] == 0, queue["name"]))


def message(given: Json, mappings: Sequence[Json], batches: Sequence[Json], is_dead_letter: bool) -> Json:
    """Return what a message says: which function failed, how often, why, and with which records."""
    try:
        said = _said(given, mappings, batches) or _unknown(given, is_dead_letter)
    except (AttributeError, KeyError, TypeError):  # anybody may have sent a message that only begins as Lambda's do
        said = _unknown(given, is_dead_letter)
    return {
        "id": given["MessageId"],
        "at": given["SentTimestamp"],
        "body": given["Body"][:LENGTH],
        **said,
    }


def _said(given: Json, mappings: Sequence[Json], batches: Sequence[Json]) -> Json | None:
    """Return what a message of Lambda or of a queue says; None for another one."""
    body = _json(given["Body"])
    if info := next((body[name] for name in STREAMS if name in body), None):
        return _of_stream(body, info, batches)
    if "requestPayload" in body and "requestContext" in body:
        return _of_invocation(body)
    if origin := given["Attributes"].get("DeadLetterQueueSourceArn"):
        return _of_queue(given, origin, mappings, batches)
    return None


def ended(context: Json) -> str:
    """Return what ended the attempts that the context of a message counts."""
    condition = str(context.get("condition", ""))
    return CONDITIONS.get(condition, condition)


def _of_stream(body: Json, info: Json, batches: Sequence[Json]) -> Json:
    context = body["requestContext"]
    steps = [
        step | {"function": batch["function"]}
        for batch in batches
        if (batch["source"], batch["shard"]) == (info["streamArn"], info["shardId"])
        for step in batch["steps"]
        if step["first"] == info["startSequenceNumber"] and (step["error"] or step["failed"])
    ]
    return {
        "kind": "stream",
        "function": name_of(context["functionArn"]),
        "attempts": context["approximateInvokeCount"],
        "reason": ended(context),
        "request": context["requestId"],
        "told": f"{counted(info['batchSize'], 'record')} of {name_of(info['streamArn'])}.",
        "error": error_of(max(steps, key=lambda step: float(step["at"]))) if steps else None,
        "again": "invoke",
        "advice": "Invokes the function with these records only. Later records of the same key may be through.",
    }


def _of_invocation(body: Json) -> Json:
    context, answer = body["requestContext"], body.get("responsePayload")
    error = None
    if isinstance(answer, dict):
        kind, text = answer.get("errorType", ""), answer.get("errorMessage", "")
        error = {"type": kind, "message": text, "trace": answer.get("stackTrace") or []}
    return {
        "kind": "event",
        "function": name_of(context["functionArn"]),
        "attempts": context["approximateInvokeCount"],
        "reason": ended(context),
        "request": context["requestId"],
        "told": _about(body["requestPayload"]),
        "error": error,
        "again": "invoke",
        "advice": "Invokes the function with the same event again.",
    }


def _about(event: Any) -> str:
    """Return what an event is about, if it is one of S3: a notification of the bucket, or an event of EventBridge.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    try:
        at = event["detail"] if "detail" in event else event["Records"][0]["s3"]
        return f"The event of the object {at['object']['key']} in {at['bucket']['name']}."
    except (IndexError, KeyError, TypeError):
        return "The event of an asynchronous invocation."


def _of_queue(given: Json, origin: str, mappings: Sequence[Json], batches: Sequence[Json]) -> Json:
    functions = [mapping["FunctionArn"] for mapping in mappings if mapping["EventSourceArn"] == origin]
    steps = [
        step | {"function": batch["function"]}
        for batch in batches
        if batch["source"] == origin
        for step in batch["steps"]
        if given["MessageId"] in step["failed"]
    ]
    last = max(steps, key=lambda step: float(step["at"])) if steps else None
    return {
        "kind": "dead letter",
        "function": name_of(functions[0]) if functions else "",
        "attempts": given["ReceiveCount"],
        "reason": "It was received as often as its queue allows.",
        "request": last["request_id"] if last else "",
        "told": f"A message of {name_of(origin)}.",
        "error": error_of(last) if last else None,
        "again": "move",
        "advice": f"Send all messages of this queue to {name_of(origin)} again with the button above.",
    }


def _unknown(given: Json, is_dead_letter: bool) -> Json:
    attributes = {name: value.get("StringValue", "") for name, value in given["MessageAttributes"].items()}
    code = attributes.get("ERROR_MESSAGE") or attributes.get("ErrorMessage")
    return {
        "kind": "other",
        "function": "",
        "attempts": None,
        "reason": f"{attributes['ERROR_CODE']}." if "ERROR_CODE" in attributes else "No function reads this queue.",
        "request": "",
        "told": "A message that does not say where it comes from.",
        "error": {"type": attributes.get("ERROR_CODE", ""), "message": code, "trace": []} if code else None,
        "again": "move" if is_dead_letter else None,
        "advice": "Nothing says which function the message was for. Send it with the AWS CLI: aws sqs send-message.",
    }


def _json(text: str) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# The records


def _found(endpoint: str, queue: str, id: str) -> tuple[str, Json]:
    """Return the URL of a queue and its message. Raises NotRedriven."""
    sqs = client("sqs")
    try:
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    except ClientError:
        raise NotRedriven(f"There is no queue {queue}.") from None
    for each in peek(endpoint, url):
        if each["MessageId"] == id:
            return url, each
    raise NotRedriven(f"The message is no longer in {queue}.")


def records(endpoint: str, queue: str, id: str) -> list[Any]:
    """Return what failed: the records that the stream still has, the event, or the message. Raises NotRedriven."""
    _, given = _found(endpoint, queue, id)
    body = _json(given["Body"])
    if any(name in body for name in STREAMS):
        return [readable(record) for record in redrive.event(body)["Records"]]
    return [body.get("requestPayload", body or given["Body"])]


def readable(event: Json) -> Json:
    """Return an event with the data of a Kinesis record as text, if it is text."""
    if "kinesis" not in event:
        return event
    data = base64.b64decode(event["kinesis"]["data"])
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return event
    return event | {"kinesis": event["kinesis"] | {"data": _json(text) or text}}


# Again


def move(queue: str) -> None:
    """Return all messages of a dead-letter queue to the queues that they come from. Raises NotRedriven."""
    sqs = client("sqs")
    try:
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sqs.start_message_move_task(SourceArn=arn)
    except ClientError as error:
        raise NotRedriven(error.response["Error"].get("Message", str(error))) from None


def send_again(endpoint: str, queue: str, id: str) -> None:
    """Handle the message of an on-failure destination again, and delete it if that succeeds. Raises NotRedriven.

    Records are sent to the function alone. In the stream again, its other readers would get them a second time.
    """
    url, given = _found(endpoint, queue, id)
    try:
        redrive.handle(redrive.content(given["Body"]))
    except ClientError as error:
        raise NotRedriven(error.response["Error"].get("Message", str(error))) from None
    except BotoCoreError as error:
        raise NotRedriven(str(error)) from None
    _delete(url, id)


def _delete(url: str, id: str) -> None:
    """Receive the message and delete it. The others are visible again at once."""
    sqs = client("sqs")
    others = []
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=10).get("Messages"):
        for each in received:
            if each["MessageId"] == id:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
            else:
                others.append(each["ReceiptHandle"])
        if any(each["MessageId"] == id for each in received):
            break
    for handle in others:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
