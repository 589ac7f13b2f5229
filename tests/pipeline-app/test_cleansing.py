"""Batches of Firehose: each record has one result, in a response that is never too long."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.aggregation import user_records
from chalicelib.arrivals import DeliveredObject, parse_key
from chalicelib.cleansing import MAX_BYTES, Cleansing
from chalicelib.readings import BadReading, Reading, Rejected, iso, read
from chalicelib.rows import decode, encode
from chalicelib.stream_records import StreamRecord, from_firehose, from_kinesis, record_id
from chalicelib.usual_readings import usual_row

NOON = 1_900_000_000_000
ENDS = (".000Z", ".123+00:00", ".5Z", "Z", "+00:00", ".1234Z", ",123Z", ".123", ".123z", ".123-00:00", ".+12Z")


class MemoryStream:
    def __init__(self, refused: int = 0) -> None:
        self.records: list[StreamRecord] = []
        self._refused = refused

    def put(self, records: Sequence[StreamRecord]) -> Collection[int]:
        self.records += records[self._refused :]
        return range(self._refused)


def enveloped(data: bytes, thing: str) -> bytes:
    """Return what the IoT rule makes of a message."""
    return json.dumps({"thing": thing, "sent": base64.b64encode(data).decode()}).encode()


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
        "ts": "2020-09-13 12:26:40.000",
        "seq": 1,
        "arrived_at": "2030-03-17 17:46:40.000",
    }
    assert error == {"arrived_at": "2030-03-17 17:46:40.000", "reason": "not_json", "raw": "base64:anVua/8="}


@pytest.mark.parametrize(
    ("ts", "day", "part"),
    [
        pytest.param("2030-03-17T17:00:00Z", "2030-03-17", "readings-17", id="the hour of the arrival"),
        pytest.param("2030-03-17T16:00:00Z", "2030-03-17", "readings-16", id="the hour before"),
        pytest.param("2030-03-17T15:59:59.999Z", "2030-03-17", "readings", id="late"),
        pytest.param("2030-03-16T17:46:40Z", "2030-03-16", "readings", id="late by a day"),
        pytest.param("2030-03-17T17:51:40Z", "2030-03-17", "readings-17", id="a clock that is ahead"),
    ],
)
def test_a_reading_that_is_on_time_goes_to_the_part_of_its_hour(ts: str, day: str, part: str) -> None:
    (found,) = Cleansing(MemoryStream()).transform(sent(reading(1, ts=ts)))["records"]

    assert found["metadata"]["partitionKeys"] == {"kind": part, "day": day, "arrived": "2030-03-17"}
    assert parse_key(f"{part}/day={day}/arrived-2030-03-17/x") == DeliveredObject(
        "readings", day, "2030-03-17", hour=part.removeprefix("readings").removeprefix("-")
    )


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
    assert {row["arrived_at"] for row in found} == {"2030-03-17 17:46:40.000"}


def test_a_response_may_be_as_long_as_its_limit() -> None:
    batch = sent(reading(1, ts=1_900_000_000), reading(2, ts=1_900_000_000))  # on time: of the longest key
    longest = len(json.dumps(Cleansing(MemoryStream()).transform(batch))) + len(", ")

    for limit, results in ((longest, ["Ok", "Ok"]), (longest - 1, ["Ok", "Dropped"])):
        answer = Cleansing(MemoryStream(), limit).transform(batch)
        assert [each["result"] for each in answer["records"]] == results


def test_a_record_that_neither_fits_nor_can_be_resent_is_left_to_firehose() -> None:
    stream = MemoryStream(refused=1)

    answer = Cleansing(stream, limit=900).transform(sent(*(reading(seq) for seq in range(5))))

    results = [each["result"] for each in answer["records"]]
    assert results.count("ProcessingFailed") == 1
    assert results.count("Dropped") == len(stream.records)
    assert len(json.dumps(answer)) <= 900


def test_a_record_has_the_identity_that_an_earlier_release_gave_it() -> None:
    """A record that came before a release may come again after it."""
    shard, number = "shardId-000000000001", "49590338271490256608559692538361571095921575989136588898"

    known = [1917185462592372652, 1788685235847101378, 1660185009101830104]
    assert [record_id(shard, number, subsequence) for subsequence in range(3)] == known


@pytest.mark.parametrize(
    ("key", "thing"), [("pump-1", None), ("thing/pump-1", "pump-1"), ("thing/", ""), ("thing/a/b\nü%2F", "a/b\nü%2F")]
)
def test_a_resent_record_stays_the_same_for_every_reader(key: str, thing: str | None) -> None:
    (event,) = sent(reading(1), key=key)["records"]
    (record,) = from_firehose([event])
    assert record.thing == thing
    (on,) = resent(record, first=9)["records"]

    assert list(from_firehose([on])) == [record]
    kinesis = {"data": on["data"], "partitionKey": record.key, "approximateArrivalTimestamp": 1.0}
    assert from_kinesis({"kinesis": kinesis, "eventID": "shardId-000000000000:9"}) == [record]
    first = {"data": event["data"], "partitionKey": key, "approximateArrivalTimestamp": NOON / 1000}
    assert from_kinesis({"kinesis": first, "eventID": f"shardId-000000000000:{0:056d}"}) == [record]


# Aggregated records


def test_user_records_of_an_aggregated_record_are_told_apart() -> None:
    """They have one sequence number: https://docs.aws.amazon.com/streams/latest/dev/kpl-with-firehose.html"""
    event = sent(b"junk", b"junk", b"junk")
    for number, each in enumerate(event["records"]):
        each["kinesisRecordMetadata"] |= {"sequenceNumber": "7", "subsequenceNumber": number}

    found = rows(Cleansing(MemoryStream()).transform(event))

    assert len({row["record"] for row in found}) == 3
    assert found[0] == rows(Cleansing(MemoryStream()).transform(sent(b"junk", first=7)))[0]


