"""Event source mappings with streams, queues and functions in the emulator.

Each record contains the command for the function: sleep, wait, meet, raise, exit or report.
Each invocation logs one line.
"""

import base64
import io
import itertools
import json
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws import control_client
from localaws.lambda_ import shards
from localaws.lambda_.batches import Backoff
from localaws.lambda_.poller import Poller
from localaws.testing import active, eventually

REGION, OTHER_REGION = "us-east-1", "eu-west-1"
ARN = f"{REGION}:000000000000"
FUNCTION = '''
import base64, json, os, time

def value(record):
    if "kinesis" in record:
        return base64.b64decode(record["kinesis"]["data"]).decode()
    return record["dynamodb"]["NewImage"]["value"]["S"] if "dynamodb" in record else record["body"]

def identifier(record):
    if "messageId" in record:
        return record["messageId"]
    return record.get("kinesis", {}).get("sequenceNumber") or record["dynamodb"]["SequenceNumber"]

def wait(path):
    """Create a file, and wait until somebody has removed it."""
    open(path, "w").close()
    while os.path.exists(path):
        time.sleep(0.01)

def meet(path):
    """Log the start, stay until another call has started too, and log the end."""
    with open(path, "a") as log:
        log.write("+")
    while open(path).read().count("+") < 2:
        time.sleep(0.01)
    time.sleep(0.2)
    with open(path, "a") as log:
        log.write("-")

def handler(event, context):
    values = [value(record) for record in event["Records"]]
    print(json.dumps({"at": time.time(), "values": values, "event": event}), flush=True)
    for each in values:
        if each.startswith("sleep"):
            time.sleep(float(each.split()[1]))
        if each.startswith("meet"):
            meet(each.split()[1])
        if each.startswith("wait"):
            wait(each.split()[1])
        if each == "raise":
            raise ValueError("cannot count")
        if each == "exit":
            os._exit(1)
    failures = [record for record in event["Records"] if value(record).startswith("report")]
    return {"batchItemFailures": [{"itemIdentifier": identifier(record)} for record in failures]}
'''
numbers = itertools.count(1)
EXHAUSTED, EXPIRED = "RetryAttemptsExhausted", "RecordAgeExceeded"
REPORT = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
BISECT = {"BisectBatchOnFunctionError": True}


