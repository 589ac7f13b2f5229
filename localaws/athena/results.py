"""The result format of Athena: values as text, and rows as CSV with all values quoted.

https://docs.aws.amazon.com/athena/latest/ug/querying.html
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

type Row = Sequence[str | None]

_FIELD = re.compile(rb'(?:"((?:[^"]|"")*)")?([,\n])')
_UNNAMED_FIELD = re.compile(r"_(\d+)")


def format_value(value: Any) -> str | None:
    """Format a Python value from DuckDB as Athena does. NULL is None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return java_double(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "milliseconds")
    if isinstance(value, datetime.time):
        return value.isoformat("milliseconds")
    if isinstance(value, datetime.timedelta):
        return _interval(value)
    if isinstance(value, bytes):
        return value.hex(" ")
    return _nested(value)


def _nested(value: Any) -> str:
    """Format arrays and rows as ``[a, b]``, maps as ``{k=v}``, and numbers and dates as Python does."""
    if isinstance(value, tuple):
        value = {f"_{at}": item for at, item in enumerate(value)}
    if isinstance(value, list):
        return f"[{', '.join(_format_inner(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_field_name(key)}={_format_inner(item)}' for key, item in value.items())}}}"
    return str(value)


def _format_inner(value: Any) -> str:
    formatted = format_value(value)
    return "null" if formatted is None else formatted


def _field_name(key: Any) -> str:
    """Return a field name. Trino names the fields of unnamed rows field0, field1, …; sqlglot names them _0, _1, …"""
    unnamed = _UNNAMED_FIELD.fullmatch(key) if isinstance(key, str) else None
    return f"field{unnamed[1]}" if unnamed else _format_inner(key)


def java_double(value: float) -> str:
    """Format a double as Java's ``Double.toString`` does: ``1.0``, ``1.0E7``, ``1.5E-5``, ``NaN``.

    https://docs.oracle.com/en/java/javase/19/docs/api/java.base/java/lang/Double.html#toString(double)
    """
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, _ = (exact := Decimal(repr(value)).normalize()).as_tuple()
    figures = "".join(map(str, digits))
    return f"{'-' * sign}{figures[0]}.{figures[1:] or '0'}E{exact.adjusted()}"


def _interval(value: datetime.timedelta) -> str:
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{value.days} {hours:02}:{minutes:02}:{seconds:02}.{value.microseconds // 1000:03}"


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield rows as lines of CSV. NULL is an empty field without quotes."""
    for row in rows:
        yield ",".join("" if value is None else f'"{value.replace(chr(34), chr(34) * 2)}"' for value in row) + "\n"


def read_csv(content: bytes, start: int, rows: int) -> tuple[list[list[str | None]], int]:
    """Read up to *rows* rows of csv_lines from the offset *start*. Return the rows and the offset after them."""
    found: list[list[str | None]] = []
    row: list[str | None] = []
    while len(found) < rows and (field := _FIELD.match(content, start)):
        value, end = field.groups()
        row.append(None if value is None else value.replace(b'""', b'"').decode())
        start = field.end()
        if end == b"\n":
            found.append(row)
            row = []
    return found, start