def test_the_consumer_of_the_stream_takes_an_aggregated_record_apart_as_firehose_does() -> None:
    data = aggregated(("pump-1", reading(1)), ("again", b"junk"), ("pump-2", reading(2, device_id="pump-2")))
    kinesis = {"data": base64.b64encode(data).decode(), "partitionKey": "a", "approximateArrivalTimestamp": NOON / 1000}
    event = sent(reading(1), b"junk", reading(2, device_id="pump-2"))
    for number, each in enumerate(event["records"]):
        each["kinesisRecordMetadata"] |= {"sequenceNumber": "7", "subsequenceNumber": number}

    found = from_kinesis({"eventID": "shardId-000000000000:7", "kinesis": kinesis})

    assert found == list(from_firehose(event["records"]))


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 16_383, 16_384])
def test_a_user_record_may_have_any_size(size: int) -> None:
    found = user_records(aggregated(("a", bytes(size)), ("b", b"x")), "key")

    assert found == [(bytes(size), "a"), (b"x", "b")]


def test_a_number_of_protobuf_has_at_most_ten_bytes() -> None:
    """https://protobuf.dev/programming-guides/encoding/#varints"""
    key, data = b"\x0a\x01a", b"\x1a\x01x"
    ten, eleven = (b"\x08" + b"\x80" * count + b"\x00" for count in (9, 10))

    (good, bad) = (sealed(key + b"\x1a" + bytes([len(index + data)]) + index + data) for index in (ten, eleven))

    assert user_records(good, "key") == [(b"x", "a")]
    assert user_records(bad, "key") == [(bad, "key")]


@pytest.mark.parametrize("wire_type", [1, 3, 4, 5])
def test_a_message_with_a_field_of_another_type_is_not_an_aggregated_record(wire_type: int) -> None:
    data = sealed(b"\x0a\x01a\x1a\x05\x08\x00\x1a\x01x" + bytes([4 << 3 | wire_type, 1]) + b"x")

    assert user_records(data, "key") == [(data, "key")]


@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda tail: b"\x0a\x01a\x1a" + tail))
@example(b"")
@example(b"\x1a\x02\x08\x00")
@example(b"\x0a\x01\xff\x1a\x04\x08\x00\x1a\x00")
@example(b"\x0a\x01a\x1a\x05\x08\x09\x1a\x01x")
@example(b"\xff" * 40)
def test_a_broken_message_with_a_right_checksum_is_a_record_or_its_user_records(message: bytes) -> None:
    data = sealed(message)

    found = user_records(data, "key")

    assert found == [(data, "key")] or all(isinstance(each, bytes) for each, _ in found)


