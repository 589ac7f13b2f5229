"""Runs of the reports: one for each batch of new objects, and one for each request to run a report again.

A run may be repeated, late, concurrent with others, or cut off half-way. The outcome is the same: the token of a
statement is made of what the statement is for, editions are ordered by when their statement started, and an edition
never replaces a later one. Imports no AWS and no HTTP.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import batched
from typing import NamedTuple, Protocol

from chalicelib.arrivals import DeliveredObject, affected_days, event_days
from chalicelib.editions import Edition, EditionIndex, EditionStore
from chalicelib.report_rows import Table
from chalicelib.reports import MAX_PERIODS, Day, Report

_WORKERS = 8
_UNLOAD_OPTIONS = "format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY['period']"


class QueryFailed(Exception):
    """Athena ended the statement without a result. The message is Athena's."""


class StillRunning(Exception):
    """The statement takes longer than this function may wait. The next call with the same token finds it."""


class QueryResult(NamedTuple):
    """A statement that succeeded. *token* is the token it ran under; times are in milliseconds."""

    token: str
    submitted_at: int
    ms: int
    bytes_scanned: int
    location: str


class QueryEngine(Protocol):
    """Runs statements: `chalicelib.athena.Athena`."""

    def run(self, name: str, statement: Callable[[str], str], parameters: Sequence[str], seconds: float) -> QueryResult:
        """Return the result of the statement, waiting at most *seconds*. The same *name* is the same statement.

        Raises QueryFailed, StillRunning.
        """


class Catalog(Protocol):
    """The tables that the warehouse reads: `chalicelib.glue_catalog.GlueCatalog`."""

    def set_locations(self, report: str, locations: Mapping[Day, str]) -> None:
        """Set the location of each period's partition."""


class _Job(NamedTuple):
    """The purpose of a run, and its deadline in seconds since 1970."""

    name: str
    deadline: float


