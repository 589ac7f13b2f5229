"""Sends what failed back to where it came from, once its cause is mended: `make redrive APP=… STAGE=…`.

Every queue of the app whose name ends with ``failed`` or ``undelivered`` is emptied: a dead-letter queue into the queue
that it serves; records of a stream and asynchronous events into the function that they were for; and what an IoT rule
could not send into the stream that it was for. What fails again stays.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3
from boto3.dynamodb.types import Binary
from botocore.exceptions import BotoCoreError, ClientError

type Json = dict[str, Any]


class NotRedriven(Exception):
    """A message failed again, or its records are no longer there; the message stays in its queue."""


def redrive(app: str, stage: str) -> dict[str, str]:
    """Empty the queues, and return by queue what became of its messages."""
    sqs = _client("sqs")
    prefix = f"{app}-{stage}-"
    urls = sqs.list_queues(QueueNamePrefix=prefix, MaxResults=1000).get("QueueUrls", [])
    served = _served(sqs, urls)
    failed = [url for url in urls if url.endswith(("failed", "undelivered"))]
    return {url.rpartition("/")[2]: _emptied(sqs, url, served.get(url.rpartition("/")[2])) for url in failed}


def _served(sqs: Any, urls: Sequence[str]) -> dict[str, str]:
    """Return by the name of a dead-letter queue the queue that it serves."""
    served = {}
    for url in urls:
        policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"]).get("Attributes", {})
        if policy:
            served[json.loads(policy["RedrivePolicy"])["deadLetterTargetArn"].rpartition(":")[2]] = url
    return served


def _emptied(sqs: Any, url: str, source: str | None) -> str:
    def handle(body: str) -> None:
        if source:
            sqs.send_message(QueueUrl=source, MessageBody=body)
        else:
            _handle(json.loads(body))

    done, reasons = 0, []
    for message in _messages(sqs, url):
        try:
            handle(message["Body"])
        except (NotRedriven, ClientError, BotoCoreError) as failure:
            reasons.append(str(failure))
        else:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            done += 1
    return f"{done} redriven" + "".join(f"; stays: {reason}" for reason in reasons)


def _messages(sqs: Any, url: str) -> Iterator[Json]:
    """Yield each message of the queue once; those that are not deleted show again after its visibility timeout."""
    seen: set[str] = set()
    while True:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60, WaitTimeSeconds=1)
        new = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
        if not new:
            return
        seen |= {message["MessageId"] for message in new}
        yield from new


def _handle(body: Json) -> None:
    """Do what the message was to do. Raises NotRedriven."""
    kinds: dict[str, Callable[[Json], None]] = {
        "KinesisBatchInfo": lambda body: _invoke(body, _batch(body["KinesisBatchInfo"], _kinesis_records)),
        "DDBStreamBatchInfo": lambda body: _invoke(body, _batch(body["DDBStreamBatchInfo"], _dynamodb_records)),
        "requestPayload": lambda body: _invoke(body, body["requestPayload"]),
        "base64OriginalPayload": _put,
    }
    for name, do in kinds.items():
        if name in body:
            return do(body)
    raise NotRedriven(f"unknown message {json.dumps(body)[:100]}")


def _batch(info: Json, read: Callable[[Json], list[Json]]) -> Json:
    """Return the event of a batch, of which the message says only where its records are in the stream.

    A stream keeps them for a day, or as long as it is told to. Raises NotRedriven when one is gone.
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    try:
        records = read(info)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("TrimmedDataAccessException", "ResourceNotFoundException"):
            raise
        raise NotRedriven("its records are no longer in the stream") from error
    if len(records) != info["batchSize"]:
        raise NotRedriven(f"{len(records)} of its {info['batchSize']} records are in the stream")
    return {"Records": records}


def _invoke(body: Json, event: Json) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    function = body["requestContext"]["functionArn"].removesuffix(":$LATEST")
    answer = _client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    content = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer or (isinstance(content, dict) and content.get("batchItemFailures")):
        raise NotRedriven(f"{function.rpartition(':')[2]}: {json.dumps(content)[:200]}")


def _put(body: Json) -> None:
    """Put the message where the rule would have, and by the same key: the pipeline's, of which thing has sent it.

    https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html
    """
    _client("kinesis").put_record(
        StreamName=body["failures"][0]["failedResource"],
        Data=base64.b64decode(body["base64OriginalPayload"]),
        PartitionKey=f"thing/{body['topic'].split('/')[1]}",
    )


def _kinesis_records(info: Json) -> list[Json]:
    """Return the records of the batch as an event has them."""
    kinesis, found = _client("kinesis"), []
    iterator = kinesis.get_shard_iterator(
        StreamARN=info["streamArn"],
        ShardId=info["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=info["startSequenceNumber"],
    )["ShardIterator"]
    for record in _read(kinesis, iterator):
        number = record["SequenceNumber"]
        if int(number) > int(info["endSequenceNumber"]):
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
                "eventID": f"{info['shardId']}:{number}",
                "eventName": "aws:kinesis:record",
                "awsRegion": info["streamArn"].split(":")[3],
                "eventSourceARN": info["streamArn"],
            }
        )
    return found


def _dynamodb_records(info: Json) -> list[Json]:
    """Return the records of the batch as an event has them."""
    streams, found = _client("dynamodbstreams"), []
    iterator = streams.get_shard_iterator(
        StreamArn=info["streamArn"],
        ShardId=info["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        SequenceNumber=info["startSequenceNumber"],
    )["ShardIterator"]
    for record in _read(streams, iterator):
        if int(record["dynamodb"]["SequenceNumber"]) > int(info["endSequenceNumber"]):
            break
        found.append(json.loads(json.dumps({**record, "eventSourceARN": info["streamArn"]}, default=_plain)))
    return found


def _read(client: Any, iterator: str | None) -> Iterator[Json]:
    """Yield records from *iterator* on, until there are none for a few reads."""
    empty = 0
    while iterator and empty < 5:
        answer = client.get_records(ShardIterator=iterator, Limit=1000)
        yield from answer["Records"]
        iterator = answer.get("NextShardIterator")
        empty = 0 if answer["Records"] else empty + 1


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | Binary):
        return base64.b64encode(bytes(value)).decode()
    return value.timestamp()


@functools.cache
def _client(service: str) -> Any:
    return boto3.Session().client(service)
