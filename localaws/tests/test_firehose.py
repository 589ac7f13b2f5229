"""Delivery streams with Kinesis streams, functions, tables and buckets in the emulator."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import itertools
import json
import re
import time
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.firehose import delivery, source
from localaws.firehose.firehose import Firehose
from localaws.lambda_.batches import Backoff
from localaws.testing import active, eventually

REGION = "us-east-1"
ARN = f"{REGION}:000000000000"
numbers = itertools.count(1)

# Each record contains the command for the function.
FUNCTION = """
import base64, json, os

def handler(event, context):
    print(json.dumps(event), flush=True)
    answers = []
    for record in event["records"]:
        data = json.loads(base64.b64decode(record["data"]))
        marker = data.get("raise")
        if marker and not os.path.exists(marker):
            if os.path.isdir(os.path.dirname(marker)):
                open(marker, "w").close()
            raise ValueError("as the record says")
        answers.append({
            "recordId": record["recordId"],
            "result": data.pop("result", "Ok"),
            "metadata": {"partitionKeys": data.pop("keys", {})},
            "data": base64.b64encode(json.dumps(data).encode()).decode(),
        })
    return {"records": answers}
"""
SCHEMA = [{"Name": "value", "Type": "double"}, {"Name": "device_id", "Type": "string"}]


class Aws:
    """The emulator, with factories for the tests' resources."""

    def __init__(self, endpoint: str) -> None:
        config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
        self.client = cache(lambda service: boto3.client(service, REGION, endpoint_url=endpoint, config=config))
        self.s3, self.kinesis, self.firehose = self.client("s3"), self.client("kinesis"), self.client("firehose")
        self.service_role = self.role("firehose", "kinesis:*", "lambda:InvokeFunction", "s3:PutObject", "glue:GetTable")

    def role(self, service: str, *actions: str) -> str:
        """Create a role for the service with these permissions; return its ARN."""
        iam, name = self.client("iam"), f"{service}-{next(numbers)}"
        trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        self.allow(name, *actions)
        return str(role["Role"]["Arn"])

    def allow(self, role: str, *actions: str) -> None:
        # Not `*`: the test fails if a call is authorized for `*` instead of its resource.
        kinds = [f"arn:aws:{kind}:{ARN}:*" for kind in ("kinesis", "lambda", "glue", "logs")] + ["arn:aws:s3:::*/*"]
        policy = {"Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": kinds}]}
        self.client("iam").put_role_policy(
            RoleName=role.rpartition("/")[2], PolicyName="delivery", PolicyDocument=json.dumps(policy)
        )

    def function(self) -> str:
        """Create a function; return its ARN."""
        code, name = io.BytesIO(), f"cleanse-{next(numbers)}"
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", FUNCTION)
        self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=self.role("lambda", "logs:*"),
            Code={"ZipFile": code.getvalue()},
            Timeout=10,
        )
        return active(self.client("lambda"), name)

    def events(self, function: str, at_least: int = 1) -> list[dict[str, Any]]:
        """Wait for at least so many events of the function; return all of them."""

        def find() -> list[dict[str, Any]]:
            group = f"/aws/lambda/{function.rpartition(':')[2]}"
            try:
                lines = [
                    each["message"] for each in self.client("logs").filter_log_events(logGroupName=group)["events"]
                ]
            except ClientError:
                return []
            events = [json.loads(line) for line in lines if line.startswith("{")]
            return events if len(events) >= at_least else []

        return eventually(find)

    def stream(self, **destination: Any) -> DeployedStream:
        return DeployedStream(self, **destination)


