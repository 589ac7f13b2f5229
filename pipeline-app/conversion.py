"""Makes a reading of what a line of somebody else's file holds. Knows no file and no AWS.

Nothing is guessed that could be wrong: what is ambiguous is refused with the words that settle it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

FIELDS = ("device_id", "metric", "value", "unit", "ts", "seq")
REQUIRED = ("device_id", "metric", "value", "ts")

_NOT_DECODED = "\N{REPLACEMENT CHARACTER}"


class NotReadable(Exception):
    """The file as a whole, or what was said about it, is wrong; the message says how."""


class Refused(Exception):
    """This line is no reading; the message says why."""


@dataclass(frozen=True)
class Form:
    """What the owner of a file says about it."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """By field of a reading, the column (CSV) or the key (JSON, with dots into nested objects) that holds it."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """By field of a reading, its value on every line."""
    time: str | None = None
    """How times are written: a pattern of strptime, or s, ms, us, ns since 1970. None: year first, or since 1970."""
    zone: tzinfo = UTC
    """Of times that name no offset."""
    decimal: str = "."
    encoding: str | None = None
    """None: UTF-8, or what the byte order mark says."""

    def __post_init__(self) -> None:
        unknown = [name for name in (*self.columns, *self.constants) if name not in FIELDS]
        if unknown:
            raise NotReadable(f"a reading has no {listed(unknown)}; its fields are {listed(FIELDS)}")
        twice = [name for name in self.columns if name in self.constants]
        if twice:
            raise NotReadable(f"{listed(twice)} cannot come from a column and be a constant too")
        if self.decimal not in (".", ","):
            raise NotReadable("the decimal mark is . or ,")


class Converter:
    """Makes readings of lines of the given *form*."""

    def __init__(self, form: Form) -> None:
        self._constants = form.constants
        self._times = _Times(form)
        self._numbers = _Numbers(form.decimal)

    def reading(self, values: Mapping[str, Any], line: int) -> dict[str, Any]:
        """Return the reading of what line number *line* holds, by field. Raises Refused."""
        found = {**values, **self._constants}
        reading: dict[str, Any] = {name: _text(name, found.get(name)) for name in ("device_id", "metric")}
        reading["value"] = self._numbers.read(found.get("value"))
        if unit := found.get("unit"):
            reading["unit"] = _text("unit", unit)
        reading["ts"] = self._times.read(found.get("ts"))
        # The same file sent again is the same readings again.
        seq = found.get("seq")
        reading["seq"] = line if seq in (None, "") else _whole(seq)
        return reading


def _text(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise Refused(f"no {name}" if value in (None, "") else f"{name} {_short(value)} is no text")
    if _NOT_DECODED in value:
        raise Refused(f"{name} {_short(value)} is not in the file's encoding; say which that is (ENCODING=)")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d{1,18}", str(value)):
        raise Refused(f"seq {_short(value)} is no whole number")
    return int(value)


class _Numbers:
    """Reads numbers; groups of three digits may be parted by the mark that is not the *decimal* one, or by spaces."""

    def __init__(self, decimal: str) -> None:
        self._decimal = decimal
        self._other = "," if decimal == "." else "."
        self._mark = re.compile(rf"[{self._other}\s\u202f]")
        self._form = re.compile(rf"[+-]?(\d{{1,3}}({self._mark.pattern}\d{{3}})+|\d*)([{decimal}]\d*)?([eE][+-]?\d+)?")

    def read(self, value: Any) -> float:
        """Return *value*, a text or a number, as a number. Raises Refused."""
        if value is None or value == "":
            raise Refused("no value")
        if isinstance(value, str):
            if not self._form.fullmatch(value):
                hint = f"; DECIMAL={self._other} if that is its decimal mark" if self._other in value else ""
                raise Refused(f"value {_short(value)} is no number{hint}")
            value = self._mark.sub("", value).replace(self._decimal, ".")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused(f"value {_short(value)} is no number")
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise Refused(f"value {_short(value)} is no number") from None
        if not math.isfinite(number):
            raise Refused(f"value {_short(value)} is beyond a double")
        return number


_SINCE_1970 = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_BY_DIGITS = {9: "s", 10: "s", 12: "ms", 13: "ms", 15: "us", 16: "us", 18: "ns", 19: "ns"}
"""Of times since 1973; with other numbers of digits it may be a date without dashes."""
_SAY = "say how times are written: TIME='%d/%m/%Y %H:%M'"


class _Times:
    """Reads times as the *form* says they are written."""

    def __init__(self, form: Form) -> None:
        self._zone = form.zone
        self._unit = form.time if form.time in _SINCE_1970 else None
        self._pattern = None if self._unit else form.time

    def read(self, value: Any) -> str:
        """Return *value* as ISO 8601 in UTC, to the millisecond. Raises Refused."""
        if value is None or value == "":
            raise Refused("no time")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Refused(f"time {_short(value)} is none")
        try:
            moment = self._moment(str(value))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=self._zone)
            return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        except (ValueError, OverflowError, OSError) as error:
            raise Refused(f"time {_short(value)}: {error}") from None

    def _moment(self, text: str) -> datetime:
        if self._pattern:
            return datetime.strptime(text, self._pattern)
        if re.fullmatch(r"-?\d+(\.\d+)?", text):
            return self._since_1970(text)
        return _year_first(text)

    def _since_1970(self, text: str) -> datetime:
        unit = self._unit or _BY_DIGITS.get(len(text.lstrip("-").partition(".")[0]))
        if not unit:
            raise Refused(f"time {_short(text)} may be a date or a time since 1970; {_SAY}, or TIME=s")
        return datetime.fromtimestamp(float(text) / _SINCE_1970[unit], UTC)


def _year_first(text: str) -> datetime:
    found = re.fullmatch(r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)(.*)", text, re.DOTALL)
    if not found:
        raise Refused(f"time {_short(text)} can be read in more than one way; {_SAY}")
    year, month, day, rest = found.groups()
    rest = re.sub(r"\s*(UTC|GMT)$", "Z", rest)
    return datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}" + re.sub(r"\s+([+-]\d)", r"\1", rest))


def _short(value: Any) -> str:
    text = str(value)
    return f"“{text if len(text) <= 40 else text[:39] + '…'}”"


def listed(names: Iterable[str]) -> str:
    """Return *names* as a sentence shows them."""
    return ", ".join(f"“{name}”" for name in names)
