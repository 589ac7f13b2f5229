"""Batches of Firehose: each record has one result, in a response that is never too long."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from chalicelib.cleansing import MAX_BYTES, Cleansing
from chalicelib.stream_records import StreamRecord, decode_resent, from_firehose, from_kinesis

NOON = 1_900_000_000_000


class MemoryStream:
    def __init__(self, refused: int = 0) -> None:
        self.records: list[StreamRecord] = []
        self._refused = refused

    def put(self, records: Sequence[StreamRecord]) -> Collection[int]:
        self.records += records[self._refused :]
        return range(self._refused)


def sent(*datas: bytes, first: int = 0, key: str = "pump-1") -> dict[str, Any]:
    """Return a batch as Firehose sends it."""
    return {
        "records": [
            {
                "recordId": f"{number:056d}000000",
                "approximateArrivalTimestamp": NOON,
                "data": base64.b64encode(data).decode(),
                "kinesisRecordMetadata": {
                    "sequenceNumber": f"{number:056d}",
                    "subsequenceNumber": 0,
                    "partitionKey": key,
                    "shardId": "shardId-000000000000",
                    "approximateArrivalTimestamp": NOON,
                },
            }
            for number, data in enumerate(datas, start=first)
        ]
    }


def resent(*records: StreamRecord, first: int) -> dict[str, Any]:
    """Return a batch of records that are sent through the stream again."""
    batches = [sent(record.data, first=first + n, key=record.key) for n, record in enumerate(records)]
    return {"records": [each for batch in batches for each in batch["records"]]}


def reading(seq: int, **change: Any) -> bytes:
    return json.dumps(
        {"device_id": "pump-1", "metric": "temperature", "value": 70, "unit": "F", "ts": 1_600_000_000, "seq": seq}
        | change
    ).encode()


def rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(base64.b64decode(each["data"])) for each in answer["records"] if each["result"] == "Ok"]


def test_good_and_bad_records_go_to_their_tables() -> None:
    answer = Cleansing(MemoryStream()).transform(sent(reading(1), b"junk\xff"))

    good, bad = answer["records"]
    assert good["recordId"] == f"{0:056d}000000"
    assert good["metadata"]["partitionKeys"] == {"kind": "readings", "day": "2020-09-13", "arrived": "2030-03-17"}
    assert bad["metadata"]["partitionKeys"] == {"kind": "errors", "day": "2030-03-17", "arrived": "2030-03-17"}
    row, error = rows(answer)
    assert row.pop("record") != error.pop("record")
    assert row == {
        "device_id": "pump-1",
        "metric": "temperature",
        "value": pytest.approx(21.1111111),
        "unit": "C",
        "ts": 1_600_000_000_000,
        "seq": 1,
        "arrived_at": NOON,
    }
    assert error == {"arrived_at": NOON, "reason": "not_json", "raw": "base64:anVua/8="}


def test_one_poison_record_in_five_hundred_changes_nothing_else() -> None:
    datas = [reading(seq) for seq in range(500)]
    alone = rows(Cleansing(MemoryStream()).transform(sent(*datas)))

    datas[250] = b'{"x":' * 100_000
    together = rows(Cleansing(MemoryStream()).transform(sent(*datas)))

    assert together[250]["reason"] == "too_deep"
    assert together[:250] + together[251:] == alone[:250] + alone[251:]


def test_a_record_delivered_twice_is_the_same_record_and_a_repeated_reading_is_not() -> None:
    cleansing = Cleansing(MemoryStream())
    first, again = (rows(cleansing.transform(sent(reading(1), reading(1)))) for _ in range(2))

    assert first == again
    assert first[0]["record"] != first[1]["record"]


def test_records_over_the_limit_of_a_response_come_in_later_ones() -> None:
    datas = [reading(seq, device_id="x" * 128, metric="m" * 64) for seq in range(14_000)] + [bytes(500_000)] * 3
    stream = MemoryStream()
    cleansing = Cleansing(stream)

    found = []
    batch, rounds = sent(*datas), 0
    while batch["records"]:
        answer = cleansing.transform(batch)
        assert len(json.dumps(answer)) <= MAX_BYTES
        assert [each["recordId"] for each in answer["records"]] == [each["recordId"] for each in batch["records"]]
        found += rows(answer)
        again, stream.records = stream.records, []
        batch, rounds = resent(*again, first=100_000 * (rounds + 1)), rounds + 1

    assert rounds > 1
    assert sorted(row["seq"] for row in found if "seq" in row) == list(range(14_000))
    assert sum("raw" in row for row in found) == 3
    assert len({row["record"] for row in found}) == len(datas)
    assert {row["arrived_at"] for row in found} == {NOON}


def test_a_record_that_neither_fits_nor_can_be_resent_is_left_to_firehose() -> None:
    stream = MemoryStream(refused=1)

    answer = Cleansing(stream, limit=900).transform(sent(*(reading(seq) for seq in range(5))))

    results = [each["result"] for each in answer["records"]]
    assert results.count("ProcessingFailed") == 1
    assert results.count("Dropped") == len(stream.records)
    assert len(json.dumps(answer)) <= 900


@pytest.mark.parametrize(
    ("key", "thing"), [("pump-1", None), ("thing/pump-1", "pump-1"), ("thing/", ""), ("thing/a/b\nü%2F", "a/b\nü%2F")]
)
def test_a_resent_record_stays_the_same_for_every_reader(key: str, thing: str | None) -> None:
    (event,) = sent(reading(1), key=key)["records"]
    record = from_firehose(event)
    assert record.thing == thing
    (on,) = resent(record, first=9)["records"]

    assert from_firehose(on) == record
    kinesis = {"data": on["data"], "partitionKey": record.key, "approximateArrivalTimestamp": 1.0}
    assert from_kinesis({"kinesis": kinesis, "eventID": "shardId-000000000000:9"}) == record
    first = {"data": event["data"], "partitionKey": key, "approximateArrivalTimestamp": NOON / 1000}
    assert from_kinesis({"kinesis": first, "eventID": f"shardId-000000000000:{0:056d}"}) == record


# The sender

RESOURCES = Path(__file__).parent.parent.parent / "pipeline-app" / "resources.yaml"


def test_the_partition_key_of_the_rule_names_the_thing() -> None:
    text = RESOURCES.read_text()
    (topic,) = re.findall(r"FROM '(.+?)'", text)
    (key,) = re.findall(r"PartitionKey: '(.+?)'", text)

    assert key == f"thing/${{topic({topic.split('/').index('+') + 1})}}"


FORGED = b"again/5/9999999999999/0\n"


@pytest.mark.parametrize("key", ["thing/pump-1", "thing/5", "pump-1", ""])
def test_a_forged_first_line_is_bad_and_counts_on_the_day_of_its_arrival(key: str) -> None:
    event = sent(FORGED + reading(1), key=key)

    (record,) = passed(event)

    assert (record["reason"], record["arrived_at"]) == ("not_json", NOON)
    assert record["raw"] == (FORGED + reading(1)).decode()
    (forged,) = event["records"]
    kinesis = {"data": forged["data"], "partitionKey": key, "approximateArrivalTimestamp": NOON / 1000}
    assert from_kinesis({"kinesis": kinesis, "eventID": "shardId-000000000000:1"}).arrived_at == NOON


@pytest.mark.parametrize(
    ("key", "device", "reason"),
    [
        ("thing/pump-1", "pump-1", None),
        ("thing/pump-1", "pump-2", "another_device"),
        ("thing/pump-1", "thing/pump-1", "another_device"),
        ("thing/", "pump-1", "another_device"),
        ("pump-1", "pump-2", None),
        ("", "pump-2", None),
    ],
)
def test_a_thing_sends_for_itself_and_a_trusted_producer_for_any_device(
    key: str, device: str, reason: str | None
) -> None:
    (row,) = passed(sent(reading(1, device_id=device), key=key))

    assert row.get("reason") == reason
    assert row.get("device_id") == (None if reason else device)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(reading(1, device_id="pump-2"), id="another's"),
        pytest.param(FORGED + reading(1), id="a header"),
        pytest.param(FORGED[:-1] + b"/pump-2\n" + reading(1, device_id="pump-2"), id="a header with a thing"),
        pytest.param(reading(1, arrived_at=5, record=5), id="a row"),
    ],
)
def test_a_record_whose_outcome_depends_on_its_key_is_resent(data: bytes) -> None:
    """Firehose keeps the bytes of a record without room, and not its key."""
    stream = MemoryStream()
    cleansing = Cleansing(stream)
    event = sent(data, key="thing/pump-1")

    (answer,) = cleansing.transform(event)["records"]

    assert answer["result"] == "Dropped"
    (record,) = stream.records
    assert decode_resent(record.data) == record == from_firehose(event["records"][0])
    (row,) = rows(cleansing.transform(resent(record, first=1)))
    assert (row["record"], row["arrived_at"]) == (record.id, NOON)
    assert len(stream.records) == 1


def passed(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a batch, including those of the records that it sends again."""
    stream = MemoryStream()
    cleansing = Cleansing(stream)
    found = rows(cleansing.transform(event))
    return found + rows(cleansing.transform(resent(*stream.records, first=1000)))
