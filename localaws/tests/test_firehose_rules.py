"""Unit tests of Firehose's rules, without an emulator or a clock."""

from __future__ import annotations

import base64
import gzip
import hashlib
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
from hypothesis import example, given
from hypothesis import strategies as st

from localaws.firehose import errors, parquet, prefixes, transform
from localaws.firehose.aggregation import user_records
from localaws.firehose.buffers import Buffers
from localaws.firehose.compression import compressed
from localaws.firehose.deployed import MEGABYTE, BufferingHint, Conversion, DeliveryStream, Transform
from localaws.firehose.records import (
    CONVERSION_FAILED,
    PROCESSING_FAILED,
    FailedRecord,
    ProcessedRecord,
    SourceRecord,
    TransformedRecord,
)

ROLE = "arn:aws:iam::000000000000:role/firehose"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:cleanse"
MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def delivery_stream(**s3: Any) -> DeliveryStream:
    stream = DeliveryStream.from_description(
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


def lambda_processor(**parameters: str) -> dict[str, Any]:
    given = [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()]
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": given}]}}


def record(data: bytes = b"{}", number: int = 1) -> SourceRecord:
    return SourceRecord(data, MOMENT.timestamp(), "shardId-000000000000", f"{number:056d}", "pump-1")


# --- settings ---------------------------------------------------------------------------------------------


def test_omitted_settings_have_the_defaults_of_the_api_reference() -> None:
    stream = delivery_stream(**lambda_processor(LambdaArn=FUNCTION))

    assert (stream.hint, stream.compression, stream.partitioned) == (
        BufferingHint(5 * MEGABYTE, 300),
        "UNCOMPRESSED",
        False,
    )
    assert stream.transform == Transform(FUNCTION, ROLE, retries=3, hint=BufferingHint(MEGABYTE, 60))
    assert (stream.delimiter, stream.conversion, stream.bucket) == (b"", None, "lake")


def test_numbers_and_booleans_may_be_strings() -> None:
    stream = delivery_stream(
        BufferingHints={"SizeInMBs": "64", "IntervalInSeconds": "5"},
        DynamicPartitioningConfiguration={"Enabled": "true"},
        **lambda_processor(LambdaArn=FUNCTION, NumberOfRetries="1", BufferSizeInMBs="0.2", BufferIntervalInSeconds="2"),
    )

    assert (stream.hint, stream.partitioned) == (BufferingHint(64 * MEGABYTE, 5), True)
    assert stream.transform == Transform(FUNCTION, ROLE, retries=1, hint=BufferingHint(0.2 * MEGABYTE, 2))


def test_orc_and_direct_puts_are_not_supported() -> None:
    orc = {
        "SchemaConfiguration": {"DatabaseName": "d", "TableName": "t"},
        "InputFormatConfiguration": {"Deserializer": {}},
        "OutputFormatConfiguration": {"Serializer": {"OrcSerDe": {}}},
    }

    with pytest.raises(ValueError, match="Parquet"):
        delivery_stream(DataFormatConversionConfiguration=orc)
    assert DeliveryStream.from_description({"Destinations": []}) is None


# --- buffers ----------------------------------------------------------------------------------------------


def test_a_buffer_closes_when_it_is_full() -> None:
    buffers = Buffers[str, str]()

    assert buffers.add("a", "1", 0.5, now=0) is None
    assert buffers.add("b", "2", 0.5, now=0) is None
    assert buffers.add("a", "3", 0.5, now=0) == ["1", "3"]
    assert len(buffers) == 1


def test_an_item_that_does_not_fit_starts_a_new_buffer() -> None:
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
    assert list(buffers.pop_due(5, now=14.9)) == []
    assert list(buffers.pop_due(5, now=15)) == [("a", ["1", "2"])]
    assert buffers.next_due(5) == 17


# --- object keys ------------------------------------------------------------------------------------------


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
def test_a_prefix_without_a_timestamp_gets_the_hour(prefix: str, evaluated: str) -> None:
    assert prefixes.evaluate(prefix, MOMENT, CONVERSION_FAILED) == evaluated


def test_the_random_string_is_different_for_each_object() -> None:
    names = {prefixes.evaluate("!{firehose:random-string}/!{timestamp:yyyy}/", MOMENT) for _ in range(9)}

    assert len(names) == 9
    assert all(len(name) == 11 + len("/2026/") for name in names)


def test_partition_keys_are_replaced_in_the_prefix() -> None:
    prefix = "kind=!{partitionKeyFromLambda:kind}/day=!{partitionKeyFromLambda:day}/!{timestamp:HH}/"

    assert prefixes.with_partition_keys(prefix, {"kind": "a", "day": "1"}) == "kind=a/day=1/!{timestamp:HH}/"
    for keys in ({"kind": "a"}, {"kind": "a", "day": ""}):
        with pytest.raises(KeyError):
            prefixes.with_partition_keys(prefix, keys)


def test_a_suffix_has_stream_version_second_and_extension() -> None:
    name = prefixes.suffix("readings", "3", MOMENT.astimezone(ZoneInfo("Asia/Tokyo")), ".parquet")

    assert name.startswith("readings-3-2026-03-04-14-06-07-")
    assert len(name) == len("readings-3-2026-03-04-14-06-07-") + 36 + len(".parquet")


# --- the function -----------------------------------------------------------------------------------------

STREAM = delivery_stream(**lambda_processor(LambdaArn=FUNCTION))


def response_of(*records: Any) -> bytes:
    return json.dumps({"records": records}).encode()


def ok(number: int, data: bytes = b"x", **more: Any) -> dict[str, Any]:
    return {"recordId": f"{number:056d}000000", "result": "Ok", "data": base64.b64encode(data).decode()} | more


def codes(outcomes: Iterable[ProcessedRecord]) -> list[str]:
    return [outcome.code if isinstance(outcome, FailedRecord) else outcome.data.decode() for outcome in outcomes]


def test_the_event_has_the_documented_format() -> None:
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


AGGREGATED = (
    bytes.fromhex(  # "a" for key-1, 200 times "b" for key-2, and "c" for key-1 with a tag
        "f3899ac2 0a056b65792d31 0a056b65792d32 1a0508001a0161 1acd0108011ac801"
    )
    + b"b" * 200
    + bytes.fromhex("1a0c08001a0163220508010a0174")
)
AGGREGATED += hashlib.md5(AGGREGATED[4:], usedforsecurity=False).digest()


def test_an_aggregated_record_is_taken_apart() -> None:
    users = user_records(record(AGGREGATED))

    assert [(user.data, user.partition_key) for user in users] == [
        (b"a", "key-1"),
        (b"b" * 200, "key-2"),
        (b"c", "key-1"),
    ]
    event = json.loads(transform.event(STREAM, users))
    numbers = [each["kinesisRecordMetadata"]["subsequenceNumber"] for each in event["records"]]
    assert numbers == [0, 1, 2]
    assert len({each["recordId"] for each in event["records"]}) == 3


@pytest.mark.parametrize("data", [b"", b"text", AGGREGATED[:-1], AGGREGATED[4:], AGGREGATED[:-1] + b"x"])
def test_a_record_that_is_not_aggregated_stays_as_it_is(data: bytes) -> None:
    assert user_records(record(data)) == [record(data)]


@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda tail: b"\x0a\x01a\x1a" + tail))
@example(b"\x1a\x02\x08\x00")
@example(b"\x0a\x01\xff\x1a\x04\x08\x00\x1a\x00")
@example(b"\x0a\x01a\x1a\x05\x08\x09\x1a\x01x")
@example(b"\xff" * 40)
def test_a_broken_message_with_a_right_checksum_stops_nothing(message: bytes) -> None:
    data = AGGREGATED[:4] + message + hashlib.md5(message, usedforsecurity=False).digest()

    found = user_records(record(data))

    assert found == [record(data)] or all(isinstance(user.data, bytes) for user in found)


