"""`make redrive`: failed messages go back to where they came from. What fails again stays."""

from __future__ import annotations

import base64
import io
import json
import uuid
import zipfile
from typing import Any

import boto3
import pytest

from deploy import redrive
from localaws.testing import active

FUNCTION = """
import json
def handler(event, context):
    print("handled " + json.dumps(event), flush=True)
    if "fail" in json.dumps(event):
        raise ValueError("no")
"""


class Emulator:
    """An app's queues and its function, in a bare emulator."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.app = f"app{uuid.uuid4().hex[:6]}"
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", FUNCTION)
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = self.client("iam").create_role(
            RoleName=self.app, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
        )
        self.client("lambda").create_function(
            FunctionName=self.app,
            Runtime="python3.13",
            Handler="app.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": code.getvalue()},
        )
        self.function = active(self.client("lambda"), self.app)

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint)

    def queue(self, name: str, **attributes: str) -> str:
        sqs = self.client("sqs")
        return str(sqs.create_queue(QueueName=f"{self.app}-dev-{name}", Attributes=attributes)["QueueUrl"])

    def send(self, url: str, body: object) -> None:
        self.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))

    def waiting(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))

    def handled(self) -> list[Any]:
        logs = self.client("logs")
        lines = logs.filter_log_events(logGroupName=f"/aws/lambda/{self.app}")["events"]
        return [json.loads(e["message"].removeprefix("handled ")) for e in lines if e["message"].startswith("handled")]


@pytest.fixture
def aws(emulator: str, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    return Emulator(emulator)


def test_a_dead_letter_goes_back_to_its_queue(aws: Emulator) -> None:
    dead = aws.queue("batches-failed")
    arn = f"arn:aws:sqs:us-east-1:000000000000:{aws.app}-dev-batches-failed"
    source = aws.queue("batches", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"}))
    for number in range(12):
        aws.send(dead, {"number": number})

    assert redrive.redrive(aws.app, "dev") == {f"{aws.app}-dev-batches-failed": "12 redriven"}
    assert (aws.waiting(dead), aws.waiting(source)) == (0, 12)


def test_a_dead_letter_keeps_its_attributes_and_comes_back_to_the_queue_that_it_left(aws: Emulator) -> None:
    dead, sqs = aws.queue("failed"), aws.client("sqs")
    arn = f"arn:aws:sqs:us-east-1:000000000000:{aws.app}-dev-failed"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})
    queues = {name: aws.queue(name, RedrivePolicy=policy) for name in ("orders", "mails")}
    for name, url in queues.items():
        attributes = {"kind": {"DataType": "String", "StringValue": name}}
        sqs.send_message(QueueUrl=url, MessageBody=name, MessageAttributes=attributes)
        for _ in range(2):  # the second time it is a dead letter
            sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)

    assert redrive.redrive(aws.app, "dev") == {f"{aws.app}-dev-failed": "2 redriven"}

    assert aws.waiting(dead) == 0
    for name, url in queues.items():
        (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
        assert (message["Body"], message["MessageAttributes"]["kind"]["StringValue"]) == (name, name)


def test_an_event_goes_to_its_function_and_stays_if_it_fails_again(aws: Emulator) -> None:
    failed = aws.queue("failed")
    for word in ("good", "fail"):
        context = {"functionArn": f"{aws.function}:$LATEST"}
        aws.send(failed, {"version": "1.0", "requestContext": context, "requestPayload": {"word": word}})

    result = redrive.redrive(aws.app, "dev")[f"{aws.app}-dev-failed"]

    assert result.startswith("1 redriven; stays:")
    assert {"word": "good"} in aws.handled()
    assert aws.waiting(failed) == 1


@pytest.fixture
def batch(aws: Emulator) -> dict[str, Any]:
    """The message of a failure queue about the middle three of five records."""
    kinesis = aws.client("kinesis")
    kinesis.create_stream(StreamName=aws.app, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=aws.app, WaiterConfig={"Delay": 1})
    about = kinesis.describe_stream(StreamName=aws.app)["StreamDescription"]
    numbers = [
        kinesis.put_record(StreamName=aws.app, Data=str(number).encode(), PartitionKey="x")["SequenceNumber"]
        for number in range(5)
    ]
    return {
        "shardId": about["Shards"][0]["ShardId"],
        "startSequenceNumber": numbers[1],
        "endSequenceNumber": numbers[3],
        "batchSize": 3,
        "streamArn": about["StreamARN"],
    }


def test_a_batch_of_a_stream_is_read_again_for_its_function(aws: Emulator, batch: dict[str, Any]) -> None:
    aws.send(aws.queue("failed"), {"requestContext": {"functionArn": aws.function}, "KinesisBatchInfo": batch})

    assert redrive.redrive(aws.app, "dev") == {f"{aws.app}-dev-failed": "1 redriven"}

    (event,) = aws.handled()
    assert [base64.b64decode(each["kinesis"]["data"]).decode() for each in event["Records"]] == ["1", "2", "3"]
    assert event["Records"][0]["eventID"] == f"{batch['shardId']}:{batch['startSequenceNumber']}"


def test_an_incomplete_batch_stays_and_delays_no_other(aws: Emulator, batch: dict[str, Any]) -> None:
    failed, context = aws.queue("failed"), {"requestContext": {"functionArn": aws.function}}
    for gone in ({"batchSize": 4}, {"streamArn": f"{batch['streamArn']}-deleted"}):
        aws.send(failed, context | {"KinesisBatchInfo": batch | gone})
    aws.send(failed, context | {"requestPayload": {"word": "good"}})

    result = redrive.redrive(aws.app, "dev")[f"{aws.app}-dev-failed"]

    assert result.startswith("1 redriven; stays:")
    assert "3 of its 4 records are in the stream" in result
    assert "no longer in the stream" in result
    assert (aws.handled(), aws.waiting(failed)) == ([{"word": "good"}], 2)


def test_a_message_of_an_iot_rule_may_be_in_base64() -> None:
    message = '{"base64OriginalPayload": "e30="}'

    assert redrive.content(base64.b64encode(message.encode()).decode()) == redrive.content(message)


def test_a_payload_that_a_rule_could_not_deliver_goes_into_its_stream(aws: Emulator, batch: dict[str, Any]) -> None:
    payload = base64.b64encode(b"{}").decode()
    payload_message = {"topic": "devices/pump-1/readings", "base64OriginalPayload": payload}
    aws.send(aws.queue("undelivered"), payload_message | {"failures": [{"failedResource": aws.app}]})

    assert redrive.redrive(aws.app, "dev") == {f"{aws.app}-dev-undelivered": "1 redriven"}

    shard = {"StreamName": aws.app, "ShardId": batch["shardId"], "ShardIteratorType": "AFTER_SEQUENCE_NUMBER"}
    kinesis = aws.client("kinesis")
    iterator = kinesis.get_shard_iterator(**shard, StartingSequenceNumber=batch["endSequenceNumber"])["ShardIterator"]
    (_, record) = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert (record["PartitionKey"], record["Data"]) == ("thing/pump-1", b"{}")


def test_an_unknown_message_stays(aws: Emulator) -> None:
    failed = aws.queue("failed")
    aws.send(failed, {"x": 1})

    assert "unknown message" in redrive.redrive(aws.app, "dev")[f"{aws.app}-dev-failed"]
    assert aws.waiting(failed) == 1
    assert redrive.failed_messages(aws.app, "dev") == {f"{aws.app}-dev-failed": 1}


MALFORMED = [
    ("[1", "it is not JSON"),
    ("[1]", "unknown message"),
    ('{"requestPayload": {}}', "`requestContext`"),
    ('{"requestPayload": {}, "requestContext": {}}', "`functionArn`"),
    ('{"KinesisBatchInfo": {}}', "`shardId`"),
    ('{"KinesisBatchInfo": []}', "Expected `object`"),
    ('{"base64OriginalPayload": "e30="}', "`topic`"),
    ('{"base64OriginalPayload": "%", "topic": "a/b", "failures": [{"failedResource": "x"}]}', "base64"),
    ('{"base64OriginalPayload": "e30=", "topic": "a", "failures": [{"failedResource": "x"}]}', "topic"),
    ('{"base64OriginalPayload": "e30=", "topic": "a/b", "failures": []}', "failures"),
]


@pytest.mark.parametrize(("text", "reason"), MALFORMED)
def test_a_malformed_message_is_refused_with_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(redrive.NotRedriven, match=reason) as refused:
        redrive.handle(redrive.content(text))
    assert "\n" not in str(refused.value)


def test_malformed_messages_stay_and_are_named_and_delay_no_other(aws: Emulator, batch: dict[str, Any]) -> None:
    failed, sqs = aws.queue("undelivered"), aws.client("sqs")
    sent = [sqs.send_message(QueueUrl=failed, MessageBody=text)["MessageId"] for text, _ in MALFORMED[:3]]
    payload = base64.b64encode(b"{}").decode()
    good = {"topic": "devices/pump-1/readings", "base64OriginalPayload": payload}
    aws.send(failed, good | {"failures": [{"failedResource": aws.app}]})

    result = redrive.redrive(aws.app, "dev")[f"{aws.app}-dev-undelivered"]

    assert result.startswith("1 redriven; stays: ")
    assert all(f"stays: {id}: " in result for id in sent)
    assert aws.waiting(failed) == 3