class Aws:
    """The emulator in one Region, with factories for the tests' resources."""

    def __init__(self, endpoint: str, region: str = REGION) -> None:
        config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
        self.client = cache(lambda service: boto3.client(service, region, endpoint_url=endpoint, config=config))
        self.lambda_, self.logs, self.sqs = self.client("lambda"), self.client("logs"), self.client("sqs")
        self.role, self.mappings = self._role(), list[str]()

    def _role(self) -> str:
        iam, name = self.client("iam"), f"event-sources-{next(numbers)}"
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        actions = ["dynamodb:*", "kinesis:*", "sqs:*", "sns:*", "s3:*"]
        policy = {"Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        iam.put_role_policy(RoleName=name, PolicyName="events", PolicyDocument=json.dumps(policy))
        return str(role["Role"]["Arn"])

    def function(self, **settings: Any) -> str:
        """Create a function; return its name."""
        code, name = io.BytesIO(), f"events-{next(numbers)}"
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", FUNCTION)
        self.lambda_.create_function(
            **{"FunctionName": name, "Runtime": "python3.13", "Handler": "app.handler", "Role": self.role}
            | {"Code": {"ZipFile": code.getvalue()}, "Timeout": 10}
            | settings
        )
        active(self.lambda_, name)
        return name

    def queue(self, fifo: bool = False, **attributes: str) -> tuple[str, str]:
        """Create a queue; return its URL and ARN."""
        name = f"events-{next(numbers)}{'.fifo' * fifo}"
        attributes |= {"FifoQueue": "true"} if fifo else {}
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], f"arn:aws:sqs:{ARN}:{name}"

    def received(self, url: str) -> Any:
        """Return the next message of the queue, parsed from JSON."""
        messages = eventually(lambda: self.sqs.receive_message(QueueUrl=url).get("Messages"))
        return json.loads(messages[0]["Body"]) if messages else None

    def map(self, function: str, source: str, **settings: Any) -> str:
        """Create a mapping, by default at TRIM_HORIZON; return its UUID once it is enabled or disabled."""
        start = {} if ":sqs:" in source else {"StartingPosition": "TRIM_HORIZON"}
        settings = {"FunctionName": function, "EventSourceArn": source} | start | settings
        self.mappings.append(self.lambda_.create_event_source_mapping(**settings)["UUID"])
        self.wait_for_change(self.mappings[-1])
        return self.mappings[-1]

    def update(self, mapping: str, **settings: Any) -> None:
        """Change the mapping, and wait until the change is applied."""
        self.lambda_.update_event_source_mapping(UUID=mapping, **settings)
        self.wait_for_change(mapping)

    def wait_for_change(self, mapping: str) -> None:
        settled = {"Enabled", "Disabled"}
        assert eventually(lambda: self.lambda_.get_event_source_mapping(UUID=mapping)["State"] in settled)

    def delete_mappings(self) -> None:
        while self.mappings:
            gone = self.lambda_.exceptions
            with suppress(gone.ResourceNotFoundException, gone.ResourceInUseException):
                self.lambda_.delete_event_source_mapping(UUID=self.mappings.pop())

    def calls(self, function: str, at_least: int = 1) -> list[dict[str, Any]]:
        """Wait for at least so many calls of the function; return all calls in order of time."""

        def find() -> list[dict[str, Any]]:
            try:
                events = self.logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
            except ClientError:
                return []
            lines = (event["message"].strip() for event in events)
            calls = sorted((json.loads(line) for line in lines if line.startswith("{")), key=lambda call: call["at"])
            return calls if len(calls) >= at_least else []

        return eventually(find)

    def steps(self, mapping: str, until: str, times: int = 1) -> list[dict[str, Any]]:
        """Wait for the outcome *until*, so many *times*; return the steps of all batches of the mapping in order."""

        def find() -> list[dict[str, Any]]:
            answer = json.loads(control_client.call(f"{self.lambda_.meta.endpoint_url}/_localaws/deliveries"))
            steps = [step for batch in answer["batches"] if batch["mapping"] == mapping for step in batch["steps"]]
            steps.sort(key=lambda step: step["at"])
            return steps if outcomes(steps).count(until) >= times else []

        return eventually(find)

    def values(self, function: str, at_least: int = 1) -> list[list[str]]:
        return [call["values"] for call in self.calls(function, at_least)]


class Table:
    """A table with a stream. Each put writes a new item unless a key is given."""

    info = "DDBStreamBatchInfo"

    def __init__(self, aws: Aws) -> None:
        self.client = aws.client("dynamodb")
        self.name = f"events-{next(numbers)}"
        self.arn = self.client.create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]["LatestStreamArn"]

    def put(self, *values: str, key: str = "") -> None:
        for value in values:
            item = {"id": {"S": key or str(next(numbers))}, "value": {"S": value}}
            self.client.put_item(TableName=self.name, Item=item)

    def pattern(self, prefix: str) -> Any:
        return {"dynamodb": {"NewImage": {"value": {"S": [{"prefix": prefix}]}}}}


class KinesisStream:
    """A Kinesis stream, by default with one shard."""

    info = "KinesisBatchInfo"

    def __init__(self, aws: Aws, shards: int = 1) -> None:
        self.client = aws.client("kinesis")
        self.name = f"events-{next(numbers)}"
        self.arn = f"arn:aws:kinesis:{ARN}:stream/{self.name}"
        self.client.create_stream(StreamName=self.name, ShardCount=shards)
        eventually(
            lambda: (
                self.client.describe_stream_summary(StreamName=self.name)["StreamDescriptionSummary"]["StreamStatus"]
                == "ACTIVE"
            )
        )

    def put(self, *values: str, key: str = "key", **where: str) -> None:
        for value in values:
            self.client.put_record(StreamName=self.name, Data=value.encode(), PartitionKey=key, **where)

    def pattern(self, prefix: str) -> Any:
        return {"data": [{"prefix": prefix}]}


