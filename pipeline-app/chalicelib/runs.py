"""Runs of the reports: of the periods that batches of new objects make due, and of requests to run a report again.

A run may be repeated, late, concurrent with others, or cut off half-way. The outcome is the same: the token of a
statement is made of what the statement is for, editions are ordered by when their statement started, and an edition
never replaces a later one. Imports no AWS and no HTTP.

A run of some hours of a day takes the rows of the other hours from the output of the run before it, so each edition is
of a whole day. It is published only in place of the edition that it took them from. Otherwise it runs again.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import batched
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from chalicelib.arrivals import (
    DeliveredObject,
    changed_periods,
    days_read,
    event_days,
    partitions_changed,
    partitions_read,
)
from chalicelib.editions import Edition, EditionIndex, EditionStore
from chalicelib.pacing import RUN_KEPT, Period, PeriodKind, Waiting, due_at
from chalicelib.readings import Milliseconds
from chalicelib.report_rows import Table
from chalicelib.reports import MAX_PERIODS, PARTS, Day, Report
from common.errors import Conflict

_WORKERS = 8
_MAX_ATTEMPTS = 5
_WAKE_SECONDS = 300
"""A message for a period that waits longer comes back more than once. The alarm on old messages is at ten minutes."""
_WAKE_SLACK = 30_000
"""Milliseconds by which a message may come early or late."""
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


class Wakes(Protocol):
    """Messages that come back later: `chalicelib.queues.Queue`."""

    def wake(self, periods: Collection[Period], seconds: int) -> None:
        """Send a message that comes in *seconds*, to look at what waits in *periods*."""


class _Job(NamedTuple):
    """The purpose of a run, and its deadline in seconds since 1970."""

    name: str
    deadline: float


class _Base(NamedTuple):
    """The edition from which a run of some hours takes the others, if there is one: fields of `Edition`."""

    version: str = ""
    run: str = ""
    read_at: Milliseconds = 0


class Runs:
    """Runs *reports*. *rate* is that of `chalicelib.pacing`.

    Work that does not finish by the deadline raises StillRunning. The next call with the same arguments continues it.
    """

    def __init__(
        self,
        reports: Mapping[str, Report],
        engine: QueryEngine,
        store: EditionStore,
        index: EditionIndex,
        catalog: Catalog,
        wakes: Wakes,
        rate: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reports = reports
        self._kinds = {kind for report in reports.values() for kind in _kinds(report)}
        self._engine = engine
        self._store = store
        self._index = index
        self._catalog = catalog
        self._wakes = wakes
        self._rate = rate
        self._now = now

    def update(self, objects: Mapping[str, DeliveredObject], deadline: float) -> None:
        """Note new *objects*, given by key, and run the reports of those of their periods that are due.

        The others wait. An object that was noted before is not noted again. Raises StillRunning, QueryFailed.
        """
        days = event_days(objects.values())
        if not days:
            return
        processed = self._index.processed(objects)
        new = {key: each for key, each in objects.items() if key not in processed}
        known = self._index.add_arrivals(days)
        if new:
            self._note(new, known)
        self.run_due(self._changed(objects.values(), known), deadline)

    def _changed(self, objects: Iterable[DeliveredObject], known: Mapping[Day, set[Day]]) -> dict[Period, int]:
        """Return the periods that *objects* change and that a report has, and the bytes that are new in each."""
        changed = changed_periods(objects, known)
        return {period: size for period, size in changed.items() if period.kind in self._kinds}

    def _note(self, new: Mapping[str, DeliveredObject], known: Mapping[Day, set[Day]]) -> None:
        # If this is cut off, it is repeated, and the bytes count twice. Then a period runs earlier or later.
        sizes: dict[tuple[str, Day], int] = defaultdict(int)
        for each in new.values():
            for partition in partitions_changed(each):
                sizes[partition] += each.cost
        self._index.add_sizes(sizes)
        self._index.add_waiting(self._changed(new.values(), known), self._milliseconds())
        self._index.mark_processed(new)

    def run_due(self, periods: Collection[Period], deadline: float) -> None:
        """Run the reports of those of *periods* that are due. A message comes back for the others.

        Raises StillRunning, QueryFailed.
        """
        while waiting := self._waiting(periods):
            now = self._milliseconds()
            self._wake({each: at for each, at in waiting.items() if at > now}, now)
            due = [each for each, at in waiting.items() if at <= now]
            if not due:
                return
            self._run_all(due, now, deadline)

    def _waiting(self, periods: Collection[Period]) -> dict[Waiting, Milliseconds]:
        """Return what waits in *periods*, and when it is due."""
        waiting = self._index.waiting(periods)
        known = self._event_days(waiting)
        read = {each: partitions_read(each.period, known) for each in waiting}
        sizes = self._index.sizes({partition for partitions in read.values() for partition in partitions})
        return {
            each: due_at(each, sum(sizes.get(partition, 0) for partition in partitions), self._rate)
            for each, partitions in read.items()
        }

    def _event_days(self, waiting: Sequence[Waiting]) -> Mapping[Day, set[Day]]:
        """Return the event days of the arrival days among *waiting*."""
        arrivals = [each.day for each in waiting if each.kind == "arrival day"]
        return self._index.arrivals(min(arrivals)) if arrivals else {}

    def _run_all(self, due: Sequence[Waiting], now: Milliseconds, deadline: float) -> None:
        with ThreadPoolExecutor(_WORKERS) as pool:
            begun = [each for each in pool.map(lambda each: self._begin(each, now), due) if each]
        if not begun:
            return
        job = _Job(_digest(sorted(each.run_id() for each in begun)), deadline)
        days: dict[PeriodKind, set[Day]] = defaultdict(set)
        hours: dict[Day, list[int]] = defaultdict(list)
        for each in begun:
            days[each.kind].add(each.day)
        for name in sorted(days["event hour"]):
            day, _, hour = name.partition("T")
            if day not in days["event day"]:
                hours[day].append(int(hour))

        def run(report: Report) -> None:
            if report.period == "arrival day":
                self._run_by_arrival_day(report, days["arrival day"], job)
                return
            self._run_by_event_day(report, days["event day"] | (set() if report.hour else days["on-time day"]), job)
            for day, some in hours.items() if report.hour else ():
                self._run_hours(report, day, some, job)

        with ThreadPoolExecutor(len(self._reports)) as pool:
            list(pool.map(run, self._reports.values()))
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(self._end, begun))

    def _begin(self, waiting: Waiting, now: Milliseconds) -> Waiting | None:
        """Begin a run of what waits, or continue the one that has begun. Return None if the period changed meanwhile.

        Whoever finds the run unfinished continues it with the same statements, whatever came since.
        """
        if waiting.is_running(now):
            return waiting
        begun = waiting.begun(now)
        return begun if self._index.replace_waiting(waiting, begun) else None

    def _end(self, begun: Waiting) -> None:
        """Record that the run of *begun* has ended. If that fails, the period runs once more."""
        for _ in range(_MAX_ATTEMPTS):
            stored = next(iter(self._index.waiting([begun.period])), None)
            if stored is None or (stored.since, stored.run_at) != (begun.since, begun.run_at):
                return  # another call has recorded it
            if self._index.replace_waiting(stored, stored.ended()):
                return

    def _wake(self, waiting: Mapping[Waiting, Milliseconds], now: Milliseconds) -> None:
        """Send a message that comes back when the first of *waiting* is due, unless one is on its way."""
        asleep = [each for each in waiting if each.wake_at <= now + _WAKE_SLACK]
        if not asleep:
            return
        seconds = min(_WAKE_SECONDS, -(-(min(waiting[each] for each in asleep) - now) // 1000))
        self._wakes.wake([each.period for each in asleep], seconds)
        for each in asleep:
            self._index.replace_waiting(each, replace(each, wake_at=now + seconds * 1000))

    def _milliseconds(self) -> Milliseconds:
        return int(self._now() * 1000)

    def rerun(self, name: str, periods: Sequence[Day], request_id: str, deadline: float) -> None:
        """Run the report *name* again for *periods*, over all that was ingested. Each *request_id* runs once.

        Raises StillRunning, QueryFailed.
        """
        report, job = self._reports[name], _Job(request_id, deadline)
        if report.period == "event day":
            self._run_by_event_day(report, periods, job)
            return
        known = self._index.arrivals(min(periods))
        self._run_by_arrival_day(report, [each for each in periods if each in known], job)

    def _run_by_event_day(self, report: Report, periods: Collection[Day], job: _Job) -> None:
        for some in batched(sorted(periods), MAX_PERIODS):
            self._run_days(report, some, job)

    def _run_days(self, report: Report, days: Sequence[Day], job: _Job) -> None:
        """Run the report for *days*, and again for those of which a run of some hours was published meanwhile.

        What such a run took over does not have all that this run read.
        """
        while days:
            made = self._run(report, job, days, report.statement({"periods": days, "parts": PARTS}))
            days = [latest.period for own, latest in made if latest.read_at < own.read_at]
            job = job._replace(name=f"{job.name} again")

    def _run_hours(self, report: Report, day: Day, hours: Sequence[int], job: _Job) -> None:
        """Run the report for some *hours* of a day. The other hours stay as they are in the latest edition."""
        while True:
            latest = self._index.latest(report.name, day)
            if latest is not None and latest.job == job.name:
                self._show(report, [latest])  # an earlier call published it, and perhaps got no further
                return
            if latest is not None and (not latest.run or self._milliseconds() - latest.generated_at > RUN_KEPT):
                self._run_days(report, [day], job)  # the output of that run may have expired
                return
            base = _Base(latest.version, latest.run, latest.read_at) if latest else _Base()
            with suppress(Conflict):
                self._run(report, job, [day], report.statement_of_hours(day, hours, base.run), base)
                return

    def _run_by_arrival_day(self, report: Report, days: Collection[Day], job: _Job) -> None:
        """Run the report for *days*, each again while readings of more event days arrive.

        A run that has read these may have begun between the look at the event days and the statement, which is later.
        """
        for arrival in sorted(days):
            read: list[Day] = []
            while (events := days_read(Period("arrival day", arrival), self._index.arrivals(arrival))) != read:
                self._run(report, job, [arrival], report.statement({"period": [arrival], "days": events}))
                read = events

    def _run(
        self,
        report: Report,
        job: _Job,
        periods: Sequence[Day],
        statement: tuple[str, list[str]],
        base: _Base | None = None,
    ) -> list[tuple[Edition, Edition]]:
        """Run the *statement* of a report, and publish an edition of each period that has rows.

        It reads all hours if *base* is None. Return each edition, and the latest one of its period. Raises Conflict if
        the base is not the latest.
        """
        if self._now() > job.deadline:
            raise StillRunning(f"{report.name} from {periods[0]} on waits for the next call")
        sql, parameters = statement

        def unload(token: str) -> str:
            return f"UNLOAD ({sql}) TO '{self._store.run_location(report.name, token)}' WITH ({_UNLOAD_OPTIONS})"

        name = _digest([report.name, sql, *parameters, job.name])
        unloaded = self._engine.run(name, unload, parameters, job.deadline - self._now())
        files = self._store.run_files(report.name, unloaded.token)
        if not files:
            return []
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
        edition = Edition(
            name=report.name,
            period=periods[0],
            version=f"{started}-{unloaded.token[:8]}",
            generated_at=unloaded.submitted_at,
            bytes_scanned=unloaded.bytes_scanned,
            ms=unloaded.ms,
            run=unloaded.token,
            job=job.name,
            read_at=unloaded.submitted_at if base is None else base.read_at,
            base=None if base is None else base.version,
        )
        return self._publish(report, edition, files, self._store.query_result(selected.location))

    def _publish(
        self,
        report: Report,
        made: Edition,
        files: Mapping[Day, Sequence[str]],
        tables: Iterable[tuple[Day, Table]],
    ) -> list[tuple[Edition, Edition]]:
        """Publish an edition like *made* of each period in *tables*. Return each, and the latest one of its period."""

        def publish(period: Day, table: Table) -> tuple[Edition, Edition]:
            edition = replace(made, period=period, newest_event=_newest_event(table))
            current = self._index.latest(report.name, period)
            if edition.base is None and current is not None and current.version >= edition.version:
                return edition, current
            self._store.put(report.name, period, edition.version, files[period], table)
            edition = replace(edition, visible_at=self._milliseconds())
            latest = self._index.publish(edition)
            if edition.newest_event is not None:
                self._index.record_freshness("reports", edition.newest_event, edition.visible_at)
            # Keeps the edition before: readers may still page through it.
            self._store.delete_older(report.name, period, latest.previous)
            return edition, latest

        published: list[tuple[Edition, Edition]] = []
        with ThreadPoolExecutor(_WORKERS) as pool:
            for some in batched(tables, _WORKERS):  # pool.map alone would read all tables into memory at once
                published += pool.map(lambda item: publish(*item), some)
        if published:
            self._show(report, [latest for _, latest in published])
        return published

    def _show(self, report: Report, latest: Sequence[Edition]) -> None:
        """Show the latest editions in the catalog and in the status."""
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


def _kinds(report: Report) -> list[PeriodKind]:
    """Return the kinds of the periods of which a report is made."""
    if report.period == "arrival day":
        return ["arrival day"]
    return ["event day", "event hour" if report.hour else "on-time day"]


def _newest_event(table: Table) -> int | None:
    """Return the time of the newest event in milliseconds, if the report has a column of this name."""
    times = [row["newest_event"] for row in table if row.get("newest_event")]
    return int(datetime.fromisoformat(max(times)).replace(tzinfo=UTC).timestamp() * 1000) if times else None


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
