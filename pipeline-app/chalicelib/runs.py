"""Runs of the reports: once for each batch of new objects, or as somebody wants them. Knows no AWS.

Whatever comes twice, late, at once or half done: statements have tokens made of what they are for, editions are
ordered by when their statement began, and a later one is never replaced by an earlier.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import batched
from typing import NamedTuple, Protocol

from chalicelib.reports import MOST_PERIODS, Arrived, Day, Edition, Report, days_by_arrival, touched

_WORKERS = 8


class QueryFailed(Exception):
    """Athena ended the statement without a result; the message is its own."""


class StillRunning(Exception):
    """The statement takes longer than this function may wait; the next one with its token finds it."""


class Result(NamedTuple):
    """A statement that succeeded: when it was submitted, what it cost, and where its rows are.

    *token* is the one that it ran under; times are in milliseconds.
    """

    token: str
    submitted_at: int
    ms: int
    bytes_scanned: int
    location: str


class Database(Protocol):
    """What runs statements: `chalicelib.athena.Athena`."""

    def run(self, name: str, statement: Callable[[str], str], parameters: Sequence[str], seconds: float) -> Result:
        """Return the result; the same *name* is the same statement. Raises QueryFailed, StillRunning."""


class Shelf(Protocol):
    """Where editions are: `chalicelib.report_bucket.ReportBucket`."""

    def run_location(self, report: str, token: str) -> str: ...
    def parquet_location(self, report: str, period: Day, version: str) -> str: ...
    def written(self, report: str, token: str) -> Mapping[Day, Sequence[str]]: ...
    def tables(self, location: str) -> Iterator[tuple[Day, list[dict[str, str]]]]: ...
    def put_edition(
        self, report: str, period: Day, version: str, files: Sequence[str], table: Sequence[Mapping[str, str]]
    ) -> None: ...
    def remove_before(self, report: str, period: Day, version: str) -> None: ...


class Register(Protocol):
    """What knows the latest editions and what was dealt with: `chalicelib.report_table.ReportTable`."""

    def publish(self, edition: Edition) -> Edition: ...
    def latest(self, name: str, period: Day) -> Edition | None: ...
    def note_newest(self, edition: Edition) -> None: ...
    def add_arrivals(self, days: Mapping[Day, Collection[Day]]) -> Mapping[Day, set[Day]]: ...
    def arrivals(self, first: Day) -> Mapping[Day, set[Day]]: ...
    def known(self, keys: Iterable[str]) -> set[str]: ...
    def remember(self, keys: Iterable[str]) -> None: ...


class Catalogue(Protocol):
    """What tells the warehouse where an edition is: `chalicelib.catalogue.Catalogue`."""

    def point(self, report: str, locations: Mapping[Day, str]) -> None: ...


class _Batch(NamedTuple):
    """What runs are for, and until when they may take, in seconds since 1970."""

    name: str
    until: float


class Runs:
    """Makes *reports*. A batch or wish that is not done by the time *until* is left; it goes on when it comes again."""

    def __init__(
        self,
        reports: Mapping[str, Report],
        database: Database,
        shelf: Shelf,
        register: Register,
        catalogue: Catalogue,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reports = reports
        self._database = database
        self._shelf = shelf
        self._register = register
        self._catalogue = catalogue
        self._now = now

    def add(self, objects: Mapping[str, Arrived], until: float) -> None:
        """Bring the reports up to date with new *objects*, given by key; those that are known change nothing.

        Raises StillRunning, QueryFailed.
        """
        known = self._register.known(objects)
        new = {key: arrived for key, arrived in objects.items() if key not in known}
        if not new:
            return
        days = days_by_arrival(new.values())
        events, arrivals = touched(days, self._register.add_arrivals(days))
        batch = _Batch(_digest(sorted(new)), until)

        def make(report: Report) -> None:
            if report.period == "event day":
                self._make_events(report, events, batch)
            else:
                self._make_arrivals(report, arrivals, batch)

        with ThreadPoolExecutor(len(self._reports)) as pool:
            list(pool.map(make, self._reports.values()))
        self._register.remember(new)

    def repeat(self, name: str, periods: Sequence[Day], wish: str, until: float) -> None:
        """Make the report *name* of *periods* again from all that was ingested, once for each *wish*.

        Raises StillRunning, QueryFailed.
        """
        report, batch = self._reports[name], _Batch(wish, until)
        if report.period == "event day":
            self._make_events(report, periods, batch)
            return
        known = self._register.arrivals(min(periods))
        self._make_arrivals(report, {each: sorted(known[each]) for each in periods if each in known}, batch)

    def _make_events(self, report: Report, periods: Sequence[Day], batch: _Batch) -> None:
        for some in batched(sorted(periods), MOST_PERIODS):
            self._make(report, batch, some, {"periods": some})

    def _make_arrivals(self, report: Report, days: Mapping[Day, Sequence[Day]], batch: _Batch) -> None:
        for period, of in sorted(days.items()):
            self._make(report, batch, [period], {"period": [period], "days": of})

    def _make(self, report: Report, batch: _Batch, periods: Sequence[Day], values: Mapping[str, Sequence[Day]]) -> None:
        """Make the report of *periods*, as far as there is something to say of them, and publish it."""
        if self._now() > batch.until:
            raise StillRunning(f"{report.name} from {periods[0]} on is for the next time")
        sql, parameters = report.statement(values)

        def unload(token: str) -> str:
            where = self._shelf.run_location(report.name, token)
            return f"UNLOAD ({sql}) TO '{where}' WITH ({_FORMAT})"

        name = _digest([report.name, sql, *parameters, batch.name])
        made = self._database.run(name, unload, parameters, batch.until - self._now())
        chosen = ", ".join("?" * len(periods))
        select = (
            f"SELECT * FROM {report.name}_runs WHERE run = ? AND period IN ({chosen}) ORDER BY period, {report.order}"  # noqa: S608
        )
        shown = self._database.run(
            f"{made.token} shown",
            lambda _: select,
            [f"'{each}'" for each in (made.token, *periods)],
            batch.until - self._now(),
        )
        began = datetime.fromtimestamp(made.submitted_at / 1000, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        self._publish(report, f"{began}-{made.token[:8]}", made, self._shelf.tables(shown.location))

    def _publish(
        self, report: Report, version: str, made: Result, tables: Iterable[tuple[Day, list[dict[str, str]]]]
    ) -> None:
        files = self._shelf.written(report.name, made.token)

        def store(period: Day, table: list[dict[str, str]]) -> Edition:
            before = self._register.latest(report.name, period)
            if before is not None and before.version >= version:
                return before
            self._shelf.put_edition(report.name, period, version, files[period], table)
            edition = Edition(
                name=report.name,
                period=period,
                version=version,
                generated_at=made.submitted_at,
                bytes_scanned=made.bytes_scanned,
                ms=made.ms,
                visible_at=int(self._now() * 1000),
                newest_event=_newest(table),
            )
            latest = self._register.publish(edition)
            # Readers may still be at the edition before.
            self._shelf.remove_before(report.name, period, latest.previous)
            return latest

        latest: list[Edition] = []
        with ThreadPoolExecutor(_WORKERS) as pool:
            for some in batched(tables, _WORKERS):  # a pool would read all of them at once
                latest += pool.map(lambda item: store(*item), some)
        if latest:
            self._point(report, latest)
            self._register.note_newest(max(latest, key=lambda edition: (edition.version, edition.period)))

    def _point(self, report: Report, latest: Sequence[Edition]) -> None:
        """Point the catalogue to the latest editions, and again where a still later one came meanwhile."""
        pending = {edition.period: edition for edition in latest}
        while pending:
            self._catalogue.point(
                report.name,
                {period: self._shelf.parquet_location(report.name, period, e.version) for period, e in pending.items()},
            )
            with ThreadPoolExecutor(_WORKERS) as pool:
                now = list(pool.map(lambda period: self._register.latest(report.name, period), pending))
            pending = {e.period: e for e in now if e is not None and e.version != pending[e.period].version}


_FORMAT = "format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY['period']"


def _newest(table: Sequence[Mapping[str, str]]) -> int | None:
    """Return the time of the newest event, where the report has a column of this name."""
    times = [row["newest_event"] for row in table if row.get("newest_event")]
    return int(datetime.fromisoformat(max(times)).replace(tzinfo=UTC).timestamp() * 1000) if times else None


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