@pytest.mark.parametrize("size", [1, 200, 5_000, 1_000_000])
def test_no_batch_exceeds_the_payload_limit(size: int) -> None:
    settings = Transform(FUNCTION, ROLE, 3, BufferingHint(3 * MEGABYTE, 60))
    buffers, one = (
        Buffers[None, SourceRecord](),
        SourceRecord(b"x" * size, 0, "shardId-000000000000", "1" * 56, "é\n" * 20),
    )
    batch = None

    while batch is None:
        batch = buffers.add(None, one, transform.share(settings, one), 0)

    length = len(transform.event(STREAM, batch))
    assert length <= transform.PAYLOAD_LIMIT
    assert sum(len(each.data) for each in batch) <= settings.hint.size
    assert length > transform.PAYLOAD_LIMIT / 2 or size == 1_000_000


def test_each_record_of_a_response_is_handled_separately() -> None:
    records = [record(b"in", number) for number in range(5)]
    failed = {"recordId": f"{2:056d}000000", "result": "ProcessingFailed", "data": "eA=="}
    dropped = {"recordId": f"{1:056d}000000", "result": "Dropped"}
    response = response_of(
        ok(4, b"4"), ok(0, b"0", metadata={"partitionKeys": {"day": "1"}}), failed, dropped, ok(77), ok(3, b"3")
    )

    outcomes = transform.outcome(response, records, attempts=1)

    assert codes(outcomes) == ["0", "Lambda.ProcessingFailedStatus", "3", "4"]
    assert isinstance(outcomes[0], TransformedRecord)
    assert outcomes[0].keys == {"day": "1"}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (response_of(ok(0)), ["x", "Lambda.MissingRecordId"]),
        (response_of(), ["Lambda.MissingRecordId"] * 2),
        (response_of(ok(0), ok(0), ok(1)), ["Lambda.DuplicatedRecordId", "x"]),
        (response_of(ok(0), ok(1, result="Fine")), ["Lambda.FunctionError"] * 2),
        (response_of(ok(0), ok(1) | {"data": "not base64!"}), ["Lambda.FunctionError"] * 2),
        (response_of(ok(0), ok(1) | {"data": None}), ["x", "Lambda.InvalidReturnFormat"]),
        (b"null", ["Lambda.FunctionError"] * 2),
        (b'{"records": 1}', ["Lambda.FunctionError"] * 2),
        (b"\xff", ["Lambda.FunctionError"] * 2),
    ],
)
def test_an_incorrect_response_fails_the_record_or_the_batch(response: bytes, expected: list[str]) -> None:
    assert codes(transform.outcome(response, [record(b"a", 0), record(b"b", 1)], attempts=1)) == expected


