"""Data transformation for Firehose: records of the stream in, rows of the tables ``readings`` and ``errors`` out.

The form of both is Firehose's: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
Good and bad records alike are answered ``Ok``; the partition keys say which table they belong to, and Firehose makes
Parquet of both. ``ProcessingFailed`` stays for what cannot be answered otherwise.
"""

from __future__ import annotations

from binascii import b2a_base64
from functools import cache
from typing import Any

import msgspec

from chalicelib import records
from chalicelib.readings import ANOTHER_DEVICE, DAY, BadReading, Reading, Rejected, day, read, rejected
from chalicelib.records import Record, Stream, is_ambiguous

LIMIT = 6_000_000
"""Bytes of an answer. Lambda takes 6 MB, of one that is longer nothing."""

# As `json.dumps` writes them, without what differs in length from record to record.
_FRAME = len('{"records": []}')
_REFUSED = len('{"recordId": "", "result": "ProcessingFailed"}, ')
_MORE = -_REFUSED + len(
    '{"recordId": "", "result": "Ok", "data": "", "metadata": {"partitionKeys": '
    '{"kind": "readings", "day": "2030-01-31", "arrived": "2030-01-31"}}}, '
)

_encode = msgspec.json.Encoder().encode


class Cleansing:
    """Answers Firehose's batches, each in at most *limit* bytes: what is over goes into *stream* once more.

    So does what is good or bad by its partition key. Firehose keeps no keys of what it cannot deliver, and a row for
    which there is no room comes back as the bytes that were sent; what is sent on has all that matters in its bytes.
    """

    def __init__(self, stream: Stream, limit: int = LIMIT) -> None:
        self._stream = stream
        self._limit = limit

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a batch of Firehose's, with each record once."""
        sent = event["records"]
        room = self._limit - _FRAME - sum(len(record["recordId"]) + _REFUSED for record in sent)
        answers = []
        over = []
        for record in sent:
            found = records.of_firehose(record)
            data, metadata, by_key = _cleansed(found)
            more = len(data) + _MORE
            if more <= room and not (by_key and record["kinesisRecordMetadata"].get("partitionKey") != found.key):
                room -= more
                answers.append({"recordId": record["recordId"], "result": "Ok", "data": data, "metadata": metadata})
            else:
                answers.append({"recordId": record["recordId"], "result": "Dropped"})
                over.append((answers[-1], found))
        if over:
            for index in self._stream.put([found for _, found in over]):
                over[index][0]["result"] = "ProcessingFailed"
        return {"records": answers}


def _cleansed(record: Record) -> tuple[str, dict[str, dict[str, str]], bool]:
    """Return the row in base64, where it belongs, and whether it would be another one without its partition key."""
    arrived_at = record.arrived_at
    by_key = is_ambiguous(record.raw)
    row: Reading | Rejected
    try:
        row = read(record.raw, arrived_at, record.id, record.thing)
        metadata = _metadata("readings", row.ts // DAY, arrived_at // DAY)
    except BadReading as bad:
        reason = str(bad)
        by_key = by_key or reason == ANOTHER_DEVICE
        row = rejected(record.raw, arrived_at, record.id, reason)
        metadata = _metadata("errors", arrived_at // DAY, arrived_at // DAY)
    return b2a_base64(_encode(row), newline=False).decode("ascii"), metadata, by_key


@cache  # as many as there are days since 1970
def _metadata(kind: str, of: int, arrived: int) -> dict[str, dict[str, str]]:
    """Return the partition keys; the two days are so many after 1970-01-01."""
    return {"partitionKeys": {"kind": kind, "day": day(of * DAY), "arrived": day(arrived * DAY)}}
