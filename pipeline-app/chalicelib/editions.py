"""Editions: a report of one period as one run made it. Imports no AWS and no HTTP."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from chalicelib.pacing import Period, Waiting
from chalicelib.readings import Milliseconds
from chalicelib.report_rows import Table
from chalicelib.reports import Day


class Edition(Struct, frozen=True, kw_only=True):
    """One edition.

    *version* orders the editions of a period; *previous* is the version of the edition before. *generated_at* is when
    the query started; it scanned *bytes_scanned* in *ms* milliseconds. *newest_event* is the time of the newest reading
    in the edition that was not history when it arrived, if the report has a column of this name. *visible_at* is when
    the edition could first be read.

    *run* is the run that wrote its rows, for the job *job*. *base* is the version of the edition from which it took the
    hours that it did not read, empty if there was none, and None if the run read all hours. At *read_at* the last
    statement began that read all of them, 0 for none.
    """

    name: str
    period: Day
    version: str
    generated_at: Milliseconds
    bytes_scanned: int
    ms: int
    # Later fields have defaults: items that are older than a field do not have it.
    visible_at: Milliseconds = 0
    newest_event: Milliseconds | None = None
    previous: str = ""
    run: str = ""
    job: str = ""
    read_at: Milliseconds = 0
    base: str | None = None


class EditionStore(Protocol):
    """The files of runs and editions: `chalicelib.report_bucket.ReportBucket`."""

    def run_location(self, report: str, token: str) -> str:
        """Return the location to which the statement with *token* writes."""

    def run_files(self, report: str, token: str) -> Mapping[Day, Sequence[str]]:
        """Return the files that a statement wrote, by period."""

    def query_result(self, location: str) -> Iterator[tuple[Day, Table]]:
        """Yield the rows of a query result by period. The result is ordered by period."""

    def parquet_location(self, report: str, period: Day, version: str) -> str:
        """Return the location of the Parquet files of an edition."""

    def put(self, report: str, period: Day, version: str, files: Sequence[str], table: Table) -> None:
        """Store an edition: copies of the Parquet *files*, and *table* as CSV. Idempotent."""

    def read(self, report: str, period: Day, version: str) -> Table | None:
        """Return the rows of an edition, or None if the edition was deleted."""

    def download(self, report: str, period: Day, version: str) -> str:
        """Return an address from which anybody can download an edition as CSV for five minutes."""

    def delete_older(self, report: str, period: Day, version: str) -> None:
        """Delete the editions of a period that are older than *version*."""


class EditionIndex(Protocol):
    """Index of the latest editions, and of what waits to be in them: `chalicelib.report_table.ReportTable`."""

    def publish(self, edition: Edition) -> Edition:
        """Make *edition* the latest of its period, unless a later one is. Return the latest.

        Raises Conflict if the edition has a base that is not the latest.
        """

    def latest(self, name: str, period: Day) -> Edition | None:
        """Return the latest edition of a report for a period."""

    def periods(self, name: str) -> Sequence[Day]:
        """Return the periods that a report has an edition of, newest first."""

    def record_last_run(self, edition: Edition) -> None:
        """Record an edition that was made just now."""

    def last_runs(self) -> Sequence[Edition]:
        """Return, for each report, the edition that was made last, whatever its period."""

    def record_freshness(self, of: str, event_at: Milliseconds, visible_at: Milliseconds) -> None:
        """Record that a reading of the time *event_at* became visible at *visible_at*, if none is newer."""

    def freshness(self) -> Mapping[str, tuple[Milliseconds, Milliseconds]]:
        """Return, for devices and reports, the time of the newest reading, and when it became visible there."""

    def add_arrivals(self, days: Mapping[Day, Collection[Day]]) -> Mapping[Day, set[Day]]:
        """Add event days to days of arrival. Return those of all days of arrival from the first of *days* on."""

    def arrivals(self, first: Day) -> Mapping[Day, set[Day]]:
        """Return the event days by day of arrival, from *first* on."""

    def processed(self, keys: Iterable[str]) -> set[str]:
        """Return those of the objects that are in the reports, or wait to be."""

    def mark_processed(self, keys: Iterable[str]) -> None:
        """Record that the objects are in the reports, or wait to be."""

    def add_sizes(self, sizes: Mapping[tuple[str, Day], int]) -> None:
        """Add bytes to the sizes of partitions: `chalicelib.arrivals.partitions_read` describes them."""

    def sizes(self, partitions: Collection[tuple[str, Day]]) -> Mapping[tuple[str, Day], int]:
        """Return the bytes in each of the *partitions*, without those of which none are known."""

    def add_waiting(self, changed: Mapping[Period, int], now: Milliseconds) -> None:
        """Add bytes to what waits in each period. *now* is the time of the first ones."""

    def waiting(self, periods: Collection[Period]) -> Sequence[Waiting]:
        """Return what waits in those of the *periods* in which something does."""

    def replace_waiting(self, old: Waiting, new: Waiting) -> bool:
        """Replace what waits in a period, unless it has changed. Return whether it was still *old*."""
