"""The API's views of the reports, and of how fresh devices and reports are. Imports no AWS and no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from chalicelib.editions import Edition, EditionIndex, EditionStore
from chalicelib.readings import Milliseconds, iso
from chalicelib.reports import Day, Report
from common import pages
from common.errors import InvalidInput, NotFound

MAX_BYTES = 4_000_000
"""Bytes of the rows of one response. A Lambda response has at most 6 MB, in which the JSON is escaped once more."""

_STALE_CURSOR = "cursor: the report was made again since; start from the first page"


class PeriodQuery(Struct):
    """A report of a period, which is a day."""

    period: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class ReportQuery(PeriodQuery):
    """Which rows of a report to return: those of a period, and of one device only if *device_id* is given."""

    device_id: Annotated[str, Meta(max_length=128)] | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None
    cursor: str | None = None


class ReportSummary(Struct):
    """A report, and the periods that it has an edition of, newest first."""

    name: str
    title: str
    periods: Sequence[Day]


class ReportList(Struct):
    items: list[ReportSummary]


class ReportPage(Struct):
    """Rows of a report, each an object of the report's columns. *cursor* is null on the last page."""

    name: str
    period: Day
    generated_at: str
    bytes_scanned: int
    rows: Sequence[Any]
    cursor: str | None


class ReportDownload(Struct):
    """The address of a report as a CSV file. It needs no signature, and is valid for five minutes."""

    url: str


class RunSummary(Struct):
    """The last run of a report, which took *ms* milliseconds."""

    name: str
    period: Day
    generated_at: str
    bytes_scanned: int
    ms: int


class Freshness(Struct):
    """When the newest reading was measured, when it became visible, and the seconds between the two.

    Readings that are history when they arrive do not count. If a clock is ahead, the time is that of the arrival.
    """

    event_at: str
    visible_at: str
    seconds: float


class Status(Struct):
    """How fresh devices and reports are, null if not known yet, and the last run of each report."""

    freshness: dict[str, Freshness | None]
    reports: list[RunSummary]


class ReportViews:
    """The *reports*, by name, as the API shows them."""

    def __init__(self, reports: Mapping[str, Report], index: EditionIndex, store: EditionStore) -> None:
        self._reports = reports
        self._index = index
        self._store = store

    def list(self) -> ReportList:
        """Return all reports."""
        reports = self._reports.values()
        return ReportList([ReportSummary(r.name, r.title, self._index.periods(r.name)) for r in reports])

    def require(self, name: str) -> Report:
        """Return the report with this name. Raises NotFound."""
        if name not in self._reports:
            raise NotFound(f"there is no report {name[:64]!r}")
        return self._reports[name]

    def get(self, name: str, query: ReportQuery) -> ReportPage:
        """Return one page of a report. Raises NotFound, and InvalidInput for an invalid or stale cursor."""
        report, edition = self.require(name), self._edition(name, query.period)
        version, first = _position(query.cursor) or (edition.version, 0)
        if version not in (edition.version, edition.previous):
            raise InvalidInput(_STALE_CURSOR)
        table = self._store.read(name, query.period, version)
        if table is None:  # deleted since the index was read
            raise InvalidInput(_STALE_CURSOR)
        if query.device_id is not None:
            table = [row for row in table if row.get("device_id") == query.device_id]
        rows = report.rows(table)
        page = _fit(rows[first:], query.limit)
        last = first + len(page)
        return ReportPage(
            name,
            query.period,
            iso(edition.generated_at),
            edition.bytes_scanned,
            page,
            pages.cursor(f"{version} {last}") if last < len(rows) else None,
        )

    def download(self, name: str, query: PeriodQuery) -> ReportDownload:
        """Return where the latest edition of a report can be downloaded. Raises NotFound."""
        self.require(name)
        return ReportDownload(self._store.download(name, query.period, self._edition(name, query.period).version))

    def _edition(self, name: str, period: Day) -> Edition:
        edition = self._index.latest(name, period)
        if edition is None:
            raise NotFound(f"there is no report {name!r} of {period}")
        return edition

    def status(self) -> Status:
        """Return how fresh devices and reports are."""
        last = self._index.last_runs()
        runs = [RunSummary(e.name, e.period, iso(e.generated_at), e.bytes_scanned, e.ms) for e in last]
        known = self._index.freshness()
        return Status({of: _freshness(*known[of]) if of in known else None for of in ("devices", "reports")}, runs)


def _position(cursor: str | None) -> tuple[str, int] | None:
    """Return the version and the first row that *cursor* names. Raises InvalidInput."""
    if cursor is None:
        return None
    version, _, first = pages.position(cursor).partition(" ")
    return version, pages.number(first)


def _fit(rows: Sequence[Any], limit: int | None) -> Sequence[Any]:
    """Return the first rows: at most *limit*, and no more than fit into one response."""
    room = MAX_BYTES
    for number, row in enumerate(rows[:limit]):
        room -= len(msgspec.json.encode(row)) + 1
        if room < 0:
            return rows[:number]
    return rows[:limit]


def _freshness(event_at: Milliseconds, visible_at: Milliseconds) -> Freshness:
    return Freshness(iso(event_at), iso(visible_at), round((visible_at - event_at) / 1000, 3))