def test_an_error_record_has_the_original_data_and_the_reason() -> None:
    failed = FailedRecord(record(b"\xff"), PROCESSING_FAILED, "Lambda.FunctionError", "it said", attempts=4)

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
) -> tuple[list[dict[str, Any]], list[FailedRecord]]:
    """Convert the records; return the rows of the file without null values, and the failed records."""
    converter = parquet.Converter(parquet.columns(glue, conversion), conversion)
    records = [TransformedRecord(record(each, number), each, {}) for number, each in enumerate(data)]
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


def hive(*formats: str) -> Conversion:
    """Return a conversion by the Hive JSON SerDe."""
    serde = {"TimestampFormats": [*formats]} if formats else {}
    configuration = {
        "SchemaConfiguration": {"DatabaseName": "d", "TableName": "t", "RoleARN": ROLE},
        "InputFormatConfiguration": {"Deserializer": {"HiveJsonSerDe": serde}},
        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
    }
    found = delivery_stream(DataFormatConversionConfiguration=configuration).conversion
    assert found
    return found


@pytest.mark.parametrize(
    ("conversion", "ts", "moment"),
    [
        (hive("millis"), 0, datetime(1970, 1, 1)),
        (hive("millis"), 86_400_000, datetime(1970, 1, 2)),
        (hive("millis"), 99_999_999_999, datetime(1973, 3, 3, 9, 46, 39, 999000)),
        (hive("millis"), 1_518_033_528_123, datetime(2018, 2, 7, 19, 58, 48, 123000)),
        (hive("millis"), "1970-01-02 00:00:00.000", None),
        (hive("millis"), 1.5, None),
        (hive("yyyy-MM-dd HH:mm:ss.SSS", "millis"), "1970-01-02 00:00:00.001", datetime(1970, 1, 2, 0, 0, 0, 1000)),
        (hive("yyyy-MM-dd HH:mm:ss.SSS", "millis"), 86_400_001, datetime(1970, 1, 2, 0, 0, 0, 1000)),
        (hive("yyyy-MM-dd HH:mm:ss.SSS", "millis"), "tomorrow", None),
        (hive("yyyy-MM-dd'T'HH:mm"), "2018-02-07T19:58", datetime(2018, 2, 7, 19, 58)),
        (hive(), "2018-2-7 19:58:48.5", datetime(2018, 2, 7, 19, 58, 48, 500000)),
        (hive(), 86_400_000, None),
        (JSON, 86_400_000, datetime(1972, 9, 27)),
    ],
)
def test_a_timestamp_is_read_by_the_formats_of_its_serde(
    tmp_path: Path, conversion: Conversion, ts: object, moment: datetime | None
) -> None:
    rows, failed = converted(tmp_path, json.dumps({"ts": ts}).encode(), conversion=conversion)

    assert (rows, len(failed)) == ([{"ts": moment}] if moment else [], int(moment is None))


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
def test_a_record_that_does_not_match_the_schema_fails_alone(tmp_path: Path, wrong: bytes) -> None:
    rows, failed = converted(tmp_path, b'{"seq": 1}', wrong, b'{"seq": 2}')

    assert [row["seq"] for row in rows] == [1, 2]
    assert [each.record.data for each in failed] == [wrong]
    assert failed[0].output_type == CONVERSION_FAILED
    assert failed[0].code.startswith("DataFormatConversion.")


