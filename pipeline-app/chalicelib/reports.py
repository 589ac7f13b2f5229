"""Reports: SQL statements over the ingested readings, each for one period. Imports no AWS and no HTTP.

A report is a file in ``reports/``. Comments at its top are its header: title, period, order and columns. The
rest is one statement in Athena's SQL with ``:names`` for values. The values are days; Athena gets them as parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from chalicelib.report_rows import Column, Table, parse_columns, quality_row, read_rows

type Day = str
"""ISO 8601."""

MAX_PERIODS = 100
"""Periods of one statement: Athena writes at most 100 partitions, https://docs.aws.amazon.com/athena/latest/ug/unload.html"""

PARTS = ("readings", *(f"readings-{hour:02d}" for hour in range(24)))
"""The parts of an event day: `chalicelib.arrivals` explains them."""

_MAX_RERUN_DAYS = 3_700


class Report(Struct, frozen=True, kw_only=True):
    """One report. Its name is the name of its file; the other fields are its header and its statement.

    A report by event day takes many days at once, ``:periods``. A report by arrival day takes one, ``:period``, and
    ``:days``, the event days of the readings that arrived on it. *columns* are those of the report's tables.

    *hour* names a timestamp column if each row of a report by event day depends on the readings of one hour only, that
    of the column. Then a run reads the hours that have changed. The statement takes the parts of the days, ``:parts``.
    """

    name: str
    title: str
    period: Literal["event day", "arrival day"]
    order: str
    columns: list[Column]
    sql: str
    hour: str = ""

    def __post_init__(self) -> None:
        if self.hour and self.period != "event day":
            raise ValueError("hour: only a report by event day has it")
        if self.hour and Column(self.hour, "timestamp") not in self.columns:
            raise ValueError(f"hour: {self.hour} is not a timestamp column")

    def statement(self, values: Mapping[str, Sequence[Day]]) -> tuple[str, list[str]]:
        """Return the SQL with ``?`` for each value, and the values in that order as SQL literals.

        Raises ValueError for a value that is neither a day nor a part of one.
        """
        parameters: list[str] = []

        def placeholders(found: re.Match[str]) -> str:
            some = values[found[1]]
            parameters.extend(f"'{each if each in PARTS else date.fromisoformat(each).isoformat()}'" for each in some)
            return _marks(some)

        return re.sub(r":([a-z]+)\b", placeholders, self.sql), parameters

    def statement_of_hours(self, day: Day, hours: Sequence[int], run: str) -> tuple[str, list[str]]:
        """Return the statement of the rows of some *hours* of a day, in the form of `statement`.

        If *run* is not empty, the rows of the other hours come from the output of that run.
        """
        sql, parameters = self.statement({"periods": [day], "parts": [PARTS[0], *(PARTS[1 + hour] for hour in hours)]})
        numbers = [str(hour) for hour in hours]
        sql = f"SELECT * FROM ({sql}) WHERE hour({self.hour}) IN ({_marks(hours)})"  # noqa: S608
        if not run:
            return sql, parameters + numbers
        names = ", ".join(f'"{column.name}"' for column in self.columns)
        others = (
            f" UNION ALL SELECT {names}, period FROM {self.name}_runs"  # noqa: S608
            f" WHERE run = ? AND period = ? AND hour({self.hour}) NOT IN ({_marks(hours)})"
        )
        return sql + others, [*parameters, *numbers, f"'{run}'", f"'{day}'", *numbers]

    def rows(self, table: Table) -> Sequence[Any]:
        """Return the rows of an edition as the API returns them. *table* is the edition's CSV."""
        return [quality_row(table)] if self.name == "quality" else read_rows(self.columns, table)


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def load(folder: Path) -> dict[str, Report]:
    """Return the reports of the ``.sql`` files in *folder*, by name. Raises ValueError that names a wrong file."""
    return {file.stem: _parse(file) for file in sorted(folder.glob("*.sql"))}


def _parse(file: Path) -> Report:
    text = file.read_text()
    header: dict[str, Any] = dict(re.findall(r"^-- (title|period|hour|order|columns): (.+)$", text, re.MULTILINE))
    sql = re.sub(r"^\s*--.*\n", "", text, flags=re.MULTILINE).strip()
    try:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", file.stem):
            raise ValueError("the name of a report is lower-case letters, digits and _, as Athena's table names are")
        if "columns" in header:
            header["columns"] = parse_columns(header["columns"])
        return msgspec.convert({"name": file.stem, "sql": sql, **header}, Report)
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from error


class RerunRequest(Struct, forbid_unknown_fields=True, rename={"first": "from", "last": "to"}):
    """The periods for which to run a report again: one period, or all of a range."""

    period: date | None = None
    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if (self.period is None) == (self.first is None) or (self.first is None) != (self.last is None):
            raise ValueError("period: either this, or from and to")
        if self.first and self.last and not 0 <= (self.last - self.first).days < _MAX_RERUN_DAYS:
            raise ValueError(f"to: not before from, and at most {_MAX_RERUN_DAYS} days in all")

    def days(self) -> list[Day]:
        """Return the days."""
        first, last = self.period or self.first, self.period or self.last
        assert first
        assert last
        return [date.fromordinal(number).isoformat() for number in range(first.toordinal(), last.toordinal() + 1)]
