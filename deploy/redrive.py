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
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from boto3.dynamodb.types import Binary
from botocore.exceptions import BotoCoreError, ClientError

from deploy.account import client

type Json = dict[str, Any]


class NotRedriven(Exception):
    """A message failed again, or its records are no longer there; the message stays in its queue."""


def redrive(app: str, stage: str) -> dict[str, str]:
    """Empty the queues; return by the name of a queue what became of its messages."""
    sqs = client("sqs")
    urls = sqs.list_queues(QueueNamePrefix=f"{app}-{stage}-", MaxResults=1000).get("QueueUrls", [])
    served = _served(sqs, urls)
    results = {}
    for url in urls:
        name = url.rpartition("/")[2]
        if name.endswith(("failed", "undelivered")):
            results[name] = _moved(sqs, url, served[name]) if name in served else _handled(sqs, url)
    return results


def _served(sqs: Any, urls: Sequence[str]) -> dict[str, list[str]]:
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
            handle(json.loads(message["Body"]))
        except (NotRedriven, ClientError, BotoCoreError) as failure:
            reasons.append(str(failure))
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


def handle(body: Json) -> None:
    """Handle the message as it should have been. Raises NotRedriven."""
    if "base64OriginalPayload" in body:
        _put(body)
    else:
        _invoke(body, event(body))


def event(body: Json) -> Json:
    """Return the event that a function failed with; a batch has its records from the stream. Raises NotRedriven."""
    if "KinesisBatchInfo" in body:
        return _batch(body["KinesisBatchInfo"], _kinesis_records)
    if "DDBStreamBatchInfo" in body:
        return _batch(body["DDBStreamBatchInfo"], _dynamodb_records)
    if "requestPayload" in body:
        payload: Json = body["requestPayload"]
        return payload
    raise NotRedriven(f"unknown message {json.dumps(body)[:100]}")


def _batch(info: Json, read: Callable[[Json], list[Json]]) -> Json:
    """Return the event of a batch, of which the message has only the position in the stream.

    A stream keeps its records for its retention period, by default a day. Raises NotRedriven when one is gone.
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
    """Invoke the function. Raises NotRedriven if that fails or returns failed items.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    function = body["requestContext"]["functionArn"].removesuffix(":$LATEST")
    answer = client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    content = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer or (isinstance(content, dict) and content.get("batchItemFailures")):
        raise NotRedriven(f"{function.rpartition(':')[2]}: {json.dumps(content)[:200]}")


def _put(body: Json) -> None:
    """Put the message into the stream of the rule, with the rule's partition key: the thing that sent it.

    https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html
    """
    client("kinesis").put_record(
        StreamName=body["failures"][0]["failedResource"],
        Data=base64.b64decode(body["base64OriginalPayload"]),
        PartitionKey=f"thing/{body['topic'].split('/')[1]}",
    )


def _kinesis_records(info: Json) -> list[Json]:
    """Return the records of the batch as they are in an event."""
    kinesis, found = client("kinesis"), []
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
    """Return the records of the batch as they are in an event."""
    streams, found = client("dynamodbstreams"), []
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
    """Yield the records from *iterator* on, until five reads in a row return none."""
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