def test_without_valid_records_no_file_is_written(tmp_path: Path) -> None:
    rows, failed = converted(tmp_path, b"x", b"y")

    assert rows == []
    assert len(failed) == 2


def test_keys_are_renamed_by_the_deserializer_settings(tmp_path: Path) -> None:
    conversion = Conversion(ROLE, {}, "GZIP", case_insensitive=False, dots_to_underscores=True, keys={"seq": "n"})

    rows, _ = converted(
        tmp_path,
        b'{"a.b": 1, "n": 2, "SEQ": 3}',
        conversion=conversion,
        glue=[{"Name": "a_b", "Type": "int"}, {"Name": "seq", "Type": "int"}],
    )

    assert rows == [{"a_b": 1, "seq": 2}]


def test_a_conversion_error_names_the_table() -> None:
    schema = {"DatabaseName": "d", "TableName": "t", "VersionId": "LATEST"}
    stream = delivery_stream(
        DataFormatConversionConfiguration={
            "SchemaConfiguration": schema,
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
        }
    )

    line = json.loads(errors.line(stream, FailedRecord(record(), CONVERSION_FAILED, *parquet.MISMATCH), now=0))

    assert (line["ErrorCode"], line["sequenceNumber"]) == ("DataFormatConversion.MalformedData", f"{1:056d}")
    assert line["dataCatalogTable"] == {
        "databaseName": "d",
        "tableName": "t",
        "versionId": "LATEST",
        "region": "us-east-1",
    }


# --- compression ------------------------------------------------------------------------------------------


def test_bodies_are_compressed_in_the_format_of_the_stream() -> None:
    assert compressed(b"body", "UNCOMPRESSED", "name") == b"body"
    assert gzip.decompress(compressed(b"body", "GZIP", "name")) == b"body"
    with zipfile.ZipFile(io.BytesIO(compressed(b"body", "ZIP", "name"))) as archive:
        assert archive.read("name") == b"body"