@pytest.fixture(scope="module")
def polled(emulator: str) -> Iterator[Aws]:
    poller = Poller((REGION, OTHER_REGION), emulator, Backoff(initial=0.05, maximum=0.2))
    poller.start()
    yield Aws(emulator)
    poller.stop()


@pytest.fixture
def aws(polled: Aws) -> Iterator[Aws]:
    yield polled
    polled.delete_mappings()


@pytest.fixture(params=[Table, KinesisStream])
def stream(request: pytest.FixtureRequest, aws: Aws) -> Table | KinesisStream:
    return request.param(aws)


def outcomes(steps: list[dict[str, Any]]) -> list[str]:
    return [step["fate"]["outcome"] for step in steps]


def on_failure(arn: str) -> dict[str, Any]:
    return {"DestinationConfig": {"OnFailure": {"Destination": arn}}}


# --- streams: failures ------------------------------------------------------------------------------------


def test_a_failed_batch_is_retried_then_discarded_and_the_shard_continues(
    aws: Aws, stream: Table | KinesisStream
) -> None:
    function, (queue, arn) = aws.function(), aws.queue()
    stream.put("a", "raise", "b", "c")

    mapping = aws.map(function, stream.arn, BatchSize=3, MaximumRetryAttempts=2, **on_failure(arn))

    assert aws.values(function, 4) == [["a", "raise", "b"]] * 3 + [["c"]]
    record = aws.received(queue)
    assert record
    assert record["requestContext"].items() >= {"condition": EXHAUSTED, "approximateInvokeCount": 3}.items()
    assert record["requestContext"]["functionArn"].endswith(f":function:{function}")
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    events = aws.calls(function)[0]["event"]["Records"]
    sequence = [
        (each.get("kinesis", {}).get("sequenceNumber") or each["dynamodb"]["SequenceNumber"]) for each in events
    ]
    info = record[stream.info]
    assert (info["startSequenceNumber"], info["endSequenceNumber"]) == (sequence[0], sequence[-1])
    assert (info["batchSize"], info["streamArn"]) == (3, stream.arn)
    assert aws.lambda_.get_event_source_mapping(UUID=mapping)["MaximumRetryAttempts"] == 2
    steps = aws.steps(mapping, "succeeded")
    assert outcomes(steps) == ["retried", "retried", "sent", "succeeded"]
    assert [(step["attempt"], step["attempts"], step["records"]) for step in steps[:3]] == [
        (n, 3, 3) for n in (1, 2, 3)
    ]
    assert steps[2]["fate"] == {"outcome": "sent", "parts": [], "condition": EXHAUSTED, "destination": arn}
    assert (steps[2]["first"], steps[2]["last"]) == (sequence[0], sequence[-1])
    assert steps[2]["request_id"] == record["requestContext"]["requestId"]
    error = steps[2]["error"]
    assert (error["type"], error["message"]) == ("ValueError", "cannot count")
    assert 'raise ValueError("cannot count")' in error["trace"][-1]


@pytest.mark.parametrize(
    ("source", "values"),
    [
        (Table, ["raise", "a", "b", "c"]),
        (KinesisStream, ["a", "raise", "b", "c"]),
        (Table, ["a", "b", "c", "raise"]),
    ],
)
def test_bisecting_delivers_all_but_the_poison_record(aws: Aws, source: Any, values: list[str]) -> None:
    stream, function, (queue, arn) = source(aws), aws.function(), aws.queue()
    stream.put(*values)

    mapping = aws.map(function, stream.arn, MaximumRetryAttempts=0, **BISECT, **on_failure(arn))

    record = aws.received(queue)
    assert record
    assert record[stream.info]["batchSize"] == 1
    assert eventually(lambda: delivered(aws, function) == ["a", "b", "c"])
    steps = aws.steps(mapping, "sent")
    assert [step["fate"]["parts"] for step in steps if step["fate"]["outcome"] == "bisected"] == [[2, 2], [1, 1]]
    (sent,) = [step for step in steps if step["fate"]["outcome"] == "sent"]
    assert sent["first"] == record[stream.info]["startSequenceNumber"]


