"""Converts a line of a user's file to a reading.

Nothing is guessed: an ambiguous value is an error, and the message names the option that resolves it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

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
    decimal: str = "."
    encoding: str | None = None
    """None: UTF-8, or the encoding of the byte order mark."""

    def __post_init__(self) -> None:
        unknown = [name for name in (*self.columns, *self.constants) if name not in FIELDS]
        if unknown:
            raise UnreadableFile(f"a reading has no {quoted(unknown)}; its fields are {quoted(FIELDS)}")
        twice = [name for name in self.columns if name in self.constants]
        if twice:
            raise UnreadableFile(f"{quoted(twice)} cannot come from a column and be a constant too")
        if self.decimal not in (".", ","):
            raise UnreadableFile("the decimal mark is . or ,")


class Converter:
    """Converts lines of a file of the given *file_format*."""

    def __init__(self, file_format: FileFormat) -> None:
        self._constants = file_format.constants
        self._times = _Times(file_format)
        self._numbers = _Numbers(file_format.decimal)

    def reading(self, values: Mapping[str, Any], line: int) -> dict[str, Any]:
        """Return the reading that has *values*, by field. *line* is the number of the line. Raises InvalidLine."""
        found = {**values, **self._constants}
        reading: dict[str, Any] = {name: _text(name, found.get(name)) for name in ("device_id", "metric")}
        reading["value"] = self._numbers.read(found.get("value"))
        if unit := found.get("unit"):
            reading["unit"] = _text("unit", unit)
        reading["ts"] = self._times.read(found.get("ts"))
        # By default the line number, so that a file that is sent twice counts once.
        seq = found.get("seq")
        reading["seq"] = line if seq in (None, "") else _whole(seq)
        return reading


def _text(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise InvalidLine(f"no {name}" if value in (None, "") else f"{name} {_short(value)} is not text")
    if _UNDECODABLE in value:
        raise InvalidLine(f"{name} {_short(value)} is not in the expected encoding; set ENCODING=")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d{1,18}", str(value)):
        raise InvalidLine(f"seq {_short(value)} is not a whole number")
    return int(value)


class _Numbers:
    """Reads numbers. Groups of three digits may be separated by the mark that is not *decimal*, or by spaces."""

    def __init__(self, decimal: str) -> None:
        self._decimal = decimal
        self._other = "," if decimal == "." else "."
        self._separator = re.compile(rf"[{self._other}\s\u202f]")
        grouped = rf"\d{{1,3}}({self._separator.pattern}\d{{3}})+"
        self._form = re.compile(rf"[+-]?({grouped}|\d*)([{decimal}]\d*)?([eE][+-]?\d+)?")

    def read(self, value: Any) -> float:
        """Return *value*, a text or a number, as a number. Raises InvalidLine."""
        if value is None or value == "":
            raise InvalidLine("no value")
        if isinstance(value, str):
            if not self._form.fullmatch(value):
                hint = f"; set DECIMAL={self._other} if that is its decimal mark" if self._other in value else ""
                raise InvalidLine(f"value {_short(value)} is not a number{hint}")
            value = self._separator.sub("", value).replace(self._decimal, ".")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidLine(f"value {_short(value)} is not a number")
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise InvalidLine(f"value {_short(value)} is not a number") from None
        if not math.isfinite(number):
            raise InvalidLine(f"value {_short(value)} is out of the range of a double")
        return number


_SINCE_1970 = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_BY_DIGITS = {9: "s", 10: "s", 12: "ms", 13: "ms", 15: "us", 16: "us", 18: "ns", 19: "ns"}
"""The unit of a time since 1970 by its number of digits, for times since 1973. Others may be dates without dashes."""
_SET_TIME = "set the format, for example TIME='%d/%m/%Y %H:%M'"


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
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=self._zone)
            return iso(moment)
        except (ValueError, OverflowError, OSError) as error:
            raise InvalidLine(f"time {_short(value)}: {error}") from None

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
