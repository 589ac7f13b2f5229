"""Converts a line of a user's file to a reading.

Nothing is guessed: an ambiguous value is an error, and the message names the option that resolves it.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

import msgspec

from chalicelib.readings import MAX_DEVICE_ID_LENGTH, MAX_METRIC_LENGTH, MAX_SEQ, MAX_UNIT_LENGTH, BadReading, read
from common.times import iso

FIELDS = ("device_id", "metric", "value", "unit", "ts", "seq")
REQUIRED = ("device_id", "metric", "value", "ts")

_UNDECODABLE = "\N{REPLACEMENT CHARACTER}"


class UnreadableFile(Exception):
    """The file cannot be read, or does not match its description. The message says why."""


class InvalidLine(Exception):
    """The line is not a reading. The message says why."""


@dataclass(frozen=True)
class FileFormat:
    """The description of a file by its owner."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """For a field of a reading, the column (CSV) or key (JSON, with dots into nested objects) that has it."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """For a field of a reading, its value on every line."""
    time: str | None = None
    """A strptime pattern, or the unit of times since 1970: s, ms, us, ns. None: year first, or since 1970."""
    zone: tzinfo = UTC
    """The zone of times without an offset."""
    decimal: str | None = None
    """The decimal mark. None: a point, and a number that means another one with a comma is refused."""
    encoding: str | None = None
    """None: UTF-8, or the encoding of the byte order mark."""

    def __post_init__(self) -> None:
        unknown = [name for name in (*self.columns, *self.constants) if name not in FIELDS]
        if unknown:
            raise UnreadableFile(f"a reading has no {quoted(unknown)}; its fields are {quoted(FIELDS)}")
        twice = [name for name in self.columns if name in self.constants]
        if twice:
            raise UnreadableFile(f"{quoted(twice)} cannot come from a column and be a constant too")
        if self.decimal not in (None, ".", ","):
            raise UnreadableFile("the decimal mark is . or ,")
        if self.time is not None and self.time not in _SINCE_1970:
            _check_pattern(self.time)


class Converter:
    """Converts lines of a file of the given *file_format*.

    A file with *semicolons* between its columns may have commas or points as decimal marks.
    """

    def __init__(self, file_format: FileFormat, semicolons: bool = False) -> None:
        self._constants = file_format.constants
        self._times = _Times(file_format)
        self._numbers = _Numbers(file_format.decimal, semicolons)

    def reading(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the reading that has *values*, by field, as the pipeline accepts it. Raises InvalidLine."""
        found = {**values, **self._constants}
        reading: dict[str, Any] = {name: _text(name, found.get(name)) for name in ("device_id", "metric")}
        reading["value"] = self._numbers.read(found.get("value"))
        if unit := found.get("unit"):
            reading["unit"] = _text("unit", unit)
        reading["ts"] = self._times.read(found.get("ts"))
        # Without a seq, the device, the metric and the time identify a reading in every export of the same data.
        seq = found.get("seq")
        reading["seq"] = 0 if seq in (None, "") else self._numbers.whole(seq)
        _check(reading)
        return reading


def _check(reading: Mapping[str, Any]) -> None:
    """Apply the rules of the pipeline, so that what is sent is not bad. Raises InvalidLine."""
    try:
        read(msgspec.json.encode(reading), round(time.time() * 1000), 0)
    except BadReading as bad:
        field, words = REASONS.get(str(bad), ("", str(bad)))
        raise InvalidLine(f"{field} {_short(reading[field])} {words}" if field else words) from None


REASONS = {
    "wrong_device_id": ("device_id", f"has more than {MAX_DEVICE_ID_LENGTH} characters"),
    "wrong_metric": ("metric", f"has more than {MAX_METRIC_LENGTH} characters"),
    "wrong_unit": ("unit", f"has more than {MAX_UNIT_LENGTH} characters"),
    "not_printable": ("", "device_id, metric or unit has a control character"),
    "value_not_finite": ("value", "is too large in the unit that the pipeline stores"),
    "ts_before_1970": ("ts", "is before 1970"),
    "ts_future": ("ts", "is in the future"),
}
"""The field and the words for the reasons of `chalicelib.readings` that a converted line can have."""


