"""The rules of Firehose by themselves, without AWS and at any time of day."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from localaws.firehose import errors, parquet, prefixes, transform
from localaws.firehose.buffers import Buffers
from localaws.firehose.compression import compressed
from localaws.firehose.deployed import MEGABYTE, Conversion, DeliveryStream, Hint, Transform
from localaws.firehose.records import CONVERSION_FAILED, PROCESSING_FAILED, Failed, Record, Transformed

ROLE = "arn:aws:iam::000000000000:role/firehose"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:cleanse"
MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def described(**s3: Any) -> DeliveryStream:
    stream = DeliveryStream.described(
        {
            "DeliveryStreamName": "readings",
            "DeliveryStreamARN": "arn:aws:firehose:us-east-1:000000000000:deliverystream/readings",
            "VersionId": "3",
            "CreateTimestamp": MOMENT,
            "Source": {
                "KinesisStreamSourceDescription": {
                    "KinesisStreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/readings",
                    "RoleARN": ROLE,
                    "DeliveryStartTimestamp": MOMENT,
                }
            },
            "Destinations": [
                {"ExtendedS3DestinationDescription": {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake"} | s3}
            ],
        }
    )
    assert stream
    return stream


def processed(**parameters: str) -> dict[str, Any]:
    given = [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()]
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": given}]}}


def record(data: bytes = b"{}", number: int = 1) -> Record:
    return Record(data, MOMENT.timestamp(), "shardId-000000000000", f"{number:056d}", "pump-1")


# --- what a description says ------------------------------------------------------------------------------


def test_a_stream_that_says_little_has_the_defaults_of_the_reference() -> None:
    stream = described(**processed(LambdaArn=FUNCTION))

    assert (stream.hint, stream.compression, stream.partitioned) == (Hint(5 * MEGABYTE, 300), "UNCOMPRESSED", False)
    assert stream.transform == Transform(FUNCTION, ROLE, retries=3, hint=Hint(MEGABYTE, 60))
    assert (stream.delimiter, stream.conversion, stream.bucket) == (b"", None, "lake")


def test_numbers_and_switches_may_be_strings_as_the_parameters_of_a_template_are() -> None:
    stream = described(
        BufferingHints={"SizeInMBs": "64", "IntervalInSeconds": "5"},
        DynamicPartitioningConfiguration={"Enabled": "true"},
        **processed(LambdaArn=FUNCTION, NumberOfRetries="1", BufferSizeInMBs="0.2", BufferIntervalInSeconds="2"),
    )

    assert (stream.hint, stream.partitioned) == (Hint(64 * MEGABYTE, 5), True)
    assert stream.transform == Transform(FUNCTION, ROLE, retries=1, hint=Hint(0.2 * MEGABYTE, 2))


def test_orc_is_refused_and_a_stream_of_direct_puts_is_not_played() -> None:
    orc = {
        "SchemaConfiguration": {"DatabaseName": "d", "TableName": "t"},
        "InputFormatConfiguration": {"Deserializer": {}},
        "OutputFormatConfiguration": {"Serializer": {"OrcSerDe": {}}},
    }

    with pytest.raises(ValueError, match="Parquet"):
        described(DataFormatConversionConfiguration=orc)
    assert DeliveryStream.described({"Destinations": []}) is None


# --- buffers ----------------------------------------------------------------------------------------------


def test_a_buffer_closes_when_it_is_full() -> None:
    buffers = Buffers[str, str]()

    assert buffers.add("a", "1", 0.5, now=0) is None
    assert buffers.add("b", "2", 0.5, now=0) is None
    assert buffers.add("a", "3", 0.5, now=0) == ["1", "3"]
    assert len(buffers) == 1


def test_what_would_overfill_a_buffer_opens_another() -> None:
    buffers = Buffers[str, str]()

    assert buffers.add("a", "small", 0.3, now=0) is None
    assert buffers.add("a", "large", 0.8, now=1) == ["small"]
    assert buffers.add("a", "alone", 3, now=2) == ["large"]
    assert buffers.add("b", "alone", 3, now=2) == ["alone"]


def test_a_buffer_closes_when_its_first_record_has_waited_long_enough() -> None:
    buffers = Buffers[str, str]()
    buffers.add("a", "1", 0, now=10)
    buffers.add("a", "2", 0, now=14)
    buffers.add("b", "3", 0, now=12)

    assert buffers.next_due(5) == 15
    assert list(buffers.aged(5, now=14.9)) == []
    assert list(buffers.aged(5, now=15)) == [("a", ["1", "2"])]
    assert buffers.next_due(5) == 17


# --- the names of objects ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "evaluated"),
    [
        ("", "2026/03/04/05/"),
        ("raw/", "raw/2026/03/04/05/"),
        ("raw/!{timestamp:yyyy-MM-dd}/", "raw/2026-03-04/"),
        ("y=!{timestamp:yyyy}/d=!{timestamp:D}/!{timestamp:M}/", "y=2026/d=63/3/"),
        ("!{timestamp:'year='yyyy'/month='MMM}/", "year=2026/month=Mar/"),
        ("!{timestamp:HHmmss}-", "050607-"),
        ("e/!{firehose:error-output-type}/!{timestamp:yy}/", "e/format-conversion-failed/26/"),
    ],
)
def test_a_prefix_is_evaluated_and_has_the_hour_when_it_names_no_time(prefix: str, evaluated: str) -> None:
    assert prefixes.evaluated(prefix, MOMENT, CONVERSION_FAILED) == evaluated


def test_the_random_string_differs_from_one_object_to_the_next() -> None:
    names = {prefixes.evaluated("!{firehose:random-string}/!{timestamp:yyyy}/", MOMENT) for _ in range(9)}

    assert len(names) == 9
    assert all(len(name) == 11 + len("/2026/") for name in names)


def test_partition_keys_of_the_function_come_into_the_prefix() -> None:
    prefix = "kind=!{partitionKeyFromLambda:kind}/day=!{partitionKeyFromLambda:day}/!{timestamp:HH}/"

    assert prefixes.with_keys(prefix, {"kind": "a", "day": "1"}) == "kind=a/day=1/!{timestamp:HH}/"
    for keys in ({"kind": "a"}, {"kind": "a", "day": ""}):
        with pytest.raises(KeyError):
            prefixes.with_keys(prefix, keys)


def test_a_name_ends_with_stream_version_second_and_extension() -> None:
    name = prefixes.suffix("readings", "3", MOMENT.astimezone(ZoneInfo("Asia/Tokyo")), ".parquet")

    assert name.startswith("readings-3-2026-03-04-14-06-07-")
    assert len(name) == len("readings-3-2026-03-04-14-06-07-") + 36 + len(".parquet")


# --- the function -----------------------------------------------------------------------------------------

STREAM = described(**processed(LambdaArn=FUNCTION))


def answered(*records: Any) -> bytes:
    return json.dumps({"records": records}).encode()


def ok(number: int, data: bytes = b"x", **more: Any) -> dict[str, Any]:
    return {"recordId": f"{number:056d}000000", "result": "Ok", "data": base64.b64encode(data).decode()} | more


def codes(outcomes: Iterable[Transformed | Failed]) -> list[str]:
    return [outcome.code if isinstance(outcome, Failed) else outcome.data.decode() for outcome in outcomes]


def test_the_event_is_the_one_that_aws_documents() -> None:
    event = json.loads(transform.event(STREAM, [record(b"\xff\x00")]))

    arrived = int(MOMENT.timestamp() * 1000)
    assert len(event.pop("invocationId")) == 36
    assert event == {
        "deliveryStreamArn": STREAM.arn,
        "sourceKinesisStreamArn": STREAM.source_arn,
        "region": "us-east-1",
        "records": [
            {
                "recordId": f"{1:056d}000000",
                "approximateArrivalTimestamp": arrived,
                "data": "/wA=",
                "kinesisRecordMetadata": {
                    "sequenceNumber": f"{1:056d}",
                    "subsequenceNumber": 0,
                    "partitionKey": "pump-1",
                    "shardId": "shardId-000000000000",
                    "approximateArrivalTimestamp": arrived,
                },
            }
        ],
    }


@pytest.mark.parametrize("size", [1, 200, 5_000, 1_000_000])
def test_no_batch_is_larger_than_an_invocation_may_be(size: int) -> None:
    settings = Transform(FUNCTION, ROLE, 3, Hint(3 * MEGABYTE, 60))
    buffers, one = Buffers[None, Record](), Record(b"x" * size, 0, "shardId-000000000000", "1" * 56, "é\n" * 20)
    batch = None

    while batch is None:
        batch = buffers.add(None, one, transform.share(settings, one), 0)

    length = len(transform.event(STREAM, batch))
    assert length <= transform.PAYLOAD_LIMIT
    assert sum(len(each.data) for each in batch) <= settings.hint.size
    assert length > transform.PAYLOAD_LIMIT / 2 or size == 1_000_000


def test_each_record_of_an_answer_goes_its_own_way() -> None:
    records = [record(b"in", number) for number in range(5)]
    failed = {"recordId": f"{2:056d}000000", "result": "ProcessingFailed", "data": "eA=="}
    dropped = {"recordId": f"{1:056d}000000", "result": "Dropped"}
    answer = answered(
        ok(4, b"4"), ok(0, b"0", metadata={"partitionKeys": {"day": "1"}}), failed, dropped, ok(77), ok(3, b"3")
    )

    outcomes = transform.outcome(answer, records, attempts=1)

    assert codes(outcomes) == ["0", "Lambda.ProcessingFailedStatus", "3", "4"]
    assert isinstance(outcomes[0], Transformed)
    assert outcomes[0].keys == {"day": "1"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answered(ok(0)), ["x", "Lambda.MissingRecordId"]),
        (answered(), ["Lambda.MissingRecordId"] * 2),
        (answered(ok(0), ok(0), ok(1)), ["Lambda.DuplicatedRecordId", "x"]),
        (answered(ok(0), ok(1, result="Fine")), ["Lambda.FunctionError"] * 2),
        (answered(ok(0), ok(1) | {"data": "not base64!"}), ["Lambda.FunctionError"] * 2),
        (answered(ok(0), ok(1) | {"data": None}), ["x", "Lambda.InvalidReturnFormat"]),
        (b"null", ["Lambda.FunctionError"] * 2),
        (b'{"records": 1}', ["Lambda.FunctionError"] * 2),
        (b"\xff", ["Lambda.FunctionError"] * 2),
    ],
)
def test_a_wrong_answer_fails_the_record_or_the_batch(answer: bytes, expected: list[str]) -> None:
    assert codes(transform.outcome(answer, [record(b"a", 0), record(b"b", 1)], attempts=1)) == expected


def test_a_failed_record_is_kept_as_it_came_with_the_reason() -> None:
    failed = Failed(record(b"\xff"), PROCESSING_FAILED, "Lambda.FunctionError", "it said", attempts=4)

    line = errors.line(STREAM, failed, now=MOMENT.timestamp() + 1)

    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "attemptsMade": 4,
        "arrivalTimestamp": int(MOMENT.timestamp() * 1000),
        "attemptEndingTimestamp": int(MOMENT.timestamp() * 1000) + 1000,
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "it said",
        "rawData": "/w==",
        "lambdaArn": FUNCTION,
    }


# --- Parquet ----------------------------------------------------------------------------------------------

GLUE = [
    {"Name": "device_id", "Type": "string"},
    {"Name": "value", "Type": "double"},
    {"Name": "seq", "Type": "bigint"},
    {"Name": "ts", "Type": "timestamp"},
    {"Name": "day", "Type": "date"},
    {"Name": "ok", "Type": "boolean"},
    {"Name": "price", "Type": "decimal(5,2)"},
    {"Name": "tags", "Type": "array<struct<a:int,b:string>>"},
    {"Name": "counts", "Type": "map<string,bigint>"},
]
JSON = Conversion(ROLE, {"DatabaseName": "d", "TableName": "t"}, "SNAPPY")


def converted(
    path: Path, *data: bytes, conversion: Conversion = JSON, glue: list[dict[str, str]] = GLUE
) -> tuple[list[dict[str, Any]], list[Failed]]:
    """The rows of the file, without what is null in them, and what failed."""
    converter = parquet.Converter(parquet.columns(glue, conversion), conversion)
    records = [Transformed(record(each, number), each, {}) for number, each in enumerate(data)]
    body, failed = converter.convert(records)
    if body is None:
        return [], failed
    (path / "rows.parquet").write_bytes(body)
    with duckdb.connect() as connection:
        cursor = connection.execute(f"FROM '{path}/rows.parquet'")
        names = [column[0] for column in cursor.description or []]
        rows = cursor.fetchall()
    return [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows], failed


@pytest.mark.parametrize(
    ("written", "row"),
    [
        ('{"device_id": "pump-é", "value": 1e-3, "seq": -7}', {"device_id": "pump-é", "value": 0.001, "seq": -7}),
        ('{"Device_ID": "a", "VALUE": "1.5", "seq": "8"}', {"device_id": "a", "value": 1.5, "seq": 8}),
        ('{"device_id": 5, "value": null, "unknown": 1}', {"device_id": "5"}),
        ('{"ts": "2026-03-04T05:06:07.123Z"}', {"ts": datetime(2026, 3, 4, 5, 6, 7, 123000)}),
        ('{"ts": "2026-03-04 05:06:07.5"}', {"ts": datetime(2026, 3, 4, 5, 6, 7, 500000)}),
        ('{"ts": 1518033528}', {"ts": datetime(2018, 2, 7, 19, 58, 48)}),
        ('{"ts": 1518033528123}', {"ts": datetime(2018, 2, 7, 19, 58, 48, 123000)}),
        ('{"ts": 1518033528.123}', {"ts": datetime(2018, 2, 7, 19, 58, 48, 123000)}),
        ('{"day": "2026-03-04", "ok": true}', {"day": datetime(2026, 3, 4).date(), "ok": True}),
        ('{"tags": [{"a": 1, "b": "x"}, {"a": 2}]}', {"tags": [{"a": 1, "b": "x"}, {"a": 2, "b": None}]}),
        ('{"counts": {"a": 1}}', {"counts": {"a": 1}}),
        ('{"device_id":\n "line"}', {"device_id": "line"}),
    ],
)
def test_json_becomes_a_row_of_the_columns(tmp_path: Path, written: str, row: dict[str, Any]) -> None:
    assert converted(tmp_path, written.encode()) == ([row], [])


def test_several_objects_in_a_record_are_several_rows(tmp_path: Path) -> None:
    assert converted(tmp_path, b'{"seq": 1}{"seq": 2}\n {"seq": 3} ') == ([{"seq": 1}, {"seq": 2}, {"seq": 3}], [])


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b" \n",
        b"1",
        b"[{}]",
        b"{",
        b'{"seq": 1} x',
        b"\xff",
        b'{"device_id": "\xff"}',
        b'{"device_id": "\\ud800"}',
        b'{"value": NaN}',
        b"[" * 100_000,
        b'{"seq": 1.5}',
        b'{"seq": 99999999999999999999}',
        b'{"value": "warm"}',
        b'{"ok": 7}',
        b'{"ts": "yesterday"}',
        b'{"day": "4.3.2026"}',
        b'{"price": 99999}',
        b'{"tags": 5}',
        b'{"seq": 1}{"seq": "x"}',
    ],
)
def test_a_record_that_does_not_fit_fails_alone(tmp_path: Path, wrong: bytes) -> None:
    rows, failed = converted(tmp_path, b'{"seq": 1}', wrong, b'{"seq": 2}')

    assert [row["seq"] for row in rows] == [1, 2]
    assert [each.record.data for each in failed] == [wrong]
    assert failed[0].output_type == CONVERSION_FAILED
    assert failed[0].code.startswith("DataFormatConversion.")


def test_a_file_of_nothing_is_not_written(tmp_path: Path) -> None:
    rows, failed = converted(tmp_path, b"x", b"y")

    assert rows == []
    assert len(failed) == 2


def test_keys_are_renamed_as_the_deserializer_says(tmp_path: Path) -> None:
    conversion = Conversion(ROLE, {}, "GZIP", case_insensitive=False, dots_to_underscores=True, keys={"seq": "n"})

    rows, _ = converted(
        tmp_path,
        b'{"a.b": 1, "n": 2, "SEQ": 3}',
        conversion=conversion,
        glue=[{"Name": "a_b", "Type": "int"}, {"Name": "seq", "Type": "int"}],
    )

    assert rows == [{"a_b": 1, "seq": 2}]


def test_an_error_of_conversion_names_the_table() -> None:
    schema = {"DatabaseName": "d", "TableName": "t", "VersionId": "LATEST"}
    stream = described(
        DataFormatConversionConfiguration={
            "SchemaConfiguration": schema,
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
        }
    )

    line = json.loads(errors.line(stream, Failed(record(), CONVERSION_FAILED, *parquet.MISMATCH), now=0))

    assert (line["ErrorCode"], line["sequenceNumber"]) == ("DataFormatConversion.MalformedData", f"{1:056d}")
    assert line["dataCatalogTable"] == {
        "databaseName": "d",
        "tableName": "t",
        "versionId": "LATEST",
        "region": "us-east-1",
    }


# --- compression ------------------------------------------------------------------------------------------


def test_bodies_are_compressed_as_the_stream_says() -> None:
    assert compressed(b"body", "UNCOMPRESSED", "name") == b"body"
    assert gzip.decompress(compressed(b"body", "GZIP", "name")) == b"body"
    with zipfile.ZipFile(io.BytesIO(compressed(b"body", "ZIP", "name"))) as archive:
        assert archive.read("name") == b"body"
