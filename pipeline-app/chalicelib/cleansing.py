"""Data transformation for Firehose: records of the stream in, rows of the tables ``readings`` and ``errors`` out.

Firehose defines the form of both: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
Good and bad records alike get the result ``Ok``. Their partition keys say which table they belong to, and Firehose
converts both to Parquet. ``ProcessingFailed`` is only for records that get no other result. Imports no AWS and no HTTP.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from msgspec import to_builtins

from chalicelib import rows
from chalicelib.readings import HOUR, BadReading, Milliseconds, day, part, read, rejected
from chalicelib.stream_records import RecordWriter, StreamRecord, from_firehose
from chalicelib.usual_readings import usual_row

MAX_BYTES = 6_000_000
"""Bytes of a response. Lambda rejects a response over 6 MB as a whole."""

# The lengths are those of `json.dumps`, without what differs in length from record to record.
_FRAME = len('{"records": []}')
_FAILED = len('{"recordId": "", "result": "ProcessingFailed"}, ')
_OK_OVER_FAILED = -_FAILED + len(
    '{"recordId": "", "result": "Ok", "data": "", "metadata": {"partitionKeys": '
    '{"kind": "readings-00", "day": "2030-01-31", "arrived": "2030-01-31"}}}, '
)


class Cleansing:
    """Transforms Firehose's batches. A response has at most *limit* bytes; *stream* gets the records over it again."""

    def __init__(self, stream: RecordWriter, limit: int = MAX_BYTES) -> None:
        self._stream = stream
        self._limit = limit

    def transform(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the response to a batch, with one result for each record."""
        sent = event["records"]
        room = self._limit - _FRAME - sum(len(record["recordId"]) + _FAILED for record in sent)
        results = []
        resend = []
        for item, record in zip(sent, from_firehose(sent), strict=True):
            data, metadata = _cleanse(record)
            length = len(data) + _OK_OVER_FAILED
            if length <= room:
                room -= length
                results.append({"recordId": item["recordId"], "result": "Ok", "data": data, "metadata": metadata})
            else:
                results.append({"recordId": item["recordId"], "result": "Dropped"})
                resend.append((results[-1], record))
        if resend:
            for index in self._stream.put([record for _, record in resend]):
                resend[index][0]["result"] = "ProcessingFailed"
        return {"records": results}


def _cleanse(record: StreamRecord) -> tuple[str, dict[str, dict[str, str]]]:
    """Return the row in base64, and its partition keys."""
    row, ts = usual_row(record) or _row(record)
    hour = None if ts is None else ts // HOUR
    text = to_builtins(row)  # base64, in four fifths of the time of `binascii`
    return text, _metadata(hour, record.arrived_at // HOUR)


def _row(record: StreamRecord) -> tuple[bytes, Milliseconds | None]:
    """Return the row of the reading in *record*, and its time; or the row of a bad record, and None."""
    try:
        reading = read(record.raw, record.arrived_at, record.id, record.thing)
    except BadReading as bad:
        return rows.encode(rejected(record.raw, record.arrived_at, record.id, str(bad))), None
    return rows.encode(reading), reading.ts


@lru_cache(maxsize=100_000)  # ten years of hours
def _metadata(event_hour: int | None, arrival_hour: int) -> dict[str, dict[str, str]]:
    """Return the partition keys of a reading, or with None those of a bad record. Hours are numbers since 1970."""
    arrived_at = arrival_hour * HOUR
    kind, ts = (
        ("errors", arrived_at) if event_hour is None else (part(event_hour * HOUR, arrived_at), event_hour * HOUR)
    )
    return {"partitionKeys": {"kind": kind, "day": day(ts), "arrived": day(arrived_at)}}