def delivered(aws: Aws, function: str) -> list[str]:
    """Return the records of the successful calls."""
    calls = aws.values(function)
    return [value for call in calls for value in call if not {"raise", "exit"} & set(call)]


def test_a_function_that_dies_in_the_middle_of_a_batch_fails_it(aws: Aws, stream: Table | KinesisStream) -> None:
    function, (queue, arn) = aws.function(), aws.queue()
    stream.put("a", "exit", "b")

    aws.map(function, stream.arn, MaximumRetryAttempts=0, **BISECT, **on_failure(arn))

    record = aws.received(queue)
    assert record
    assert record["requestContext"]["condition"] == EXHAUSTED
    assert eventually(
        lambda: {"a", "b"} <= {value for call in aws.values(function) for value in call if len(call) == 1}
    )


def test_a_batch_is_retried_from_the_first_reported_failure(aws: Aws, stream: Table | KinesisStream) -> None:
    function, (queue, arn) = aws.function(), aws.queue()
    stream.put("a", "report 1", "b", "report 2")

    aws.map(function, stream.arn, MaximumRetryAttempts=1, **REPORT, **on_failure(arn))

    record = aws.received(queue)
    assert record
    assert record[stream.info]["batchSize"] == 3
    assert record["responseContext"]["functionError"] is None
    assert aws.values(function, 2) == [["a", "report 1", "b", "report 2"], ["report 1", "b", "report 2"]]


def test_a_reported_batch_is_bisected_at_the_reported_record(aws: Aws, stream: Table | KinesisStream) -> None:
    function, (queue, arn) = aws.function(), aws.queue()
    stream.put("a", "report", "b")

    mapping = aws.map(function, stream.arn, MaximumRetryAttempts=0, **REPORT, **BISECT, **on_failure(arn))

    assert aws.values(function, 4) == [["a", "report", "b"], ["report", "b"], ["report"], ["b"]]
    assert aws.received(queue)
    steps = aws.steps(mapping, "succeeded")
    assert outcomes(steps) == ["partial", "bisected", "sent", "succeeded"]
    assert (steps[0]["fate"]["parts"], len(steps[0]["failed"]), steps[0]["error"]) == ([1, 2], 1, None)


