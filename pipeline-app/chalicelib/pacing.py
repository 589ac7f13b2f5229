"""When the reports of a period run again: once it has grown, or a while after their last run.

Imports no AWS and no HTTP.

A run reads the whole period again, since any new record may be a duplicate of an older one. So running for every batch
would read the square of a period. This rule bounds what each report reads, whatever arrives in however many batches:

* `GROWTH` times the bytes that arrive, for the runs because a period has grown;
* *rate* times the time in seconds, and the `EARLY` seconds of each run, for the others;
* and one run of a period in the time of `longest`, because nothing waits longer.

Opening an object counts as some bytes, too: `chalicelib.arrivals.OPENING`. So the bound is also one of the objects.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.readings import DAY, HOUR, Milliseconds
from chalicelib.reports import Day

GROWTH = 1.5
"""Bytes that a report may read at once for each byte that waits for it: it runs when two thirds of a period are new."""

RUN_KEPT = 24 * HOUR
"""Milliseconds for which a run is continued, and the next one reads its output, which is kept for two days."""

type PeriodKind = Literal["event hour", "event day", "on-time day", "arrival day"]

LONGEST: dict[PeriodKind, Milliseconds] = {
    "event hour": 35 * 60_000,
    "event day": 12 * HOUR,
    "on-time day": 12 * HOUR,
    "arrival day": 24 * HOUR,
}
"""Milliseconds that data waits at most during its day. The run of an arrival day reads several event days."""
LONGEST_LATE = 7 * DAY
"""Milliseconds that data waits at most after its day. What is late by more waits at most as long as it was late."""
EARLY = 30_000
"""Milliseconds by which a run may be early: a message that comes back for it would wait in a batch for as long."""


class Period(NamedTuple):
    """What a run reads, and which reports it makes.

    * ``event hour``: what was on time for an hour such as 2030-01-31T18, for the reports that have an hour;
    * ``event day``: what was late for a day, for all reports by event day;
    * ``on-time day``: what was on time for a day, for the reports by event day that have no hour;
    * ``arrival day``: what arrived on a day, for the reports by arrival day.
    """

    kind: PeriodKind
    day: Day


class Waiting(Struct, frozen=True, kw_only=True):
    """New data of a period that its reports do not have yet: *bytes*, of which the first were noted at *since*.

    The last run that ended began at *ran_at*, 0 for none. The run that has not ended began at *run_at*, 0 for none, and
    reads the first *run_bytes* of the bytes. A message comes back for the period at *wake_at*.
    """

    kind: PeriodKind
    day: Day
    bytes: int
    since: Milliseconds
    # Later fields have defaults: items that are older than a field do not have it.
    ran_at: Milliseconds = 0
    run_bytes: int = 0
    run_at: Milliseconds = 0
    wake_at: Milliseconds = 0

    @property
    def period(self) -> Period:
        return Period(self.kind, self.day)

    def run_id(self) -> str:
        """Return what identifies the run that has begun."""
        return f"{self.kind} {self.day} {self.since} {self.run_at} {self.run_bytes}"

    def is_running(self, now: Milliseconds) -> bool:
        """Return whether a run has begun and not ended, so that it must be continued before another one."""
        return now - self.run_at < RUN_KEPT

    def begun(self, now: Milliseconds) -> Waiting:
        """Return this when a run of all of it begins."""
        # No two runs of a period have the same time, so they have different statements.
        return replace(self, run_bytes=self.bytes, run_at=max(now, self.ran_at + 1))

    def ended(self) -> Waiting:
        """Return what still waits when the run has ended: what came after it began, or no bytes."""
        rest = self.bytes - self.run_bytes
        since = self.run_at if rest else 0
        return replace(self, bytes=rest, since=since, ran_at=self.run_at, run_bytes=0, run_at=0)


def due_at(waiting: Waiting, size: int, rate: int) -> Milliseconds:
    """Return when the reports of a period run. A run reads *size* bytes; *rate* is in bytes per second.

    The more a run reads, the longer after the last one it is: a period of a few kilobytes is due at once. So is a run
    that has begun.
    """
    has_grown = waiting.kind != "event hour" and size <= GROWTH * waiting.bytes  # an hour waits for minutes only
    if waiting.run_at or has_grown:
        return waiting.since
    last = waiting.ran_at or waiting.since
    return max(waiting.since, min(last + size * 1000 // rate, waiting.since + longest(waiting)) - EARLY)


def longest(waiting: Waiting) -> Milliseconds:
    """Return how many milliseconds the period waits at most."""
    if waiting.kind == "event hour":
        return LONGEST["event hour"]  # whatever was late is not in the part of its hour
    end_of_day = int(datetime.fromisoformat(waiting.day).replace(tzinfo=UTC).timestamp() * 1000) + DAY
    late_by = waiting.since - end_of_day
    return LONGEST[waiting.kind] if late_by < 0 else max(LONGEST_LATE, late_by)