def aggregated(*users: tuple[str, bytes]) -> bytes:
    """Return an aggregated record.

    https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
    """

    def field(number: int, content: bytes) -> bytes:
        size, length = len(content), list[int]()
        while size > 127:
            length.append(size & 127 | 128)
            size >>= 7
        return bytes([number << 3 | 2, *length, size]) + content

    keys = b"".join(field(1, key.encode()) for key, _ in users)
    records = (bytes([1 << 3, at]) + field(3, data) for at, (_, data) in enumerate(users))
    return sealed(keys + b"".join(field(3, record) for record in records))


def sealed(message: bytes) -> bytes:
    return bytes.fromhex("f3899ac2") + message + hashlib.md5(message, usedforsecurity=False).digest()


# Rows


@pytest.mark.parametrize("ts", [0, 86_400_000, 99_999_999_999, 100_000_000_000, NOON])
def test_a_row_has_its_times_in_one_form_since_1970(ts: int) -> None:
    (row,) = rows(Cleansing(MemoryStream()).transform(sent(reading(1, ts=iso(ts)))))

    assert row["ts"] == iso(ts).replace("T", " ").removesuffix("Z")


def test_a_correction_says_when_it_was_made() -> None:
    (row,) = rows(Cleansing(MemoryStream()).transform(sent(reading(1, corrected_at=NOON))))

    assert row["corrected_at"] == "2030-03-17 17:46:40.000"


@given(
    st.builds(
        Reading,
        **{name: st.integers(0, 2 * NOON) for name in ("ts", "arrived_at")},
        corrected_at=st.none() | st.integers(0, NOON),
        seq=st.integers(-(2**63), 2**63 - 1),
        record=st.integers(0, 2**61),
        value=st.floats(allow_nan=False, allow_infinity=False),
        unit=st.just("C"),
        device_id=st.text(),
        metric=st.text(),
    )
    | st.builds(Rejected, arrived_at=st.integers(0, NOON), record=st.integers(), reason=st.text(), raw=st.text())
)
def test_a_row_is_read_back(found: Reading | Rejected) -> None:
    assert decode(encode(found)) == found


# The shortcut for readings of the usual form

CHANGES = {
    "device_id": ["pump-2", "", "a\nb", "x" * 129, "é"],
    "metric": ["", "\u0000", "x" * 65, 5],
    "value": [math.inf, 1.7e308, -0.0, 5, 2**70, "1", None],
    "unit": ["C", "°F", "kPa", "", "x", "\n", 5, None],
    "ts": [
        *(
            0,
            1.5,
            NOON,
            -1,
            None,
            "",
            "2030-W01-7T12:00:00.000Z",
            "20300317T170000.000.000Z",
            "2030-03-17T17+00:00.000Z",
        ),
        *(
            "1969-12-31T23:59:59.999Z",
            "2030-03-17T17:51:40.000Z",
            "2030-03-17T17:51:40.001Z",
            "9999-12-31T00:00:00.000Z",
        ),
        *(f"2030-03-17{separator}17:00:00{end}" for separator in "T t" for end in ENDS),
    ],
    "seq": [2**63 - 1, 2**63, -(2**63), 1.0, None],
    "corrected_at": [0, NOON, 2 * NOON, None],
    "arrived_at": ["x", 5, None],  # a field of a row, which a device may send
    "record": [5, "x", None],
}


def exact_row(record: StreamRecord) -> tuple[bytes, int] | None:
    try:
        reading = read(record.raw, record.arrived_at, record.id, record.thing)
    except BadReading:
        return None
    return encode(reading), reading.ts


@pytest.mark.parametrize("thing", [None, "pump-1"])
def test_the_shortcut_gives_the_row_that_the_exact_way_gives_or_none(thing: str | None) -> None:
    usual = json.loads(reading(1, ts="2030-03-17T17:46:40.123Z"))
    changes = [{name: value} for name, values in CHANGES.items() for value in values]

    for one, other in itertools.product(changes, changes):
        record = StreamRecord(json.dumps(usual | one | other).encode(), 7, NOON, thing=thing)

        assert usual_row(record) in (exact_row(record), None), (one, other)


@given(st.text(), st.text(), st.floats(), st.datetimes(timezones=st.just(UTC) | st.timezones()))
def test_the_shortcut_is_right_for_any_values(device_id: str, metric: str, value: float, moment: datetime) -> None:
    sent = reading(1, device_id=device_id, metric=metric, value=value, ts=moment.isoformat(timespec="milliseconds"))
    record = StreamRecord(sent, 7, NOON)

    assert usual_row(record) in (exact_row(record), None)


