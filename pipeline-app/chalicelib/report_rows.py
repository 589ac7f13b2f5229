"""The rows of a report: from the text of its CSV to the values that the API returns. Imports no AWS and no HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

type Table = Sequence[Mapping[str, str]]
"""Rows of a CSV file: text by column name."""
type Value = str | int | float | bool | None


def iso(timestamp: str) -> str:
    """Return Athena's ``2030-01-31 18:00:00.000`` as ISO 8601 in UTC."""
    return timestamp.replace(" ", "T").removesuffix(".000") + "Z"


_TYPES: dict[str, Callable[[str], Value]] = {
    "bigint": int,
    "boolean": lambda text: text == "true",
    "date": str,
    "decimal": float,
    "double": float,
    "float": float,
    "int": int,
    "string": str,
    "timestamp": iso,
}
"""Athena's column types, and how to read a value of each from a CSV file.

https://docs.aws.amazon.com/athena/latest/ug/data-types.html
"""


class Column(NamedTuple):
    """A column of a report. *type* is the type of the Glue table's column, for example ``decimal(10,2)``."""

    name: str
    type: str

    def read(self, text: str) -> Value:
        """Return the value of *text*. Empty text is NULL in all types but string."""
        kind = self.type.partition("(")[0]
        return None if text == "" and kind != "string" else _TYPES[kind](text)


def parse_columns(text: str) -> list[Column]:
    """Return the columns of ``device_id string, price decimal(10,2)``. Raises ValueError that names the column."""
    columns = []
    for each in re.split(r",\s*(?![^(]*\))", text.strip()):
        found = re.fullmatch(r"(\w+) ([a-z]+)(\(\d+(?:, ?\d+)?\))?", each)
        if not found:
            raise ValueError(f"{each!r} is not a column name and its type")
        name, kind, size = found.groups(default="")
        if kind not in _TYPES:
            raise ValueError(f"column {name}: the type {kind} is not one of {', '.join(_TYPES)}")
        columns.append(Column(name, kind + size))
    return columns


def read_rows(columns: Iterable[Column], table: Table) -> list[dict[str, Value]]:
    """Return the rows of *table* with a value for each of *columns*.

    An edition made before a column was added does not have it; its value is None.
    """
    return [{c.name: c.read(row[c.name]) if c.name in row else None for c in columns} for row in table]


class QualityRow(Struct):
    """The counts of the records that arrived on one day. ``received`` is the sum of all others."""

    received: int
    accepted: int
    duplicates: int
    bad: dict[str, int]


class _Outcome(Struct):
    outcome: Literal["accepted", "duplicate", "bad"]
    reason: str
    records: int


def quality_row(table: Table) -> QualityRow:
    """Return the one row that the API has for a day of the report ``quality``."""
    outcomes = msgspec.convert(table, list[_Outcome], strict=False)
    total = {kind: sum(each.records for each in outcomes if each.outcome == kind) for kind in ("accepted", "duplicate")}
    bad = {each.reason: each.records for each in outcomes if each.outcome == "bad"}
    return QualityRow(sum(each.records for each in outcomes), total["accepted"], total["duplicate"], bad)
