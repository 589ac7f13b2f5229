"""A day of the reports: what they scan, what that costs, and how fresh they are, with the rule of `chalicelib.pacing`.

The benchmark moves a clock, not data. Each minute brings a file of the minute before, and one for each day of which
data is late, as Firehose writes them. The rule and the periods that a file changes are those of the app. *Hours* is the
app. *Days* is the same rule without parts by hour, and *batches* a run for each batch, as in earlier releases. The
sizes are those of a steady state: the days before were like this one.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

from sandbox.settings import ROOT

if TYPE_CHECKING:
    from chalicelib.arrivals import DeliveredObject
    from chalicelib.pacing import Period

_SIZES = {"": (1e6, 1e8, 1e9), "1x": (1e10,), "10x": (1e11,), "100x": (1e12,)}
"""Bytes that arrive in a day. A reading takes about 16 bytes of Parquet in large files."""
_ON_TIME, _LATE, _VERY_LATE, _BAD = 0.92, {1: 0.02, 2: 0.03}, {7: 0.01}, 0.02
"""The shares of the bytes: on time, late by days, late by days once in an hour, and bad. Duplicates are among all."""
_REPORTS = {"event hour": 2, "event day": 2, "arrival day": 1}
_SHARES = {"event hour": 0.99, "event day": 0.99, "arrival day": 0.89}
"""The share of a file's bytes in the columns that a report reads, in files of 50,000 readings of `bench.reports`."""
_ROWS = 0.011
"""The bytes of the rows of `hourly` for each byte of the day, with a reading a minute of each device and metric."""
_RATE = 10_000
_BEFORE_REPORTS = 100
"""Seconds from a reading to the batch of its file: cleansing 5, delivery 60, batch 30, Athena 5."""
_DOLLARS, _LEAST = 5 / 1e12, 10e6
"""Athena's price for a byte, and the bytes of the smallest query: https://aws.amazon.com/athena/pricing/"""
_GET = 0.4e-6
"""S3's price in dollars for a request, of which each file takes one at least: https://aws.amazon.com/s3/pricing/"""
_MINUTES = 24 * 60
_DAYS, _MEASURED = 20, range(16, 19)
"""The days in which data arrives, and those of which the result is the mean."""
_START = date(2030, 1, 10)


def run() -> None:
    """Print the table: a day before and after, for each size."""
    sys.path.insert(0, str(ROOT / "pipeline-app"))
    print(
        "| bytes a day | runs by | scanned | times the bytes | queries | files opened | dollars by bytes"
        " | dollars with 10 MB a query | dollars of S3 | on time: p50, p99 | late: p50, p99 |"
        f"\n|---|---{'|--:' * 9}|"
    )
    for name, sizes in _SIZES.items():
        for size, label in product(sizes, ("batches", "days", "hours")):
            title = f"{name}: {size / 1e9:,g} GB".removeprefix(": ")
            print(f"| {title} | {label} | {Day(size, label).measured().row(size)} |")


@dataclass
class Result:
    """What the reports did in a measured day, and the (seconds, bytes) of what arrived in all of them."""

    scanned: float = 0
    queries: float = 0
    files: float = 0
    billed: float = 0
    on_time: list[tuple[float, float]] = field(default_factory=list)
    late: list[tuple[float, float]] = field(default_factory=list)

    def row(self, size: float) -> str:
        """Return the cells of the table."""
        return " | ".join(
            (
                f"{self.scanned / 1e9:,.1f} GB",
                f"{self.scanned / size:,.1f}",
                f"{self.queries:,.0f}",
                f"{self.files:,.0f}",
                f"{self.scanned * _DOLLARS:,.2f}",
                f"{self.billed * _DOLLARS:,.2f}",
                f"{self.files * _GET:,.2f}",
                f"{_time(_percentile(self.on_time, 0.5))}, {_time(_percentile(self.on_time, 0.99))}",
                f"{_time(_percentile(self.late, 0.5))}, {_time(_percentile(self.late, 0.99))}",
            )
        )


