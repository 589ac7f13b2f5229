"""Reports: SQL over what was ingested, for one period each, and which of them a batch of new objects touches.

A report is a file in ``reports/`` whose first comments name its title, schedule, period and order. Its statement is
Athena's SQL with ``:names`` for values, which are days and go to Athena as parameters. Knows no AWS and no HTTP.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

type Day = str
"""ISO 8601."""

MOST_PERIODS = 100
"""Of one statement: Athena writes no more partitions at a time, https://docs.aws.amazon.com/athena/latest/ug/unload.html"""


class Report(Struct, frozen=True):
    """One report: its name, which is the file's, what its header says, and its statement.

    One by event day takes many days at once, ``:periods``. One by arrival day takes one, ``:period``, and the ``:days``
    of the events that arrived on it.
    """

    name: str
    title: str
    schedule: str
    period: Literal["event day", "arrival day"]
    order: str
    sql: str

    def statement(self, values: Mapping[str, Sequence[Day]]) -> tuple[str, list[str]]:
        """Return the SQL with ``?`` for each value, and the values in that order as SQL literals.

        Raises ValueError for a value that is no day.
        """
        parameters: list[str] = []

        def placed(found: re.Match[str]) -> str:
            days = values[found[1]]
            parameters.extend(f"'{date.fromisoformat(day).isoformat()}'" for day in days)
            return ", ".join("?" * len(days))

        return re.sub(r":([a-z]+)\b", placed, self.sql), parameters


def load(folder: Path) -> dict[str, Report]:
    """Return the reports of the files in *folder*, by name."""
    return {file.stem: _parsed(file.stem, file.read_text()) for file in sorted(folder.glob("*.sql"))}


def _parsed(name: str, text: str) -> Report:
    header = dict(re.findall(r"^-- (title|schedule|period|order): (.+)$", text, re.MULTILINE))
    sql = re.sub(r"^\s*--.*\n", "", text, flags=re.MULTILINE)
    return msgspec.convert({"name": name, "sql": sql.strip(), **header}, Report)


class Arrived(NamedTuple):
    """What the key of an object of the ingestion bucket says: readings or errors, of which day, arrived on which."""

    kind: str
    day: Day
    arrived: Day


def arrived(key: str) -> Arrived:
    """Return what *key* says. Raises ValueError for one that Firehose did not make."""
    found = re.fullmatch(r"(readings|errors)/day=(\d{4}-\d\d-\d\d)/arrived-(\d{4}-\d\d-\d\d)/.+", key, re.ASCII)
    if not found:
        raise ValueError(f"{key!r} is no key of Firehose's")
    return Arrived(*found.groups())


def days_by_arrival(objects: Iterable[Arrived]) -> dict[Day, set[Day]]:
    """Return for each day of arrival the days of the readings that arrived."""
    days: dict[Day, set[Day]] = defaultdict(set)
    for each in objects:
        days[each.arrived] |= {each.day} if each.kind == "readings" else set()
    return dict(days)


class Touched(NamedTuple):
    """Which days new objects touch: those of events, and those of arrival, each with the days of its events."""

    events: list[Day]
    arrivals: dict[Day, list[Day]]


def touched(new: Mapping[Day, set[Day]], known: Mapping[Day, set[Day]]) -> Touched:
    """Return what *new* objects touch, both arguments being days of events by day of arrival.

    *known* has all there are from the first new day of arrival on. What arrived later than a new record of the same
    day may be its duplicate, so what is said of that day of arrival changes too.
    """
    events = set().union(*new.values())
    arrivals = {
        arrival: sorted({arrival, *days})
        for arrival, days in known.items()
        if arrival in new or any(day in days for first, of in new.items() if first < arrival for day in of)
    }
    return Touched(sorted(events), arrivals)


# What the API says of them.


class Edition(Struct, frozen=True):
    """A report of one period as it was last made: when, by a query of so many bytes and milliseconds.

    ``version`` orders the editions, ``previous`` is the one before. ``newest_event`` is the time of the newest reading
    in it, where the report says, and ``visible_at`` when it could be read. Times are milliseconds.
    """

    name: str
    period: Day
    version: str
    generated_at: int
    bytes_scanned: int
    ms: int
    visible_at: int = 0
    newest_event: int | None = None
    previous: str = ""


class HourlyRow(Struct):
    """Readings of a device and metric in one hour (ISO 8601 in UTC)."""

    device_id: str
    metric: str
    hour: str
    count: int
    min: float
    max: float
    avg: float


class _Outcome(Struct):
    outcome: Literal["accepted", "duplicate", "bad"]
    reason: str
    records: int


class QualityRow(Struct):
    """What became of the records that arrived on one day: ``received`` is the sum of all others."""

    received: int
    accepted: int
    duplicates: int
    bad: dict[str, int]


def rows(name: str, table: Iterable[Mapping[str, str]]) -> list[Any]:
    """Return the rows of a report as the API gives them, from those of its CSV."""
    if name == "quality":
        return [_folded(msgspec.convert(list(table), list[_Outcome], strict=False))]
    return [msgspec.convert({**row, "hour": iso(row["hour"])}, HourlyRow, strict=False) for row in table]


def _folded(outcomes: Sequence[_Outcome]) -> QualityRow:
    total = {kind: sum(each.records for each in outcomes if each.outcome == kind) for kind in ("accepted", "duplicate")}
    bad = {each.reason: each.records for each in outcomes if each.outcome == "bad"}
    return QualityRow(sum(each.records for each in outcomes), total["accepted"], total["duplicate"], bad)


def iso(timestamp: str) -> str:
    """Return Athena's ``2030-01-31 18:00:00.000`` as ISO 8601 in UTC."""
    return timestamp.replace(" ", "T").removesuffix(".000") + "Z"


class Wanted(Struct, forbid_unknown_fields=True, rename={"first": "from", "last": "to"}):
    """Which periods to make again: one, or all of a range. Raises ValueError, which msgspec makes into its own."""

    period: date | None = None
    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if (self.period is None) == (self.first is None) or (self.first is None) != (self.last is None):
            raise ValueError("period: either this, or from and to")
        if self.first and self.last and not 0 <= (self.last - self.first).days < _MOST_WANTED:
            raise ValueError(f"to: not before from, and at most {_MOST_WANTED} days in all")

    def days(self) -> list[Day]:
        """Return the days."""
        first, last = self.period or self.first, self.period or self.last
        assert first
        assert last
        return [date.fromordinal(number).isoformat() for number in range(first.toordinal(), last.toordinal() + 1)]


_MOST_WANTED = 3_700
