"""Sends failed messages back to where they came from, after their cause is fixed: `make redrive APP=… STAGE=…`.

It empties every queue of the app whose name ends with ``failed`` or ``undelivered``. SQS moves the messages of a
dead-letter queue to the queue that it serves. Batches of a stream and asynchronous events are sent to their function,
and messages of a failed IoT rule are put into their stream: SQS cannot move those. What fails again stays.
"""

from __future__ import annotations

import base64
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from boto3.dynamodb.types import Binary
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Meta, Struct, field

from deploy.account import client

type Json = dict[str, Any]

_FAILURES = ("failed", "undelivered")
"""How the names of the queues of failed messages end."""


class NotRedriven(Exception):
    """A message failed again, is malformed, or its records are no longer there. The message stays in its queue."""


class _Context(Struct):
    function: str = field(name="functionArn")


class _Failed(Struct):
    """What a function failed with, as Lambda's on-failure destination gets it."""

    request_context: _Context = field(name="requestContext")


class _Batch(Struct, rename="camel"):
    """The position of a batch in its stream. Its length and the numbers of its first and last record."""

    shard_id: str
    batch_size: Annotated[int, Meta(ge=1)]
    stream_arn: Annotated[str, Meta(pattern="^arn:[^:]+:[^:]+:[^:]+:")]
    start: Annotated[str, Meta(pattern=r"^\d+$")] = field(name="startSequenceNumber")
    end: Annotated[str, Meta(pattern=r"^\d+$")] = field(name="endSequenceNumber")


class _Failure(Struct, rename="camel"):
    failed_resource: str


class _Undelivered(Struct):
    """A message that an IoT rule could not deliver, and the stream that did not take it."""

    topic: Annotated[str, Meta(pattern="^[^/]+/[^/]+")]
    payload: bytes = field(name="base64OriginalPayload")
    failures: Annotated[list[_Failure], Meta(min_length=1)]


def redrive(app: str, stage: str) -> dict[str, str]:
    """Empty the queues; return by the name of a queue what became of its messages."""
    sqs, urls = client("sqs"), _queues(app, stage)
    served = _served(sqs, urls.values())
    return {
        name: _moved(sqs, url, served[name]) if name in served else _handled(sqs, url)
        for name, url in urls.items()
        if name.endswith(_FAILURES)
    }


def failed_messages(app: str, stage: str) -> dict[str, int]:
    """Return by queue of failures how many messages it has, in flight or not. Empty queues are left out."""
    sqs, names = client("sqs"), ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    urls = {name: url for name, url in _queues(app, stage).items() if name.endswith(_FAILURES)}
    counts = {name: sum(map(int, _attributes(sqs, url, *names).values())) for name, url in urls.items()}
    return {name: count for name, count in counts.items() if count}


def _queues(app: str, stage: str) -> dict[str, str]:
    """Return the addresses of the app's queues by name."""
    urls = client("sqs").list_queues(QueueNamePrefix=f"{app}-{stage}-", MaxResults=1000).get("QueueUrls", [])
    return {url.rpartition("/")[2]: url for url in urls}


def _served(sqs: Any, urls: Iterable[str]) -> dict[str, list[str]]:
    """Return by the name of a dead-letter queue the ARNs of the queues that it serves."""
    served = defaultdict(list)
    for url in urls:
        attributes = _attributes(sqs, url, "QueueArn", "RedrivePolicy")
        if "RedrivePolicy" in attributes:
            target = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"]
            served[target.rpartition(":")[2]].append(attributes["QueueArn"])
    return served


def _attributes(sqs: Any, url: str, *names: str) -> dict[str, str]:
    attributes: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names).get("Attributes", {})
    return attributes


def _moved(sqs: Any, url: str, sources: Sequence[str]) -> str:
    """Have SQS move the messages of a dead-letter queue, with their attributes; return the result in words.

    With several sources SQS moves each message to the queue that it came from.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """
    arn = _attributes(sqs, url, "QueueArn")["QueueArn"]
    destination = {"DestinationArn": sources[0]} if len(sources) == 1 else {}
    sqs.start_message_move_task(SourceArn=arn, **destination)
    while (task := sqs.list_message_move_tasks(SourceArn=arn)["Results"][0])["Status"] == "RUNNING":
        time.sleep(1)
    failure = "" if task["Status"] == "COMPLETED" else f"; {task['Status']}: {task.get('FailureReason', '')}"
    return f"{task['ApproximateNumberOfMessagesMoved']} redriven{failure}"


def _handled(sqs: Any, url: str) -> str:
    """Have each message of the queue handled again; return the result in words."""
    done, reasons = 0, []
    for message in _messages(sqs, url):
        try:
            handle(content(message["Body"]))
        except (NotRedriven, ClientError, BotoCoreError) as failure:
            reasons.append(f"{message['MessageId']}: {failure}")
        else:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            done += 1
    return f"{done} redriven" + "".join(f"; stays: {reason}" for reason in reasons)