class Day:
    """The pipeline with *size* bytes a day, which files bring in every so many minutes.

    The reports run *by* hours, days or batches.
    """

    def __init__(self, size: float, by: str = "hours", every: int = 1) -> None:
        self._size = size
        self._every = every
        self._by = by
        self._bytes: dict[tuple[str, str], int] = defaultdict(int)
        self._files: dict[tuple[str, str], int] = defaultdict(int)
        self._known: dict[str, set[str]] = defaultdict(set)
        self._waiting: dict[Period, Any] = {}
        self._noted: dict[Period, list[tuple[int, int, bool]]] = defaultdict(list)
        self._ran_at: dict[Period, int] = defaultdict(int)
        self._result = Result()
        for ago in range(1, 10):
            self._bytes["readings", _day(-ago)] = round(size)
            self._files["readings", _day(-ago)] = 3 * _MINUTES

    def measured(self) -> Result:
        """Return the result of one day."""
        for minute in range(0, _DAYS * _MINUTES, self._every):
            self._deliver(minute)
            self._run_due(minute)
        while self._waiting:
            minute += self._every
            self._run_due(minute)
        return self._result

    def _run_due(self, minute: int) -> None:
        now, result = _milliseconds(minute), self._result
        for period in self._due(now):
            partitions, runs = self._partitions(period), _REPORTS[period.kind] / len(_MEASURED)
            read = _SHARES[period.kind] * sum(self._bytes[each] for each in partitions)
            rows = _ROWS / 2 * self._bytes["readings", period.day[:10]] if period.kind != "arrival day" else 0
            if minute // _MINUTES in _MEASURED:
                taken = rows if period.kind == "event hour" else 0  # from the run before
                result.scanned += runs * (read + taken + rows)
                result.queries += runs * 2  # what it wrote is selected for the CSV
                result.files += runs * sum(self._files[each] for each in partitions)
                result.billed += runs * (max(read + taken, _LEAST) + max(rows, _LEAST))
            for at, size, is_late in self._noted.pop(period):
                if period.kind != "arrival day" and at // _MINUTES in _MEASURED:
                    seconds = (minute - at) * 60 + _BEFORE_REPORTS
                    (result.late if is_late else result.on_time).append((seconds, size))
            self._ran_at[period] = now
            del self._waiting[period]

    def _deliver(self, minute: int) -> None:
        from chalicelib.arrivals import OPENING, changed_periods, partitions_changed
        from chalicelib.pacing import Waiting

        today, now = _day(minute // _MINUTES), _milliseconds(minute)
        for each in self._objects(minute):
            if each.kind == "readings":
                self._known[today].add(each.day)
            for partition in partitions_changed(each):
                self._bytes[partition] += each.cost - OPENING
                self._files[partition] += 1
            for period, size in changed_periods([each], self._known).items():
                if period.kind not in _REPORTS:
                    continue
                stored = self._waiting.get(period)
                self._waiting[period] = Waiting(
                    kind=period.kind,
                    day=period.day,
                    bytes=size + (stored.bytes if stored else 0),
                    since=stored.since if stored else now,
                    ran_at=self._ran_at[period],
                )
                self._noted[period].append((minute, size, each.day < _day((minute - 1) // _MINUTES)))

    def _objects(self, minute: int) -> Iterator[DeliveredObject]:
        """Yield the files of a minute."""
        from chalicelib.arrivals import OPENING, DeliveredObject

        def written(kind: str, day: str, share: float, hour: str = "") -> DeliveredObject:
            return DeliveredObject(kind, day, today, round(share * self._size) + OPENING, hour)

        number = minute // _MINUTES
        today, part = _day(number), self._every / _MINUTES
        before = minute - 1
        hour = f"{before // 60 % 24:02d}" if self._by == "hours" else ""
        yield written("readings", _day(before // _MINUTES), _ON_TIME * part, hour)
        yield written("errors", today, _BAD * part)
        for days, share in _LATE.items():
            yield written("readings", _day(number - days), share * part)
        if minute % 60 == 0:
            for days, share in _VERY_LATE.items():
                yield written("readings", _day(number - days), share / 24)

    def _due(self, now: int) -> list[Period]:
        from chalicelib.pacing import due_at

        if self._by == "batches":
            return list(self._waiting)
        return [
            period
            for period, each in self._waiting.items()
            if due_at(each, sum(map(self._cost, self._partitions(period))), _RATE) <= now
        ]

    def _cost(self, partition: tuple[str, str]) -> int:
        from chalicelib.arrivals import OPENING

        cost: int = self._bytes[partition] + self._files[partition] * OPENING
        return cost

    def _partitions(self, period: Period) -> list[tuple[str, str]]:
        from chalicelib.arrivals import partitions_read

        partitions: list[tuple[str, str]] = partitions_read(period, self._known)
        return partitions


def _day(number: int) -> str:
    return (_START + timedelta(days=number)).isoformat()


def _milliseconds(minute: int) -> int:
    return int(datetime(_START.year, _START.month, _START.day, tzinfo=UTC).timestamp() * 1000) + minute * 60_000


def _percentile(times: list[tuple[float, float]], share: float) -> float:
    """Return the seconds within which *share* of the bytes are in the reports."""
    rest = share * sum(size for _, size in times)
    for seconds, size in sorted(times):
        rest -= size
        if rest <= 0:
            return seconds
    raise ValueError("nothing arrived")


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