class Runs:
    """Runs *reports*.

    Work that does not finish by the deadline raises StillRunning. The next call with the same arguments continues it.
    """

    def __init__(
        self,
        reports: Mapping[str, Report],
        engine: QueryEngine,
        store: EditionStore,
        index: EditionIndex,
        catalog: Catalog,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reports = reports
        self._engine = engine
        self._store = store
        self._index = index
        self._catalog = catalog
        self._now = now

    def update(self, objects: Mapping[str, DeliveredObject], deadline: float) -> None:
        """Bring all reports up to date with new *objects*, given by key. Objects already processed change nothing.

        Raises StillRunning, QueryFailed.
        """
        processed = self._index.processed(objects)
        new = {key: each for key, each in objects.items() if key not in processed}
        if not new:
            return
        days = event_days(new.values())
        events, arrivals = affected_days(days, self._index.add_arrivals(days))
        job = _Job(_digest(sorted(new)), deadline)

        def run(report: Report) -> None:
            if report.period == "event day":
                self._run_by_event_day(report, events, job)
            else:
                self._run_by_arrival_day(report, arrivals, job)

        with ThreadPoolExecutor(len(self._reports)) as pool:
            list(pool.map(run, self._reports.values()))
        self._index.mark_processed(new)

    def rerun(self, name: str, periods: Sequence[Day], request_id: str, deadline: float) -> None:
        """Run the report *name* again for *periods*, over all that was ingested. Each *request_id* runs once.

        Raises StillRunning, QueryFailed.
        """
        report, job = self._reports[name], _Job(request_id, deadline)
        if report.period == "event day":
            self._run_by_event_day(report, periods, job)
            return
        known = self._index.arrivals(min(periods))
        self._run_by_arrival_day(report, {each: sorted(known[each]) for each in periods if each in known}, job)

    def _run_by_event_day(self, report: Report, periods: Sequence[Day], job: _Job) -> None:
        for some in batched(sorted(periods), MAX_PERIODS):
            self._run(report, job, some, {"periods": some})

    def _run_by_arrival_day(self, report: Report, days: Mapping[Day, Sequence[Day]], job: _Job) -> None:
        for arrival, events in sorted(days.items()):
            self._run(report, job, [arrival], {"period": [arrival], "days": events})

    def _run(self, report: Report, job: _Job, periods: Sequence[Day], values: Mapping[str, Sequence[Day]]) -> None:
        """Run the report for *periods*, and publish an edition of each period that has rows."""
        if self._now() > job.deadline:
            raise StillRunning(f"{report.name} from {periods[0]} on waits for the next call")
        sql, parameters = report.statement(values)

        def unload(token: str) -> str:
            return f"UNLOAD ({sql}) TO '{self._store.run_location(report.name, token)}' WITH ({_UNLOAD_OPTIONS})"

        name = _digest([report.name, sql, *parameters, job.name])
        unloaded = self._engine.run(name, unload, parameters, job.deadline - self._now())
        files = self._store.run_files(report.name, unloaded.token)
        if not files:
            return
        placeholders = ", ".join("?" * len(periods))
        select = (
            f"SELECT * FROM {report.name}_runs WHERE run = ? AND period IN ({placeholders})"  # noqa: S608
            f" ORDER BY period, {report.order}"
        )
        selected = self._engine.run(
            f"{unloaded.token} shown",
            lambda _: select,
            [f"'{each}'" for each in (unloaded.token, *periods)],
            job.deadline - self._now(),
        )
        started = datetime.fromtimestamp(unloaded.submitted_at / 1000, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        version = f"{started}-{unloaded.token[:8]}"
        self._publish(report, version, unloaded, files, self._store.query_result(selected.location))

    def _publish(
        self,
        report: Report,
        version: str,
        result: QueryResult,
        files: Mapping[Day, Sequence[str]],
        tables: Iterable[tuple[Day, Table]],
    ) -> None:
        def publish(period: Day, table: Table) -> Edition:
            current = self._index.latest(report.name, period)
            if current is not None and current.version >= version:
                return current
            self._store.put(report.name, period, version, files[period], table)
            edition = Edition(
                name=report.name,
                period=period,
                version=version,
                generated_at=result.submitted_at,
                bytes_scanned=result.bytes_scanned,
                ms=result.ms,
                visible_at=int(self._now() * 1000),
                newest_event=_newest_event(table),
            )
            latest = self._index.publish(edition)
            if edition.newest_event is not None:
                self._index.record_freshness("reports", edition.newest_event, edition.visible_at)
            # Keeps the edition before: readers may still page through it.
            self._store.delete_older(report.name, period, latest.previous)
            return latest

        latest: list[Edition] = []
        with ThreadPoolExecutor(_WORKERS) as pool:
            for some in batched(tables, _WORKERS):  # pool.map alone would read all tables into memory at once
                latest += pool.map(lambda item: publish(*item), some)
        if latest:
            self._update_catalog(report, latest)
            self._index.record_last_run(max(latest, key=lambda edition: (edition.version, edition.period)))

    def _update_catalog(self, report: Report, latest: Sequence[Edition]) -> None:
        """Set the catalog's locations to the latest editions, and again where another run published meanwhile."""
        pending = {edition.period: edition for edition in latest}
        while pending:
            self._catalog.set_locations(
                report.name,
                {period: self._store.parquet_location(report.name, period, e.version) for period, e in pending.items()},
            )
            with ThreadPoolExecutor(_WORKERS) as pool:
                now = list(pool.map(lambda period: self._index.latest(report.name, period), pending))
            pending = {e.period: e for e in now if e is not None and e.version != pending[e.period].version}


def _newest_event(table: Table) -> int | None:
    """Return the time of the newest event in milliseconds, if the report has a column of this name."""
    times = [row["newest_event"] for row in table if row.get("newest_event")]
    return int(datetime.fromisoformat(max(times)).replace(tzinfo=UTC).timestamp() * 1000) if times else None


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