class DeployedStream:
    """A delivery stream from a Kinesis stream of one shard to a bucket. All three have the same name."""

    def __init__(self, aws: Aws, *, seconds: float = 0, size: int = 64, **destination: Any) -> None:
        self.aws, self.name = aws, f"delivery-{next(numbers)}"
        aws.s3.create_bucket(Bucket=self.name)
        aws.kinesis.create_stream(StreamName=self.name, ShardCount=1)
        aws.kinesis.get_waiter("stream_exists").wait(StreamName=self.name, WaiterConfig={"Delay": 1})
        self.role = destination.pop("role", aws.service_role)
        aws.firehose.create_delivery_stream(
            DeliveryStreamName=self.name,
            DeliveryStreamType="KinesisStreamAsSource",
            KinesisStreamSourceConfiguration={
                "KinesisStreamARN": f"arn:aws:kinesis:{ARN}:stream/{self.name}",
                "RoleARN": aws.service_role,
            },
            ExtendedS3DestinationConfiguration={
                "RoleARN": self.role,
                "BucketARN": f"arn:aws:s3:::{self.name}",
                "BufferingHints": {"SizeInMBs": size, "IntervalInSeconds": seconds},
                "ErrorOutputPrefix": "failed/!{firehose:error-output-type}/!{timestamp:yyyy}/",
            }
            | destination,
        )

    def put(self, *records: Any) -> None:
        data = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
        for some in itertools.batched(data, 500):
            left = [{"Data": each, "PartitionKey": "pump"} for each in some]
            while left:  # the stream refuses what exceeds its throughput
                answers = self.aws.kinesis.put_records(StreamName=self.name, Records=left)["Records"]
                left = [record for record, answer in zip(left, answers, strict=True) if "ErrorCode" in answer]

    def objects(self, prefix: str = "", at_least: int = 1) -> dict[str, bytes]:
        """Wait for at least so many objects under the prefix; return them by the rest of their keys."""

        def find() -> dict[str, bytes]:
            listed = self.aws.s3.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", [])
            if len(listed) < at_least:
                return {}
            bodies = (self.aws.s3.get_object(Bucket=self.name, Key=each["Key"])["Body"].read() for each in listed)
            return {each["Key"].removeprefix(prefix): body for each, body in zip(listed, bodies, strict=True)}

        return eventually(find)

    def errors(self, output_type: str, at_least: int = 1) -> list[dict[str, Any]]:
        """Wait for at least so many error records of that type; return all of them."""

        def find() -> list[dict[str, Any]]:
            bodies = self.objects(f"failed/{output_type}/").values()
            lines = [json.loads(line) for body in bodies for line in body.splitlines()]
            return lines if len(lines) >= at_least else []

        return eventually(find)


def lambda_processor(function: str, **parameters: str) -> dict[str, Any]:
    parameters = {"LambdaArn": function, "BufferIntervalInSeconds": "0"} | parameters
    given = [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()]
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": given}]}}


def partitioned(prefix: str) -> dict[str, Any]:
    return {"seconds": 60, "Prefix": prefix, "DynamicPartitioningConfiguration": {"Enabled": True}}


def raw(errors: list[dict[str, Any]]) -> list[Any]:
    return [json.loads(base64.b64decode(error["rawData"])) for error in errors]


@pytest.fixture(scope="module")
def aws(emulator: str) -> Iterator[Aws]:
    backoff = Backoff(initial=0.05, maximum=0.2)
    firehose = Firehose(REGION, emulator, backoff, buffer_interval=2)
    firehose.start()
    yield Aws(emulator)
    firehose.stop()


@pytest.fixture
def table(aws: Aws) -> dict[str, Any]:
    """The configuration of a conversion to Parquet, with a new table."""
    name = f"table-{next(numbers)}"
    glue = aws.client("glue")
    glue.create_database(DatabaseInput={"Name": name})
    glue.create_table(DatabaseName=name, TableInput={"Name": "t", "StorageDescriptor": {"Columns": SCHEMA}})
    schema = {"RoleARN": aws.service_role, "DatabaseName": name, "TableName": "t", "Region": REGION}
    return {
        "DataFormatConversionConfiguration": {
            "SchemaConfiguration": schema | {"VersionId": "LATEST"},
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
        }
    }


# --- objects ----------------------------------------------------------------------------------------------


def test_records_within_an_interval_become_one_object_with_the_documented_key(aws: Aws) -> None:
    delimited = {"Enabled": True, "Processors": [{"Type": "AppendDelimiterToRecord", "Parameters": []}]}
    stream = aws.stream(seconds=1, Prefix="raw/", CompressionFormat="GZIP", ProcessingConfiguration=delimited)

    stream.put(b"one", b"two")
    message = bytes.fromhex("0a016b 1a0908001a05") + b"three" + bytes.fromhex("1a0808001a04") + b"four"
    stream.put(bytes.fromhex("f3899ac2") + message + hashlib.md5(message, usedforsecurity=False).digest())

    [(name, body)] = stream.objects("raw/").items()
    assert gzip.decompress(body) == b"one\ntwo\nthree\nfour\n"
    second = r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d"
    assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d/\d\d/{stream.name}-1-{second}-[0-9a-f-]{{36}}\.gz", name)


def test_a_full_buffer_is_delivered_at_once(aws: Aws) -> None:
    stream = aws.stream(seconds=900, size=1)

    stream.put(b"a" * 700_000, b"b" * 700_000)

    assert list(stream.objects().values()) == [b"a" * 700_000]


