"""Commands: failed messages are sent again, and a stage is cloned."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from bench.growth.subject import Aws, Operation, Subject
from deploy import account, apps, clone, redrive

_STACK = {"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}}}
_NAMES = (
    "The name of a stage must not begin with that of another, so the names of all stacks are listed, by a request for "
    "a hundred."
)
_SIZES = (1, 10, 100, 1_000)


def subjects(aws: Aws) -> list[Subject]:
    for service in ("sqs", "kinesis", "cloudformation", "ssm", "s3", "sts"):
        aws.counted(account.client(service))
    aws.counted(account.client("cloudformation", None))  # that of `stacks.parameters_of`, another one
    return [*_redrives(), _batch(), _clones()]


def _redrives() -> list[Subject]:
    sqs, kinesis = account.client("sqs"), account.client("kinesis")
    kinesis.create_stream(StreamName="bench", ShardCount=1)
    url = sqs.create_queue(QueueName="pipeline-app-bench-undelivered")["QueueUrl"]
    payload = base64.b64encode(b"{}").decode()
    body = {"topic": "devices/pump-1/readings", "base64OriginalPayload": payload}
    message = json.dumps({**body, "failures": [{"failedResource": "bench"}]})
    size = 0

    def grow(before: int, after: int) -> None:
        nonlocal size
        size = after
        send()

    def send() -> None:
        for _ in range(size):
            sqs.send_message(QueueUrl=url, MessageBody=message)

    def other_queues(before: int, after: int) -> None:
        for number in range(before, after):
            sqs.create_queue(QueueName=f"pipeline-app-other{number}-failed")
        if not before:
            grow(0, 1)

    def again() -> None:
        redrive.redrive("pipeline-app", "bench")

    one = Operation("1 message is redriven", again, undo=send)
    every = Operation("all messages are redriven", again, undo=send, note="Each message costs the same.")
    return [
        Subject("queues of other stages", other_queues, (one,), _SIZES),
        Subject("messages", grow, (every,), _SIZES),
    ]


def _batch() -> Subject:
    kinesis = account.client("kinesis")
    kinesis.create_stream(StreamName="later", ShardCount=1)
    numbers: list[str] = []

    def grow(before: int, size: int) -> None:
        left = size - before
        while left:  # a shard takes a thousand records a second
            records = [{"Data": b"{}", "PartitionKey": "x"} for _ in range(min(left, 500))]
            put = kinesis.put_records(StreamName="later", Records=records)["Records"]
            taken = [each["SequenceNumber"] for each in put if "SequenceNumber" in each]
            numbers.extend(taken)
            left -= len(taken)
            if not taken:
                time.sleep(0.5)

    def read() -> None:
        stream = kinesis.describe_stream_summary(StreamName="later")["StreamDescriptionSummary"]
        batch = {"streamArn": stream["StreamARN"], "shardId": "shardId-000000000000", "batchSize": 10}
        batch |= {"startSequenceNumber": numbers[0], "endSequenceNumber": numbers[9]}
        redrive.event({"KinesisBatchInfo": batch})

    def wait() -> None:
        time.sleep(0.25)  # a shard answers five reads a second, and a repeated request would count

    return Subject("records in the stream", grow, (Operation("a failed batch of 10 is read again", read, undo=wait),))


def _clones() -> Subject:
    cloudformation = account.client("cloudformation")
    for app in apps.names():
        for kind in ("resources", "app"):
            _create(cloudformation, apps.stack(app, "bench", kind))

    def grow(before: int, size: int) -> None:
        for number in range(before, size):
            _create(cloudformation, f"todo-app-other{number}-resources")

    def prepare() -> None:
        clone.begin("bench", "copy")
        supply = clone.parameters_for("bench", "copy")
        for app in apps.names():
            for kind in apps.KINDS:
                supply(app, kind)

    return Subject("stacks of other stages", grow, (Operation("a clone is prepared", prepare, note=_NAMES),), _SIZES)


def _create(cloudformation: Any, name: str) -> None:
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(_STACK))