def _text(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise InvalidLine(f"no {name}" if value in (None, "") else f"{name} {_short(value)} is not text")
    if _UNDECODABLE in value:
        raise InvalidLine(f"{name} {_short(value)} is not in the expected encoding; set ENCODING=")
    return value


class _Numbers:
    """Reads numbers. Groups of three digits may be separated by the mark that is not the decimal mark, or by spaces."""

    def __init__(self, decimal: str | None, semicolons: bool) -> None:
        self._decimal = decimal or "."
        self._other = "," if self._decimal == "." else "."
        self._separator = re.compile(rf"[{self._other}\s\u202f]")
        grouped = rf"[1-9]\d{{0,2}}(?:({self._separator.pattern})\d{{3}}(?:\1\d{{3}})*)"
        self._form = re.compile(rf"[+-]?(?:{grouped}|\d*)(?:[{self._decimal}]\d*)?(?:[eE][+-]?\d+)?")
        # One mark before three digits separates a thousand or a fraction. Programs that write a comma as decimal mark
        # write semicolons between columns, and then a point may separate a thousand.
        marks = "" if decimal else ",." if semicolons else ","
        self._ambiguous = re.compile(rf"[+-]?[1-9]\d{{0,2}}[{marks}]\d{{3}}") if marks else None

    def read(self, value: Any) -> float:
        """Return *value*, a text or a number, as a number. Raises InvalidLine."""
        if value is None or value == "":
            raise InvalidLine("no value")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InvalidLine(f"value {_short(value)} is not a number")
        try:
            number = float(self._text("value", value) if isinstance(value, str) else value)
        except (ValueError, OverflowError):
            raise InvalidLine(f"value {_short(value)} is not a number") from None
        if not math.isfinite(number):
            raise InvalidLine(f"value {_short(value)} is out of the range of a double")
        return number

    def whole(self, value: Any) -> int:
        """Return *value*, a text or a number such as 7 or 7.0, as a whole number of 64 bits. Raises InvalidLine."""
        try:
            if isinstance(value, bool) or (isinstance(value, float) and abs(value) > _MAX_EXACT):
                raise ValueError
            text = str(value)
            number = Decimal(self._text("seq", text) if isinstance(value, str) else text)
            if not number.is_finite() or number.adjusted() > _MAX_DIGITS or number != number.to_integral_value():
                raise ValueError
            if not -MAX_SEQ - 1 <= int(number) <= MAX_SEQ:
                raise ValueError
            return int(number)
        except (ValueError, ArithmeticError):
            raise InvalidLine(f"seq {_short(value)} is not a whole number of 64 bits") from None

    def _text(self, name: str, text: str) -> str:
        """Return *text* as Python writes a number. Raises InvalidLine for another text, or one with two meanings."""
        if self._ambiguous and self._ambiguous.fullmatch(text):
            one, two = re.sub("[.,]", ".", text), re.sub("[.,]", "", text)
            raise InvalidLine(f"{name} {_short(text)} may be {one} or {two}; set DECIMAL=. or DECIMAL=,")
        if not self._form.fullmatch(text):
            hint = f"; set DECIMAL={self._other} if that is its decimal mark" if self._other in text else ""
            raise InvalidLine(f"{name} {_short(text)} is not a number{hint}")
        return self._separator.sub("", text).replace(self._decimal, ".")


_MAX_EXACT = 2**53
"""From here on, a float is not exactly the number that the file has."""
_MAX_DIGITS = 20

_SINCE_1970 = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_BY_DIGITS = {9: "s", 10: "s", 12: "ms", 13: "ms", 15: "us", 16: "us", 18: "ns", 19: "ns"}
"""The unit of a time since 1970 by its number of digits, for times since 1973. Others may be dates without dashes."""
_PATTERN = re.compile(r"%(.?)", re.DOTALL)
_SET_TIME = "set the format, for example TIME='%d/%m/%Y %H:%M'"


def _check_pattern(pattern: str) -> None:
    """Raise UnreadableFile for a strptime *pattern* that drops a part of the time, or does not have all of it."""
    found = set(_PATTERN.findall(pattern))
    if "Z" in found:
        raise UnreadableFile(
            "TIME: %Z cannot be read, because a name such as CST means several zones. Use %z for an offset, or write"
            " the name itself into TIME and set TZ=, for example TIME='%d.%m.%Y %H:%M CET' TZ=+01:00"
        )
    if "p" in found and "H" in found:
        raise UnreadableFile("TIME: %p has no effect on %H; use %I, the hour of twelve")
    if "I" in found and "p" not in found:
        raise UnreadableFile("TIME: %I, the hour of twelve, needs %p (AM or PM); %H is the hour of twenty-four")
    if not found & set("YyGcx"):
        raise UnreadableFile("TIME: a time needs its year, %Y or %y")
    try:
        datetime.strptime("", pattern)
    except ValueError as error:
        if "does not match" not in str(error):
            raise UnreadableFile(f"TIME: {error}") from None


class _Times:
    """Reads times in the format of *file_format*."""

    def __init__(self, file_format: FileFormat) -> None:
        self._zone = file_format.zone
        self._unit = file_format.time if file_format.time in _SINCE_1970 else None
        self._pattern = None if self._unit else file_format.time

    def read(self, value: Any) -> str:
        """Return *value* as ISO 8601 in UTC, to the millisecond. Raises InvalidLine."""
        if value is None or value == "":
            raise InvalidLine("no time")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InvalidLine(f"time {_short(value)} is not a time")
        try:
            moment = self._moment(str(value))
            return iso(moment if moment.tzinfo else self._zoned(moment))
        except (ValueError, OverflowError, OSError) as error:
            raise InvalidLine(f"time {_short(value)}: {error}") from None

    def _zoned(self, moment: datetime) -> datetime:
        """Return *moment* of the zone. Raises ValueError if a change of the clock skips or repeats it (PEP 495)."""
        first, second = (moment.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        before, after = (each.strftime("%:z") for each in (first, second))
        if before == after:
            return first
        if first.utcoffset() < second.utcoffset():  # type: ignore[operator]  # both have an offset
            raise ValueError(f"{self._zone} has no such time: its clock went from {before} to {after}")
        raise ValueError(
            f"{self._zone} has it twice; write {before} or {after} after the time, or send the line alone with"
            f" TZ={before} or TZ={after}"
        )

    def _moment(self, text: str) -> datetime:
        if self._pattern:
            return datetime.strptime(text, self._pattern)
        if re.fullmatch(r"-?\d+(\.\d+)?", text):
            return self._since_1970(text)
        return _year_first(text)

    def _since_1970(self, text: str) -> datetime:
        unit = self._unit or _BY_DIGITS.get(len(text.lstrip("-").partition(".")[0]))
        if not unit:
            raise InvalidLine(f"time {_short(text)} may be a date or a time since 1970; {_SET_TIME}, or TIME=s")
        return datetime.fromtimestamp(float(text) / _SINCE_1970[unit], UTC)


def _year_first(text: str) -> datetime:
    found = re.fullmatch(r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)(.*)", text, re.DOTALL)
    if not found:
        raise InvalidLine(f"time {_short(text)} is ambiguous; {_SET_TIME}")
    year, month, day, rest = found.groups()
    rest = re.sub(r"\s*(UTC|GMT)$", "Z", rest)
    return datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}" + re.sub(r"\s+([+-]\d)", r"\1", rest))


def _short(value: Any) -> str:
    text = str(value)
    return f"“{text if len(text) <= 40 else text[:39] + '…'}”"


def quoted(names: Iterable[str]) -> str:
    """Return *names* quoted, for a message."""
    return ", ".join(f"“{name}”" for name in names)
