"""Rows of the tables ``readings`` and ``errors``, as JSON that Firehose converts to Parquet.

Times are text, because a number may be seconds or milliseconds since 1970. delivery.yaml names the form. Rows of
earlier releases have milliseconds; Firehose may still keep some that it could not deliver. Imports no AWS and no HTTP.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec
from msgspec import Struct

from chalicelib.readings import Milliseconds, Reading, Rejected

type _Time = str | int

_EPOCH = datetime(1970, 1, 1)  # UTC
_MILLISECOND = timedelta(milliseconds=1)


class _ReadingRow(Struct, gc=False, omit_defaults=True):
    device_id: str
    metric: str
    value: float
    unit: str
    ts: _Time
    seq: int
    arrived_at: _Time
    record: int
    corrected_at: _Time | None = None


class _ErrorRow(Struct, gc=False):
    arrived_at: _Time
    record: int
    reason: str
    raw: str


_encode = msgspec.json.Encoder().encode


def encode(found: Reading | Rejected) -> bytes:
    """Return the row of a reading, or of a bad record."""
    arrived_at = time_text(found.arrived_at)
    if isinstance(found, Rejected):
        return _encode(_ErrorRow(arrived_at, found.record, found.reason, found.raw))
    corrected_at = None if found.corrected_at is None else time_text(found.corrected_at)
    sent = found.device_id, found.metric, found.value, found.unit
    return _encode(_ReadingRow(*sent, time_text(found.ts), found.seq, arrived_at, found.record, corrected_at))


def decode(data: bytes) -> Reading | Rejected | None:
    """Return what *data* is the row of, or None if it is not exactly a row that this or an earlier release wrote."""
    kinds: tuple[type[_ReadingRow | _ErrorRow], ...] = (_ReadingRow, _ErrorRow)
    for kind in kinds:
        with suppress(msgspec.DecodeError, ValueError, OverflowError, RecursionError):
            row = msgspec.json.decode(data, type=kind)
            found = _of_row(row)
            if data in (encode(found), _encode(row) if isinstance(row.arrived_at, int) else b""):
                return found
    return None


def _of_row(row: _ReadingRow | _ErrorRow) -> Reading | Rejected:
    arrived_at = _milliseconds(row.arrived_at)
    if isinstance(row, _ErrorRow):
        return Rejected(arrived_at=arrived_at, record=row.record, reason=row.reason, raw=row.raw)
    return Reading(
        device_id=row.device_id,
        metric=row.metric,
        value=row.value,
        unit=row.unit,
        ts=_milliseconds(row.ts),
        seq=row.seq,
        arrived_at=arrived_at,
        record=row.record,
        corrected_at=None if row.corrected_at is None else _milliseconds(row.corrected_at),
    )


def time_text(moment: Milliseconds) -> str:
    """Return a time in the form of a row, in UTC."""
    seconds, milliseconds = divmod(moment, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}"


@lru_cache(maxsize=10_000)  # the records of a batch arrive within a few seconds
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat(sep=" ")


def _milliseconds(time: _Time) -> Milliseconds:
    if isinstance(time, int):
        return time
    return (datetime.fromisoformat(time) - _EPOCH) // _MILLISECOND
