"""Records that are sent to Kinesis: full batches, and retries of refused records only."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import pytest

from chalicelib.kinesis_stream import KinesisStream
from tools.sender import Entry, Sender, SendFailed

type Refuses = Callable[[bytes, int], bool]


class Kinesis:
    """Accepts records, unless *refuses* is true of the data and of how often it came."""

    def __init__(self, refuses: Refuses = lambda data, times: False) -> None:
        self._refuses = refuses
        self._lock = Lock()
        self._times: dict[bytes, int] = {}
        self.taken: list[bytes] = []
        self.batches: list[list[bytes]] = []

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:
        with self._lock:
            self.batches.append([record["Data"] for record in Records])
            outcomes = [self._outcome(record["Data"]) for record in Records]
        return {"FailedRecordCount": sum("ErrorCode" in outcome for outcome in outcomes), "Records": outcomes}

    def _outcome(self, data: bytes) -> dict[str, str]:
        self._times[data] = self._times.get(data, 0) + 1
        if self._refuses(data, self._times[data]):
            return {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
        self.taken.append(data)
        return {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}


def entries(count: int, size: int = 0) -> list[Entry]:
    return [Entry("key", str(number).encode().rjust(size, b" ")) for number in range(count)]


def send(kinesis: Kinesis, sent: list[Entry]) -> int:
    stream = KinesisStream(kinesis, "readings", attempts=8, sleep=lambda seconds: None)
    return sum(Sender(stream).send(sent))


def test_all_records_arrive_in_full_batches() -> None:
    kinesis = Kinesis()

    assert send(kinesis, entries(1201)) == 1201

    assert sorted(len(batch) for batch in kinesis.batches) == [201, 500, 500]
    assert sorted(kinesis.taken) == sorted(entry.data for entry in entries(1201))


def test_a_batch_is_no_larger_than_kinesis_takes() -> None:
    kinesis = Kinesis()

    send(kinesis, entries(12, size=1_000_000))

    assert sorted(len(batch) for batch in kinesis.batches) == [2, 5, 5]


def test_only_what_was_refused_is_sent_again() -> None:
    kinesis = Kinesis(refuses=lambda data, times: int(data) % 100 == 7 and times < 3)

    assert send(kinesis, entries(500)) == 500

    assert [len(batch) for batch in kinesis.batches] == [500, 5, 5]
    assert len(kinesis.taken) == len(set(kinesis.taken)) == 500


def test_a_stream_that_refuses_everything_is_an_error_with_its_reason() -> None:
    kinesis = Kinesis(refuses=lambda data, times: True)

    with pytest.raises(SendFailed, match="the stream refuses records: ProvisionedThroughputExceeded"):
        send(kinesis, entries(3))


def test_a_slow_stream_is_retried_while_it_accepts_some() -> None:
    kinesis = Kinesis(refuses=lambda data, times: times <= int(data))

    assert send(kinesis, entries(40)) == 40


def test_no_records_are_no_request() -> None:
    kinesis = Kinesis()

    assert send(kinesis, []) == 0
    assert kinesis.batches == []