@pytest.mark.parametrize("end", ["Z", "+00:00"])
@pytest.mark.parametrize(
    "change", [{}, {"unit": None}, {"unit": ""}, {"unit": "x"}, {"more": [1]}, {"corrected_at": None}]
)
def test_the_shortcut_takes_the_usual_form(end: str, change: dict[str, Any]) -> None:
    for thing in (None, "pump-1"):
        record = StreamRecord(reading(1, ts=f"2030-03-17T17:46:40.123{end}", **change), 7, NOON, thing=thing)

        row = usual_row(record)

        assert row is not None
        assert row == exact_row(record)


# The sender

RESOURCES = Path(__file__).parent.parent.parent / "pipeline-app" / "resources.yaml"


def test_the_rule_puts_every_payload_into_an_envelope_with_the_name_of_the_thing() -> None:
    text = RESOURCES.read_text()
    ((select, topic),) = re.findall(r"\"SELECT (.+?) FROM '(.+?)'\"", text)
    (key,) = re.findall(r"PartitionKey: '(.+?)'", text)
    thing = f"topic({topic.split('/').index('+') + 1})"

    assert select == f"{thing} AS thing, encode(*, 'base64') AS sent"
    assert key == f"thing/${{{thing}}}"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(reading(1), None, id="its own reading"),
        pytest.param(reading(1, device_id="pump-2"), "another_device", id="another's"),
        pytest.param(
            b"again/5/9999999999999/0/pump-2\n" + reading(1, device_id="pump-2"), "not_json", id="a first line"
        ),
        pytest.param(enveloped(reading(1, device_id="pump-2"), "pump-2"), "missing_device_id", id="an envelope"),
        pytest.param(enveloped(reading(1, device_id="pump-2"), "pump-2")[:-1], "not_json", id="half an envelope"),
        pytest.param(reading(1, arrived_at=5, record=5, device_id="pump-2"), "another_device", id="a row"),
        pytest.param(aggregated(("pump-2", reading(1, device_id="pump-2"))), "not_json", id="an aggregated record"),
        pytest.param(b"", "not_json", id="nothing"),
        pytest.param(b"\xff\x00", "not_json", id="bytes"),
    ],
)
@pytest.mark.parametrize("key", ["thing/pump-1", "", "5", "thing/pump-2"])
def test_a_thing_sends_for_itself_with_or_without_its_partition_key(data: bytes, reason: str | None, key: str) -> None:
    (row,) = passed(sent(enveloped(data, "pump-1"), key=key))

    assert row.get("reason") == reason
    assert row.get("device_id") == (None if reason else "pump-1")
    if reason:
        assert row["raw"] in (data.decode(errors="replace"), "base64:" + base64.b64encode(data).decode())


def test_an_aggregated_record_of_a_thing_is_not_one_for_firehose() -> None:
    assert len(user_records(enveloped(aggregated(("a", b"1"), ("b", b"2")), "pump-1"), "thing/pump-1")) == 1


FORGED = b"again/5/9999999999999/0\n"


@pytest.mark.parametrize("key", ["thing/pump-1", "thing/5", "pump-1", ""])
def test_a_forged_first_line_is_bad_and_counts_on_the_day_of_its_arrival(key: str) -> None:
    event = sent(FORGED + reading(1), key=key)

    (record,) = passed(event)

    assert (record["reason"], record["arrived_at"]) == ("not_json", "2030-03-17 17:46:40.000")
    assert record["raw"] == (FORGED + reading(1)).decode()
    (forged,) = event["records"]
    kinesis = {"data": forged["data"], "partitionKey": key, "approximateArrivalTimestamp": NOON / 1000}
    assert from_kinesis({"kinesis": kinesis, "eventID": "shardId-000000000000:1"})[0].arrived_at == NOON


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
def test_without_an_envelope_the_partition_key_names_the_thing(key: str, device: str, reason: str | None) -> None:
    (row,) = passed(sent(reading(1, device_id=device), key=key))

    assert row.get("reason") == reason
    assert row.get("device_id") == (None if reason else device)


def passed(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a batch, including those of the records that it sends again."""
    stream = MemoryStream()
    cleansing = Cleansing(stream)
    found = rows(cleansing.transform(event))
    return found + rows(cleansing.transform(resent(*stream.records, first=1000)))
