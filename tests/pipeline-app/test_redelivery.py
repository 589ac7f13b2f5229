"""Records that Firehose could not deliver are sent through the stream again, and count once."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib import kinesis_stream
from chalicelib.kinesis_stream import KinesisStream, batches
from chalicelib.readings import ANOTHER_DEVICE, BadReading, Reading, Rejected, read, rejected
from chalicelib.redelivery import RecordsRefused, Redelivery, Undeliverable
from chalicelib.rows import encode
from chalicelib.stream_records import StreamRecord, decode_resent

NOON = 1_900_000_000_000
DAY = 86_400_000
RAW = b'{"device_id":"pump-1","metric":"temperature","value":70,"unit":"F","ts":100,"seq":1}'


class Objects:
    def __init__(self, *datas: bytes) -> None:
        self._datas = datas

    def lines(self, key: str) -> list[bytes]:
        kept = {"attemptsMade": 4, "errorCode": "Lambda.FunctionError", "lambdaArn": "x", "arrivalTimestamp": NOON}
        return [json.dumps(kept | {"rawData": base64.b64encode(data).decode()}).encode() for data in self._datas]


class Stream:
    def __init__(self) -> None:
        self.records: list[StreamRecord] = []
        self.refusing = False

    def put(self, records: Sequence[StreamRecord]) -> Collection[int]:
        self.records += [] if self.refusing else records
        return range(len(records)) if self.refusing else []


def sent(*datas: bytes) -> list[StreamRecord]:
    stream = Stream()
    Redelivery(Objects(*datas), stream).send("failed/x")
    return stream.records


def a_row(arrived_at: int) -> Reading:
    return Reading(
        device_id="pump-1",
        metric="temperature",
        value=70.0,
        unit="F",
        ts=100_000,
        seq=1,
        arrived_at=arrived_at,
        record=7,
    )


def of_an_earlier_release(found: Reading | Rejected) -> bytes:
    """Return a row as releases wrote it that had milliseconds in it."""
    return msgspec.json.encode(
        {name: value for name, value in msgspec.to_builtins(found).items() if name != "corrected_at"}
    )


def test_a_record_is_resent_unchanged_with_its_own_identity() -> None:
    first, second = sent(RAW, b"junk\xff\n")

    assert (first.raw, second.raw) == (RAW, b"junk\xff\n")
    assert first.id != second.id
    assert (first.arrived_at, first.attempt) == (NOON, 1)


def test_a_repeated_notification_resends_the_same_records() -> None:
    assert sent(RAW, RAW) == sent(RAW, RAW)
    known = [-448974044460589106, 8485951950837246133]
    assert [record.id for record in sent(RAW, RAW)] == known, "those of an earlier release"


def test_a_record_that_fails_again_keeps_its_identity_and_counts_the_attempt() -> None:
    (first,) = sent(RAW)
    (second,) = sent(first.data)

    assert second == replace(first, attempt=2)
    assert decode_resent(second.data) == second


@pytest.mark.parametrize("encoded", [encode, of_an_earlier_release])
def test_an_undelivered_row_becomes_its_record_again(encoded: Callable[[Reading | Rejected], bytes]) -> None:
    row = read(RAW, NOON, 7)
    bad = rejected(b"junk\xff", NOON, 8, "not_json")

    good, junk = sent(encoded(row), encoded(bad))

    assert read(good.raw, good.arrived_at, good.id) == row
    assert isinstance(row, Reading)
    assert junk == StreamRecord(b"junk\xff", 8, NOON, 1)


@pytest.mark.parametrize("thing", [None, "", "pump-1", "pump 2/\n"])
def test_a_record_keeps_its_sender_however_often_it_fails(thing: str | None) -> None:
    (first,) = sent(StreamRecord(RAW, 7, NOON, 0, thing).data)
    (second,) = sent(first.data)

    assert second == StreamRecord(RAW, 7, NOON, 2, thing)


def test_an_undelivered_correction_stays_one() -> None:
    row = read(RAW[:-1] + b',"corrected_at":%d}' % NOON, NOON, 7)

    (record,) = sent(encode(row))

    assert read(record.raw, record.arrived_at, record.id) == row
    assert row.corrected_at == NOON


@pytest.mark.parametrize("device", ["pump-1", "pump-2"])
def test_a_record_that_comes_back_has_its_sender_in_its_bytes(device: str) -> None:
    raw = RAW.replace(b"pump-1", device.encode())
    (first,) = sent(json.dumps({"thing": "pump-1", "sent": base64.b64encode(raw).decode()}).encode())
    (second,) = sent(first.data)

    assert (first.raw, first.thing) == (raw, "pump-1")
    assert second == replace(first, attempt=2)
    with nullcontext() if device == "pump-1" else pytest.raises(BadReading, match=ANOTHER_DEVICE):
        assert read(second.raw, second.arrived_at, second.id, second.thing).device_id == "pump-1"


@pytest.mark.parametrize(
    "forged",
    [b"again/5/1900000000000/0/pump-2\n" + RAW, encode(read(RAW, NOON, 7)), encode(rejected(RAW, NOON, 8, "x"))],
)
def test_what_a_thing_sends_is_no_row_and_no_record_that_was_sent_again(forged: bytes) -> None:
    (record,) = sent(json.dumps({"thing": "pump-9", "sent": base64.b64encode(forged).decode()}).encode())

    assert (record.raw, record.thing) == (forged, "pump-9")
    assert record.id not in (5, 7, 8)


def test_a_row_of_another_device_stays_bad() -> None:
    row = rejected(RAW, NOON, 7, ANOTHER_DEVICE)

    (record,) = sent(encode(row))

    with pytest.raises(BadReading, match=ANOTHER_DEVICE):
        read(record.raw, record.arrived_at, record.id, record.thing)
    assert (record.raw, record.id) == (RAW, 7)


@pytest.mark.parametrize("arrived_at", [NOON - 90 * DAY, NOON + 300_000])
def test_a_record_may_be_as_old_as_the_bucket_keeps_it_and_a_clock_five_minutes_ahead(arrived_at: int) -> None:
    (record,) = sent(StreamRecord(RAW, 7, arrived_at).data)

    assert record == StreamRecord(RAW, 7, arrived_at, 1)


@pytest.mark.parametrize("arrived_at", [0, NOON - 90 * DAY - 1, NOON + 300_001, NOON + 3_600_000, 9_999_999_999_999])
def test_an_impossible_arrival_is_not_accepted(arrived_at: int) -> None:
    header = StreamRecord(RAW, 7, arrived_at).data
    rows = encode(a_row(arrived_at)), of_an_earlier_release(a_row(arrived_at))

    for data in (header, *rows):
        (record,) = sent(data)
        assert (record.raw, record.arrived_at) == (data, NOON)
        assert record.id != 7


def test_only_the_exact_bytes_of_the_function_are_a_row() -> None:
    written = encode(a_row(NOON - 5))
    alike = [written.replace(b'"arrived_at"', b'"\\u0061rrived_at"'), written.replace(b".000", b""), written + b" "]

    assert [record.arrived_at for record in sent(written, *alike)] == [NOON - 5, *[NOON] * len(alike)]


def test_a_record_without_attempts_left_stays_and_the_others_are_resent() -> None:
    stream = Stream()
    last, done = StreamRecord(RAW, 1, NOON, 19), StreamRecord(RAW, 2, NOON, 20)

    with pytest.raises(Undeliverable, match="1 records of failed/x have had 20 attempts"):
        Redelivery(Objects(last.data, done.data, RAW), stream).send("failed/x")

    assert [record.attempt for record in stream.records] == [20, 1]


def test_a_refusal_of_the_stream_is_an_error() -> None:
    stream = Stream()
    stream.refusing = True

    with pytest.raises(RecordsRefused):
        Redelivery(Objects(RAW), stream).send("failed/x")


# The stream


class FakeKinesis:
    """Accepts records, but refuses those of `refused` as often as it says."""

    def __init__(self, refused: dict[bytes, int] | None = None) -> None:
        self.requests: list[int] = []
        self.taken: list[bytes] = []
        self.keys: list[str] = []
        self._refused = refused or {}

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:
        self.requests.append(len(Records))
        self.keys += [record["PartitionKey"] for record in Records]
        return {"Records": [self._put(record["Data"]) for record in Records]}

    def _put(self, data: bytes) -> dict[str, str]:
        raw = data.partition(b"\n")[2]
        if self._refused.get(raw, 0):
            self._refused[raw] -= 1
            return {"ErrorCode": "ProvisionedThroughputExceededException"}
        self.taken.append(raw)
        return {"SequenceNumber": "1"}


def records(*raws: bytes) -> list[StreamRecord]:
    return [StreamRecord(raw, number, NOON) for number, raw in enumerate(raws)]


def test_a_request_has_no_more_records_or_bytes_than_kinesis_accepts() -> None:
    kinesis = FakeKinesis()

    KinesisStream(kinesis, "s").put(records(*[b"x"] * 1100, *[bytes(1_000_000)] * 6))

    assert kinesis.requests[:2] == [500, 500]
    assert len(kinesis.taken) == 1106
    assert len(kinesis.requests) == 4


def test_a_request_has_at_most_five_mebibytes_of_data_and_keys() -> None:
    full = [StreamRecord(bytes(1024 * 1024 - len("again/1/1900000000000/0\n") - len("1")), 1, NOON)] * 5
    more = [*full[:4], replace(full[4], raw=full[4].raw + b"x")]

    assert [len(batch) for batch in batches([*full, *full, *more])] == [5, 5, 4, 1]
    assert [len(batch) for batch in batches(more)] == [4, 1]


def test_a_refused_record_of_a_later_request_has_its_own_index() -> None:
    kinesis = FakeKinesis({b"b": 99})

    refused = KinesisStream(kinesis, "s", sleep=lambda _: None).put(records(*[b"x"] * 500, b"b"))

    assert list(refused) == [500]


def test_a_stream_that_takes_nothing_is_asked_five_times_in_a_row() -> None:
    all_refused, some_taken = FakeKinesis({b"b": 99}), FakeKinesis({b"b": 99})

    for kinesis, raws in ((all_refused, [b"b"]), (some_taken, [b"a", b"b"])):
        KinesisStream(kinesis, "s", sleep=lambda _: None).put(records(*raws))

    assert all_refused.requests == [1, 1, 1, 1, 1]
    assert some_taken.requests == [2, 1, 1, 1, 1]


@pytest.mark.parametrize(("chosen", "factor"), [(min, 0.05), (max, 0.1)])
def test_the_pauses_double_to_eight_seconds_and_half_of_each_is_random(
    monkeypatch: pytest.MonkeyPatch, chosen: Callable[..., float], factor: float
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(kinesis_stream.random, "uniform", chosen)

    KinesisStream(FakeKinesis({b"b": 99}), "s", attempts=9, sleep=waits.append).put(records(b"b"))

    assert waits == [pytest.approx(factor * each) for each in (2, 4, 8, 16, 32, 64, 80, 80)]


def test_only_what_was_refused_is_sent_again() -> None:
    kinesis = FakeKinesis({b"b": 2})
    waits: list[float] = []

    assert KinesisStream(kinesis, "s", sleep=waits.append).put(records(b"a", b"b", b"c")) == {}

    assert sorted(kinesis.taken) == [b"a", b"b", b"c"]
    assert kinesis.requests == [3, 1, 1]
    assert len(waits) == 2


def test_the_partition_key_of_a_record_is_its_identity() -> None:
    kinesis = FakeKinesis()

    KinesisStream(kinesis, "s").put([StreamRecord(RAW, -7, NOON, 1, "pump-1")])

    assert kinesis.keys == ["-7"]


def test_a_record_that_is_refused_every_time_is_returned_with_the_reason() -> None:
    refused = KinesisStream(FakeKinesis({b"b": 99}), "s", sleep=lambda _: None).put(records(b"a", b"b"))

    assert refused == {1: "ProvisionedThroughputExceededException"}
