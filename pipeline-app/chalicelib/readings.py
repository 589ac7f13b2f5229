"""Readings: from the bytes that a device sent to a reading, or the reason why there is none.

A reading is known by its device, metric, time and ``seq``. Of several values of one reading, the first to arrive
counts, or the one with the latest ``corrected_at``. Times are in milliseconds since 1970 in UTC.

Speed matters here: this code runs for every record of the stream. Imports no AWS and no HTTP.
"""

from __future__ import annotations

import binascii
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from chalicelib.units import normalised
from common import times

type Milliseconds = int

SKEW: Milliseconds = 5 * 60 * 1000
"""How far a device's clock may be ahead."""

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR: Milliseconds = 3600 * 1000
DAY: Milliseconds = 24 * HOUR
_SECONDS_END = 100_000_000_000
"""Epoch times below this are in seconds (until the year 5138), others in milliseconds (from March 1973)."""

MAX_DEVICE_ID_LENGTH = 128
MAX_METRIC_LENGTH = 64
MAX_UNIT_LENGTH = 32
MAX_SEQ = 2**63 - 1

ANOTHER_DEVICE = "another_device"
"""The reason for a reading that a thing sent for another device."""


class BadReading(Exception):
    """The record is not a reading. The message is the reason, a short code."""


class Sent(Struct, gc=False, kw_only=True):
    """A reading as a device sends it. Other fields are ignored: newer devices may send more.

    The fields are in the order of a row.
    """

    device_id: Annotated[str, Meta(min_length=1, max_length=MAX_DEVICE_ID_LENGTH)]
    metric: Annotated[str, Meta(min_length=1, max_length=MAX_METRIC_LENGTH)]
    value: float
    unit: Annotated[str, Meta(max_length=MAX_UNIT_LENGTH)] | None = None
    ts: str | int | float
    seq: Annotated[int, Meta(ge=-MAX_SEQ - 1, le=MAX_SEQ)]
    corrected_at: Annotated[int, Meta(ge=0, le=MAX_SEQ)] | None = None


class Reading(Struct, gc=False, kw_only=True):
    """A reading as it is stored.

    *record* identifies the record of the stream. A record that is delivered twice keeps it; a reading that a device
    sends twice is two records. *corrected_at* is when somebody decided that this value replaces others.
    """

    device_id: str
    metric: str
    value: float
    unit: str
    ts: Milliseconds
    seq: int
    arrived_at: Milliseconds
    record: int
    corrected_at: Milliseconds | None = None


class Rejected(Struct, gc=False, kw_only=True):
    """A bad record. *raw* is what was sent: as text, or as ``base64:…`` if it is not text."""

    arrived_at: Milliseconds
    record: int
    reason: str
    raw: str


_decode = msgspec.json.Decoder(Sent).decode


def read(raw: bytes, arrived_at: Milliseconds, record: int, thing: str | None = None) -> Reading:
    """Return the reading in *raw*. It must be of the device *thing*; None allows any device. Raises BadReading.

    The time is compared with the arrival and not with the clock, so that a record has the same result every time.
    """
    try:
        sent = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReading(_reason(error)) from error
    if thing is not None and thing != sent.device_id:
        raise BadReading(ANOTHER_DEVICE)
    value, unit = sent.value, sent.unit or ""
    if unit:
        value, unit = normalised(value, unit)
    if not math.isfinite(value):
        raise BadReading("value_not_finite")
    ts = _time(sent.ts, arrived_at + SKEW)
    if (sent.corrected_at or 0) > arrived_at + SKEW:
        raise BadReading("wrong_corrected_at")
    if not (sent.device_id.isprintable() and sent.metric.isprintable() and unit.isprintable()):
        raise BadReading("not_printable")
    return Reading(
        device_id=sent.device_id,
        metric=sent.metric,
        value=value,
        unit=unit,
        ts=ts,
        seq=sent.seq,
        arrived_at=arrived_at,
        record=record,
        corrected_at=sent.corrected_at,
    )


def rejected(raw: bytes, arrived_at: Milliseconds, record: int, reason: str) -> Rejected:
    """Return the bad record *raw*.

    Text is stored as text, unless JSON would escape much of it: base64 limits how much it grows.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or text.startswith(_BASE64) or len(msgspec.json.encode(text)) > len(raw) * 4 // 3 + 2:
        text = _BASE64 + binascii.b2a_base64(raw, newline=False).decode("ascii")
    return Rejected(arrived_at=arrived_at, record=record, reason=reason, raw=text)


def raw_of(row: Rejected) -> bytes:
    """Return the bytes that were sent, from what `rejected` made."""
    if row.raw.startswith(_BASE64):
        return binascii.a2b_base64(row.raw.removeprefix(_BASE64))
    return row.raw.encode()


_BASE64 = "base64:"


def day(moment: Milliseconds) -> str:
    """Return the UTC day of *moment* as ISO 8601."""
    return (_EPOCH + moment * _MILLISECOND).date().isoformat()


def part(ts: Milliseconds, arrived_at: Milliseconds) -> str:
    """Return the part of its event day in which a reading is stored: that of its hour if it was on time.

    A reading of a clock that is ahead is on time. `chalicelib.arrivals` explains the parts of a day.
    """
    hour = ts // HOUR
    return f"readings-{hour % 24:02d}" if arrived_at // HOUR - hour < 2 else "readings"


def iso(moment: Milliseconds) -> str:
    """Return *moment* as ISO 8601 in UTC."""
    return times.iso(_EPOCH + moment * _MILLISECOND)


def _time(sent: str | float, latest: Milliseconds) -> Milliseconds:
    ts = _parsed(sent) if isinstance(sent, str) else _epoch(sent)
    if ts < 0:
        raise BadReading("ts_before_1970")
    if ts > latest:
        raise BadReading("ts_future")
    return ts


def _epoch(ts: float) -> Milliseconds:
    if isinstance(ts, int):
        return ts * 1000 if abs(ts) < _SECONDS_END else ts
    if not math.isfinite(ts):
        raise BadReading("wrong_ts")
    # Rounds to microseconds first: 0.123 * 1000 is a little less than 123.
    return round(ts * 1_000_000) // 1000 if abs(ts) < _SECONDS_END else math.floor(ts)


def _parsed(ts: str) -> Milliseconds:
    try:
        moment = datetime.fromisoformat(ts)
    except ValueError as error:
        raise BadReading("wrong_ts") from error
    if moment.tzinfo is None:
        raise BadReading("ts_naive")
    return (moment - _EPOCH) // _MILLISECOND


def _reason(error: Exception) -> str:
    """Return the reason code for an error of msgspec or Python."""
    match error:
        case RecursionError():
            return "too_deep"
        case UnicodeDecodeError():
            return "not_utf8"
        case msgspec.ValidationError():
            return _field_reason(str(error))
    return "not_json"


def _field_reason(message: str) -> str:
    if missing := re.search(r"missing required field `(\w+)`", message):
        return f"missing_{missing[1]}"
    if wrong := re.search(r" - at `\$\.(\w+)`", message):
        if wrong[1] == "value" and message.startswith("Number out of range"):
            return "value_not_finite"
        return f"wrong_{wrong[1]}"
    return "not_an_object"