def test_new_shards_are_read_too(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "RESHARDING_INTERVAL", 0.2)
    stream = aws.stream()
    stream.put(b"parent")
    assert stream.objects()

    aws.kinesis.split_shard(StreamName=stream.name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    stream.put(b"child")

    assert sorted(stream.objects(at_least=2).values()) == [b"child", b"parent"]


def test_new_settings_apply_to_later_records(aws: Aws) -> None:
    stream = aws.stream(Prefix="before/")
    stream.put(b"1")
    assert stream.objects("before/")
    described = aws.firehose.describe_delivery_stream(DeliveryStreamName=stream.name)["DeliveryStreamDescription"]

    aws.firehose.update_destination(
        DeliveryStreamName=stream.name,
        CurrentDeliveryStreamVersionId=described["VersionId"],
        DestinationId=described["Destinations"][0]["DestinationId"],
        ExtendedS3DestinationUpdate={"Prefix": "after/", "FileExtension": ".txt"},
    )
    time.sleep(2)  # the delivery follows a change within moments
    stream.put(b"2")

    [name] = stream.objects("after/")
    assert f"{stream.name}-2-" in name
    assert name.endswith(".txt")


def test_a_deleted_stream_stops_delivering(aws: Aws) -> None:
    stream, other = aws.stream(), aws.stream()
    stream.put(b"1")
    assert stream.objects()

    aws.firehose.delete_delivery_stream(DeliveryStreamName=stream.name)
    time.sleep(2)  # the delivery follows a change within moments
    stream.put(b"2")
    other.put(b"3")

    assert other.objects()
    assert list(stream.objects().values()) == [b"1"]


# --- the function -----------------------------------------------------------------------------------------


def test_the_function_returns_drops_and_fails_records(aws: Aws) -> None:
    function = aws.function()
    stream = aws.stream(**lambda_processor(function))

    stream.put({"n": 1}, {"n": 2, "result": "Dropped"}, {"n": 3, "result": "ProcessingFailed"}, {"n": 4})

    assert b"".join(stream.objects("2").values()) == b'{"n": 1}{"n": 4}'
    [error] = stream.errors("processing-failed")
    assert raw([error]) == [{"n": 3, "result": "ProcessingFailed"}]
    assert (error["errorCode"], error["attemptsMade"]) == ("Lambda.ProcessingFailedStatus", 1)
    assert error["lambdaArn"] == function
    [event] = aws.events(function)
    assert event["deliveryStreamArn"] == f"arn:aws:firehose:{ARN}:deliverystream/{stream.name}"
    assert event["sourceKinesisStreamArn"] == f"arn:aws:kinesis:{ARN}:stream/{stream.name}"
    assert [each["kinesisRecordMetadata"]["partitionKey"] for each in event["records"]] == ["pump"] * 4


def test_the_same_batch_is_retried_when_the_function_fails(aws: Aws, tmp_path: Path) -> None:
    function = aws.function()
    stream = aws.stream(**lambda_processor(function))

    stream.put({"n": 1}, {"raise": f"{tmp_path}/raised"})

    assert b"".join(stream.objects("2").values()).startswith(b'{"n": 1}')
    first, second = aws.events(function, 2)
    assert first["records"] == second["records"]
    assert first["invocationId"] != second["invocationId"]


def test_a_batch_that_always_fails_becomes_error_records(aws: Aws) -> None:
    function = aws.function()
    stream = aws.stream(**lambda_processor(function, NumberOfRetries="2"))

    stream.put({"n": 1}, {"raise": "/nowhere/raised"})

    failed = stream.errors("processing-failed", 2)
    assert raw(failed)[:2] == [{"n": 1}, {"raise": "/nowhere/raised"}]
    assert {(each["errorCode"], each["attemptsMade"]) for each in failed} == {("Lambda.FunctionError", 3)}


@pytest.mark.parametrize(
    ("service", "code"),
    [("firehose", "Lambda.InvokeAccessDenied"), ("lambda", "Lambda.AssumeRoleAccessDenied")],
    ids=["no permission", "no trust"],
)
def test_a_role_without_permission_fails_the_batch(aws: Aws, service: str, code: str) -> None:
    right = "lambda:InvokeFunction" if service == "lambda" else "s3:PutObject"
    stream = aws.stream(**lambda_processor(aws.function(), NumberOfRetries="0", RoleArn=aws.role(service, right)))

    stream.put({"n": 1})

    [error] = stream.errors("processing-failed")
    assert (error["errorCode"], raw([error])) == (code, [{"n": 1}])


# --- partitions and Parquet -------------------------------------------------------------------------------


def test_parquet_files_have_the_rows_of_their_partition(aws: Aws, table: dict[str, Any], tmp_path: Path) -> None:
    prefix = "readings/day=!{partitionKeyFromLambda:day}/!{timestamp:yyyy}/"
    stream = aws.stream(**lambda_processor(aws.function()), **partitioned(prefix), **table)
    readings = [{"value": n, "device_id": f"pump-{n}", "keys": {"day": str(n % 2)}} for n in range(1_000)]

    stream.put(*readings, {"value": "warm", "keys": {"day": "1"}}, {"value": 1, "keys": {"day": ""}})

    for day in ("0", "1"):
        objects = stream.objects(f"readings/day={day}/")
        assert len(objects) == 1
        assert all(name.endswith(".parquet") for name in objects)
        (tmp_path / "rows.parquet").write_bytes(next(iter(objects.values())))
        with duckdb.connect() as connection:
            rows = connection.execute(f"FROM '{tmp_path}/rows.parquet'").fetchall()
        assert rows == [(float(n), f"pump-{n}") for n in range(int(day), 1_000, 2)]
    [wrong] = stream.errors("format-conversion-failed")
    assert (wrong["ErrorCode"], raw([wrong])[0]["value"]) == ("DataFormatConversion.MalformedData", "warm")
    [unpartitioned] = stream.errors("processing-failed")
    assert unpartitioned["errorCode"] == "DynamicPartitioning.MetadataExtractionFailed"


def test_a_record_above_the_partition_limit_is_an_error(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_ACTIVE_PARTITIONS", 2)
    stream = aws.stream(
        **lambda_processor(aws.function()), **partitioned("!{partitionKeyFromLambda:day}/!{timestamp:yyyy}/")
    )

    stream.put(*({"n": n, "keys": {"day": f"day-{n}"}} for n in (1, 2, 3, 1)))

    assert [raw([error])[0]["n"] for error in stream.errors("activePartitionExceeded")] == [3]
    assert list(stream.objects("day-1/").values()) == [b'{"n": 1}{"n": 1}']
    assert list(stream.objects("day-2/").values()) == [b'{"n": 2}']


def test_without_the_table_all_records_are_errors(aws: Aws, table: dict[str, Any]) -> None:
    table["DataFormatConversionConfiguration"]["SchemaConfiguration"]["TableName"] = "none"
    stream = aws.stream(**table)

    stream.put({"value": 1})

    [error] = stream.errors("format-conversion-failed")
    assert (error["ErrorCode"], raw([error])) == ("DataFormatConversion.EntityNotFound", [{"value": 1}])


# --- roles, retries and validation ------------------------------------------------------------------------


def test_a_failed_delivery_is_retried_until_it_succeeds(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "METRICS_INTERVAL", 0.2)
    role = aws.role("firehose", "s3:ListBucket")
    stream = aws.stream(role=role)
    stream.put(b"1")
    metric = ("DeliveryToS3.Success", stream.name)
    assert eventually(lambda: minimum_of_metric(aws, *metric) == [0]), "the delivery failed at least once"
    assert minimum_of_metric(aws, "DeliveryToS3.DataFreshness", stream.name), "the age of what waits is a metric"
    assert aws.s3.list_objects_v2(Bucket=stream.name)["KeyCount"] == 0

    aws.allow(role, "s3:PutObject")

    assert list(stream.objects().values()) == [b"1"]


def minimum_of_metric(aws: Aws, name: str, stream: str) -> list[float]:
    """Return the minimum of the metric in each of the last periods of five minutes."""
    statistics = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Firehose",
        MetricName=name,
        Dimensions=[{"Name": "DeliveryStreamName", "Value": stream}],
        StartTime=time.time() - 300,
        EndTime=time.time() + 60,
        Period=300,
        Statistics=["Minimum"],
    )
    return [point["Minimum"] for point in statistics["Datapoints"]]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"size": 5, **partitioned("!{partitionKeyFromLambda:day}/")}, "at least 64"),
        ({"Prefix": "!{partitionKeyFromLambda:day}/"}, "can only be part"),
        (partitioned("!{partitionKeyFromLambda:day}/") | {"seconds": 59}, "IntervalInSeconds must be at least 60"),
        (partitioned("!{timestamp:yyyy}/"), "should contain"),
        ({"Prefix": "!{firehose:error-output-type}/"}, "cannot contain"),
        ({"Prefix": "!{timestamp:yyyy}/", "ErrorOutputPrefix": ""}, "is required"),
        ({"ErrorOutputPrefix": "!{timestamp:yyyy}/"}, "must contain"),
        ({"seconds": 901}, "IntervalInSeconds"),
    ],
)
def test_a_stream_that_aws_rejects_is_rejected(aws: Aws, settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ClientError, match=reason):
        aws.stream(**settings)


def test_a_stream_that_converts_and_compresses_is_rejected(aws: Aws, table: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="UNCOMPRESSED"):
        aws.stream(CompressionFormat="GZIP", **table)