def test_without_report_batch_item_failures_a_report_is_success(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    stream.put("report")

    aws.map(function, stream.arn)
    aws.calls(function)
    stream.put("a")

    assert aws.values(function, 2) == [["report"], ["a"]]


def test_expired_records_are_discarded_and_the_shard_continues(
    aws: Aws, stream: Table | KinesisStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, (queue, arn) = aws.function(), aws.queue()
    stream.put("raise")

    aws.map(function, stream.arn, MaximumRecordAgeInSeconds=60, **on_failure(arn))
    aws.calls(function)
    monkeypatch.setattr(shards, "time", SimpleNamespace(time=lambda: time.time() + 60, monotonic=time.monotonic))

    record = aws.received(queue)
    assert record
    assert record["requestContext"]["condition"] == EXPIRED
    assert "responseContext" not in record
    monkeypatch.undo()
    stream.put("a")
    assert eventually(lambda: aws.values(function)[-1] == ["a"])


def test_a_throttled_invocation_uses_no_retry(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    aws.lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    stream.put("a")

    mapping = aws.map(function, stream.arn, MaximumRetryAttempts=0)
    throttled = aws.steps(mapping, "throttled")[0]
    aws.lambda_.delete_function_concurrency(FunctionName=function)

    assert aws.values(function) == [["a"]]
    assert "TooManyRequestsException" in throttled["error"]["message"]
    assert aws.steps(mapping, "succeeded")[-1]["attempt"] == 1


def test_a_topic_and_a_bucket_receive_the_invocation_record_too(aws: Aws) -> None:
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    queue, queue_arn = aws.queue(Policy=json.dumps({"Statement": [allowed]}))
    stream, function = KinesisStream(aws), aws.function()
    bucket, s3, sns = f"events-{next(numbers)}", aws.client("s3"), aws.client("sns")
    s3.create_bucket(Bucket=bucket)
    topic = sns.create_topic(Name=bucket)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    stream.put("raise")

    aws.map(function, stream.arn, MaximumRetryAttempts=0, **on_failure(topic))
    mapping = aws.map(aws.function(), stream.arn, MaximumRetryAttempts=0, **on_failure(f"arn:aws:s3:::{bucket}"))

    notification = aws.received(queue)
    assert notification
    assert json.loads(notification["Message"])["KinesisBatchInfo"]["batchSize"] == 1
    prefix = f"aws/lambda/{mapping}/shardId-000000000000/{time.strftime('%Y/%m/%d', time.gmtime())}/"
    (kept,) = eventually(lambda: s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []))
    record = json.loads(s3.get_object(Bucket=bucket, Key=kept["Key"])["Body"].read())
    assert json.loads(record["payload"])["Records"][0]["kinesis"]["data"] == base64.b64encode(b"raise").decode()


# --- streams: delivery ------------------------------------------------------------------------------------


def test_an_event_names_its_source(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    stream.put("a")

    aws.map(function, stream.arn)

    (record,) = aws.calls(function)[0]["event"]["Records"]
    assert (record["eventSourceARN"], record["awsRegion"]) == (stream.arn, REGION)
    assert record["eventID"]
    if isinstance(stream, Table):
        assert record["eventName"] == "INSERT"
        change = record["dynamodb"]
        assert change["StreamViewType"] == "NEW_AND_OLD_IMAGES"
        assert change["Keys"].keys() == {"id"}
        assert abs(change["ApproximateCreationDateTime"] - time.time()) < 60
        assert {"SequenceNumber", "SizeBytes"} <= change.keys()
    else:
        assert record["eventName"] == "aws:kinesis:record"
        assert record["kinesis"]["data"] == base64.b64encode(b"a").decode()
        assert record["invokeIdentityArn"] == aws.role


def test_an_event_reaches_its_function_at_once(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    aws.map(function, stream.arn)
    stream.put("warm")
    aws.calls(function)

    stream.put("a")

    assert aws.values(function, 2) == [["warm"], ["a"]]


def test_only_records_that_pass_a_filter_are_delivered(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    stream.put("no", "yes 1", "no", "yes 2")

    aws.map(function, stream.arn, FilterCriteria={"Filters": [{"Pattern": json.dumps(stream.pattern("yes"))}]})

    assert aws.values(function) == [["yes 1", "yes 2"]]


def test_a_batch_waits_for_its_window(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    aws.map(function, stream.arn, MaximumBatchingWindowInSeconds=3)
    stream.put("a")
    time.sleep(0.3)
    stream.put("b", "c")

    assert aws.values(function) == [["a", "b", "c"]]


def test_a_full_batch_does_not_wait_for_its_window(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    stream.put("a", "b")

    aws.map(function, stream.arn, BatchSize=2, MaximumBatchingWindowInSeconds=60)

    assert aws.values(function) == [["a", "b"]]


def most_at_once(log: Path) -> int:
    """Return how many calls of a function that meets others ran at the same time."""
    return max(itertools.accumulate(1 if event == "+" else -1 for event in log.read_text()))


def test_parallel_batches_of_a_shard_keep_the_order_of_each_key(
    aws: Aws, stream: Table | KinesisStream, tmp_path: Path
) -> None:
    function, log = aws.function(), tmp_path / "calls"
    for i in range(4):
        for key in "abcd":
            stream.put(f"meet {log} {key}{i}" if i == 0 else f"sleep 0.05 {key}{i}", key=key)

    aws.map(function, stream.arn, BatchSize=1, ParallelizationFactor=4)

    calls = aws.calls(function, 16)
    for key in "abcd":
        names = [call["values"][0].split()[-1] for call in calls]
        assert [name for name in names if name[0] == key] == [f"{key}{i}" for i in range(4)]
    assert most_at_once(log) > 1


def test_a_slow_consumer_does_not_delay_others(aws: Aws, stream: Table | KinesisStream, tmp_path: Path) -> None:
    slow, quick, queue_function, (queue, arn) = aws.function(Timeout=60), aws.function(), aws.function(), aws.queue()
    waiting = tmp_path / "waiting"
    stream.put(f"wait {waiting}")
    filters = {"FilterCriteria": {"Filters": [{"Pattern": json.dumps(stream.pattern("a"))}]}}
    aws.map(slow, stream.arn)
    aws.map(quick, stream.arn, **filters)
    aws.map(queue_function, arn)
    assert eventually(waiting.exists)

    stream.put("a")
    aws.sqs.send_message(QueueUrl=queue, MessageBody="b")

    assert aws.values(quick) == [["a"]]
    assert aws.values(queue_function) == [["b"]]
    waiting.unlink()
    assert aws.values(slow, 2) == [[f"wait {waiting}"], ["a"]]


def test_a_failing_shard_does_not_delay_other_shards(aws: Aws) -> None:
    stream, function = KinesisStream(aws, shards=2), aws.function()
    stream.put("raise", ExplicitHashKey="0")
    aws.map(function, stream.arn)
    aws.calls(function, 2)

    stream.put("a", ExplicitHashKey=str(2**128 - 1))

    assert eventually(lambda: ["a"] in aws.values(function))


def test_records_written_after_a_split_are_delivered(aws: Aws) -> None:
    stream, function = KinesisStream(aws), aws.function()
    aws.map(function, stream.arn)
    stream.put("a")
    aws.calls(function)

    stream.client.split_shard(
        StreamName=stream.name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127)
    )
    stream.put("b", ExplicitHashKey="0")
    stream.put("c", ExplicitHashKey=str(2**127))

    assert {value for call in aws.values(function, 3) for value in call} == {"a", "b", "c"}


def test_latest_starts_at_the_creation_of_the_mapping(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    stream.put("before")
    time.sleep(1.1)

    aws.map(function, stream.arn, StartingPosition="LATEST")
    stream.put("after")

    assert aws.values(function) == [["after"]]


def test_at_timestamp_starts_at_the_timestamp(aws: Aws) -> None:
    stream, function = KinesisStream(aws), aws.function()
    stream.put("before")
    time.sleep(1.1)
    start = int(time.time())
    stream.put("after")

    aws.map(function, stream.arn, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=start)

    assert aws.values(function) == [["after"]]


def test_a_disabled_mapping_pauses_and_resumes_at_its_position(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    mapping = aws.map(function, stream.arn)
    stream.put("a")
    aws.calls(function)

    aws.update(mapping, Enabled=False)
    time.sleep(0.3)
    stream.put("b")
    time.sleep(0.5)
    assert aws.values(function) == [["a"]]
    aws.update(mapping, Enabled=True)

    assert aws.values(function, 2) == [["a"], ["b"]]


def test_updated_settings_are_applied(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    mapping = aws.map(function, stream.arn, Enabled=False)
    stream.put("a", "b", "c", "d")
    aws.update(mapping, BatchSize=2, ParallelizationFactor=1, Enabled=True)

    assert aws.values(function, 2) == [["a", "b"], ["c", "d"]]
    aws.update(mapping, BatchSize=1, ParallelizationFactor=3)
    time.sleep(0.3)
    stream.put("e", "f")
    assert sorted(aws.values(function, 4)[2:]) == [["e"], ["f"]]


def test_a_deleted_mapping_delivers_nothing_more(aws: Aws, stream: Table | KinesisStream) -> None:
    function = aws.function()
    mapping = aws.map(function, stream.arn)
    stream.put("a")
    aws.calls(function)

    aws.lambda_.delete_event_source_mapping(UUID=mapping)
    time.sleep(0.3)
    stream.put("b")
    time.sleep(0.5)

    assert aws.values(function) == [["a"]]


def test_a_write_to_a_global_table_reaches_the_function_of_another_region(aws: Aws, emulator: str) -> None:
    table, elsewhere = Table(aws), Aws(emulator, OTHER_REGION)
    table.client.update_table(TableName=table.name, ReplicaUpdates=[{"Create": {"RegionName": OTHER_REGION}}])
    replica = elsewhere.client("dynamodb").describe_table(TableName=table.name)["Table"]
    function = elsewhere.function()
    elsewhere.map(function, replica["LatestStreamArn"])

    table.put("a")

    (call,) = elsewhere.calls(function)
    assert call["event"]["Records"][0]["awsRegion"] == OTHER_REGION
    elsewhere.delete_mappings()


# --- queues -----------------------------------------------------------------------------------------------


def queue_with_dlq(aws: Aws, **attributes: str) -> tuple[str, str, str]:
    """Create a queue with a maxReceiveCount of 2; return its URL and ARN, and the URL of its dead-letter queue."""
    dead_url, dead_arn = aws.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    return (*aws.queue(VisibilityTimeout="3", RedrivePolicy=redrive, **attributes), dead_url)


def dead_letter_arn(aws: Aws, url: str) -> str:
    attributes = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    return str(json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"])


def send(aws: Aws, url: str, *bodies: str, **more: str) -> None:
    for body in bodies:
        aws.sqs.send_message(QueueUrl=url, MessageBody=body, **more)


def is_empty(aws: Aws, url: str) -> bool:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return set(attributes.values()) == {"0"}


def test_a_message_reaches_its_function_at_once_with_its_attributes(aws: Aws) -> None:
    function, (url, arn) = aws.function(), aws.queue()
    aws.map(function, arn)
    send(aws, url, "warm")
    aws.calls(function)

    attribute = {"DataType": "String", "StringValue": "x"}
    sent = aws.sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes={"name": attribute})

    (record,) = aws.calls(function, 2)[1]["event"]["Records"]
    assert (record["eventSource"], record["eventSourceARN"]) == ("aws:sqs", arn)
    assert record["messageAttributes"]["name"].items() >= {"stringValue": "x", "dataType": "String"}.items()
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]


def test_only_reported_messages_are_retried_and_redriven(aws: Aws) -> None:
    function, (url, arn, dead) = aws.function(Timeout=3), queue_with_dlq(aws)
    send(aws, url, "a", "report", "b")

    mapping = aws.map(function, arn, **REPORT)

    assert aws.values(function, 2) == [["a", "report", "b"], ["report"]]
    messages = eventually(lambda: aws.sqs.receive_message(QueueUrl=dead).get("Messages"))
    assert messages
    assert messages[0]["Body"] == "report"
    assert eventually(lambda: is_empty(aws, url))
    first, last = aws.steps(mapping, "returned", times=2)
    assert [(step["attempt"], step["attempts"], step["fate"]["parts"]) for step in (first, last)] == [
        (1, 2, [2, 1]),
        (2, 2, [0, 1]),
    ]
    assert first["failed"] == last["failed"] == [messages[0]["MessageId"]]
    assert (first["fate"]["destination"], last["fate"]["destination"]) == (None, dead_letter_arn(aws, url))


@pytest.mark.parametrize("poison", ["raise", "exit"])
def test_all_messages_of_a_failed_batch_are_retried(aws: Aws, poison: str) -> None:
    function, (url, arn, dead) = aws.function(Timeout=3), queue_with_dlq(aws)
    send(aws, url, "a", poison)

    aws.map(function, arn, **REPORT)

    assert aws.values(function, 2) == [["a", poison]] * 2
    assert eventually(lambda: aws.sqs.receive_message(QueueUrl=dead).get("Messages"))


def test_messages_that_match_no_filter_are_deleted(aws: Aws) -> None:
    function, (url, arn) = aws.function(), aws.queue()
    send(aws, url, '{"kind": "no"}', '{"kind": "yes"}', "yes")

    aws.map(function, arn, FilterCriteria={"Filters": [{"Pattern": '{"body": {"kind": ["yes"]}}'}]})

    assert aws.values(function) == [['{"kind": "yes"}']]
    assert eventually(lambda: is_empty(aws, url))


def test_a_batch_of_messages_waits_for_its_window(aws: Aws) -> None:
    function, (url, arn) = aws.function(), aws.queue()
    aws.map(function, arn, BatchSize=100, MaximumBatchingWindowInSeconds=5)
    send(aws, url, "a")
    time.sleep(0.3)
    send(aws, url, *[str(i) for i in range(12)])

    assert aws.values(function) == [["a", *[str(i) for i in range(12)]]]


def test_maximum_concurrency_limits_concurrent_batches(aws: Aws, tmp_path: Path) -> None:
    function, (url, arn), log = aws.function(), aws.queue(), tmp_path / "calls"
    send(aws, url, *[f"meet {log}"] * 6)

    aws.map(function, arn, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})

    assert eventually(lambda: log.exists() and log.read_text().count("-") == 6)
    assert most_at_once(log) == 2
    assert len(aws.calls(function, 6)) == 6


def test_a_group_of_a_fifo_queue_stays_in_order(aws: Aws) -> None:
    function, (url, arn) = aws.function(), aws.queue(fifo=True)
    for i in range(4):
        for group in "ab":
            send(aws, url, f"sleep 0.1 {group}{i}", MessageGroupId=group, MessageDeduplicationId=f"{group}{i}")

    aws.map(function, arn, BatchSize=2)

    values = [value.split()[-1] for call in aws.values(function, 4) for value in call]
    for group in "ab":
        assert [value for value in values if value[0] == group] == [f"{group}{i}" for i in range(4)]


def test_a_throttled_batch_is_retried_before_its_visibility_timeout(aws: Aws) -> None:
    function, (url, arn) = aws.function(), aws.queue(VisibilityTimeout="30")
    aws.lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    send(aws, url, "a")
    aws.map(function, arn)
    time.sleep(0.5)

    aws.lambda_.delete_function_concurrency(FunctionName=function)

    (call,) = aws.calls(function)
    assert call["event"]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"


def test_messages_of_a_deleted_mapping_become_visible(aws: Aws) -> None:
    function, (url, arn) = aws.function(), aws.queue(VisibilityTimeout="600")
    aws.lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    send(aws, url, '"a"')
    mapping = aws.map(function, arn)
    time.sleep(0.5)

    aws.lambda_.delete_event_source_mapping(UUID=mapping)

    assert aws.received(url) == "a"


def test_records_of_concurrent_senders_are_delivered_once(aws: Aws, stream: Table | KinesisStream) -> None:
    function, senders, each = aws.function(), 5, 12
    aws.map(function, stream.arn, ParallelizationFactor=3)
    written = [[f"{sender}-{i}" for i in range(each)] for sender in range(senders)]

    with ThreadPoolExecutor(senders) as pool:
        list(pool.map(lambda values: stream.put(*values, key=values[0]), written))

    def delivered() -> list[str]:
        return [value for call in aws.values(function) for value in call]

    assert eventually(lambda: len(delivered()) == senders * each)
    for sender, values in enumerate(written):
        assert [value for value in delivered() if value.startswith(f"{sender}-")] == values