def _messages(sqs: Any, url: str) -> Iterator[Json]:
    """Yield each message of the queue once. Those that are not deleted are visible again after a minute."""
    seen: set[str] = set()
    while True:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60, WaitTimeSeconds=1)
        new = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
        if not new:
            return
        seen |= {message["MessageId"] for message in new}
        yield from new


def content(text: str) -> object:
    """Return the content of a message. Raises NotRedriven if it is not JSON.

    The IoT rule of earlier releases wrote it in base64.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        with suppress(ValueError):
            return json.loads(base64.b64decode(text, validate=True))
        raise NotRedriven(f"malformed message, it is not JSON: {text[:100]}") from error


def handle(body: object) -> None:
    """Handle the message as it should have been. Raises NotRedriven."""
    if isinstance(body, dict) and "base64OriginalPayload" in body:
        _put(_read_as(body, _Undelivered))
    else:
        batch_or_payload = event(body)
        _invoke(_read_as(body, _Failed).request_context.function, batch_or_payload)


def event(body: object) -> Any:
    """Return the event that a function failed with; a batch has its records from the stream. Raises NotRedriven."""
    if isinstance(body, dict) and "KinesisBatchInfo" in body:
        return _batch(_read_as(body["KinesisBatchInfo"], _Batch), _kinesis_records)
    if isinstance(body, dict) and "DDBStreamBatchInfo" in body:
        return _batch(_read_as(body["DDBStreamBatchInfo"], _Batch), _dynamodb_records)
    if isinstance(body, dict) and "requestPayload" in body:
        return body["requestPayload"]
    raise NotRedriven(f"unknown message {json.dumps(body)[:100]}")


def _read_as[T](part: object, cls: type[T]) -> T:
    """Return a part of a message as *cls*. Raises NotRedriven with the name of what is wrong."""
    try:
        return msgspec.convert(part, cls)
    except msgspec.ValidationError as error:
        raise NotRedriven(f"malformed message, {error}: {json.dumps(part)[:100]}") from error


def _batch(batch: _Batch, read: Callable[[_Batch], list[Json]]) -> Json:
    """Return the event of a batch, of which the message has only the position in the stream.

    A stream keeps its records for its retention period, by default a day. Raises NotRedriven when one is gone.
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    try:
        records = read(batch)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("TrimmedDataAccessException", "ResourceNotFoundException"):
            raise
        raise NotRedriven("its records are no longer in the stream") from error
    if len(records) != batch.batch_size:
        raise NotRedriven(f"{len(records)} of its {batch.batch_size} records are in the stream")
    return {"Records": records}


def _invoke(function: str, event: object) -> None:
    """Invoke the function of an ARN. Raises NotRedriven if that fails or returns failed items.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    function = function.removesuffix(":$LATEST")
    answer = client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    content = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer or (isinstance(content, dict) and content.get("batchItemFailures")):
        raise NotRedriven(f"{function.rpartition(':')[2]}: {json.dumps(content)[:200]}")


def _put(message: _Undelivered) -> None:
    """Put the message into the stream of the rule, with the rule's partition key: the thing that sent it.

    https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html
    """
    client("kinesis").put_record(
        StreamName=message.failures[0].failed_resource,
        Data=message.payload,
        PartitionKey=f"thing/{message.topic.split('/')[1]}",
    )


def _kinesis_records(batch: _Batch) -> list[Json]:
    """Return the records of the batch as they are in an event."""
    kinesis, found = client("kinesis"), []
    iterator = kinesis.get_shard_iterator(
        StreamARN=batch.stream_arn,
        ShardId=batch.shard_id,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=batch.start,
    )["ShardIterator"]
    for record in _read(kinesis, iterator, batch.batch_size):
        number = record["SequenceNumber"]
        if int(number) > int(batch.end):
            break
        data = {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": number,
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        }
        found.append(
            {
                "kinesis": data,
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{batch.shard_id}:{number}",
                "eventName": "aws:kinesis:record",
                "awsRegion": batch.stream_arn.split(":")[3],
                "eventSourceARN": batch.stream_arn,
            }
        )
    return found


def _dynamodb_records(batch: _Batch) -> list[Json]:
    """Return the records of the batch as they are in an event."""
    streams, found = client("dynamodbstreams"), []
    iterator = streams.get_shard_iterator(
        StreamArn=batch.stream_arn,
        ShardId=batch.shard_id,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        SequenceNumber=batch.start,
    )["ShardIterator"]
    for record in _read(streams, iterator, batch.batch_size):
        if int(record["dynamodb"]["SequenceNumber"]) > int(batch.end):
            break
        found.append(json.loads(json.dumps({**record, "eventSourceARN": batch.stream_arn}, default=_plain)))
    return found


def _read(client: Any, iterator: str | None, count: int) -> Iterator[Json]:
    """Yield *count* records from *iterator* on; fewer if five reads in a row return none."""
    empty = 0
    while iterator and empty < 5 and count:
        answer = client.get_records(ShardIterator=iterator, Limit=min(count, 1000))
        yield from answer["Records"]
        iterator, count = answer.get("NextShardIterator"), count - len(answer["Records"])
        empty = 0 if answer["Records"] else empty + 1


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | Binary):
        return base64.b64encode(bytes(value)).decode()
    return value.timestamp()
