"""What the API says of reports, and of how fresh everything is. Knows no AWS and no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct

from chalicelib.readings import Milliseconds, iso
from chalicelib.reports import Day, Edition, Report, rows
from common import pages
from common.errors import InvalidInput, NotFound

MOST_BYTES = 4_000_000
"""Of one answer's rows. Lambda answers with at most 6 MB, in which JSON is text in JSON."""


class Editions(Protocol):
    """What knows the latest editions."""

    def latest(self, name: str, period: Day) -> Edition | None: ...
    def periods(self, name: str) -> Sequence[Day]: ...
    def newest(self) -> Sequence[Edition]: ...
    def freshness(self) -> tuple[Milliseconds, Milliseconds] | None: ...


class Tables(Protocol):
    """Where the rows of an edition are."""

    def table(self, report: str, period: Day, version: str) -> list[dict[str, str]] | None: ...


class ReportQuery(Struct):
    """Which rows of a report: of a day, and of one device only if one is named."""

    period: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    device_id: Annotated[str, Meta(max_length=128)] | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None
    cursor: str | None = None


class ReportSummary(Struct):
    """A report, and the periods that it was made for, the newest first."""

    name: str
    title: str
    schedule: str
    periods: Sequence[Day]


class ReportList(Struct):
    items: list[ReportSummary]


class ReportPage(Struct):
    """Rows of a report: all of them while they are not too many, else with the cursor of the next page."""

    name: str
    period: Day
    generated_at: str
    bytes_scanned: int
    rows: Sequence[Any]
    cursor: str | None


class RunSummary(Struct):
    """A report as it was last made, in so many milliseconds."""

    name: str
    period: Day
    generated_at: str
    bytes_scanned: int
    ms: int


class Freshness(Struct):
    """When a reading was measured, when it could be seen, and the seconds between the two."""

    event_at: str
    visible_at: str
    seconds: float


class Status(Struct):
    """How fresh devices and reports are, as far as anything is known, and the last run of each report."""

    freshness: dict[str, Freshness | None]
    reports: list[RunSummary]


class Views:
    """The *reports* by name, as the API shows them."""

    def __init__(self, reports: Mapping[str, Report], editions: Editions, tables: Tables) -> None:
        self._reports = reports
        self._editions = editions
        self._tables = tables

    def list(self) -> ReportList:
        """Return all reports."""
        reports = self._reports.values()
        return ReportList([ReportSummary(r.name, r.title, r.schedule, self._editions.periods(r.name)) for r in reports])

    def require(self, name: str) -> Report:
        """Return the report of that name. Raises NotFound."""
        if name not in self._reports:
            raise NotFound(f"there is no report {name[:64]!r}")
        return self._reports[name]

    def get(self, name: str, query: ReportQuery) -> ReportPage:
        """Return rows of a report. Raises NotFound, or InvalidInput for a cursor that is none or too old."""
        self.require(name)
        edition = self._editions.latest(name, query.period)
        if edition is None:
            raise NotFound(f"there is no report {name!r} of {query.period}")
        version, first = _position(query.cursor) or (edition.version, 0)
        if version not in (edition.version, edition.previous):
            raise InvalidInput("cursor: the report was made anew since; begin again")
        table = self._tables.table(name, query.period, version)
        if table is None:  # replaced while we looked
            raise InvalidInput("cursor: the report was made anew since; begin again")
        if query.device_id is not None:
            table = [row for row in table if row.get("device_id") == query.device_id]
        found = rows(name, table)
        page = _fitting(found[first:], query.limit)
        last = first + len(page)
        return ReportPage(
            name,
            query.period,
            iso(edition.generated_at),
            edition.bytes_scanned,
            page,
            pages.cursor(f"{version} {last}") if last < len(found) else None,
        )

    def status(self) -> Status:
        """Return how fresh everything is."""
        newest = self._editions.newest()
        seen = [(e.newest_event, e.visible_at) for e in newest if e.newest_event is not None]
        runs = [RunSummary(e.name, e.period, iso(e.generated_at), e.bytes_scanned, e.ms) for e in newest]
        devices = self._editions.freshness()
        freshness = {
            "devices": _freshness(*devices) if devices else None,
            "reports": _freshness(*seen[0]) if seen else None,
        }
        return Status(freshness, runs)


def _position(cursor: str | None) -> tuple[str, int] | None:
    """Return the edition and the first row that a cursor means. Raises InvalidInput."""
    if cursor is None:
        return None
    version, _, first = pages.position(cursor).partition(" ")
    if not first.isdecimal():
        raise InvalidInput("cursor: not one that this API gave")
    return version, int(first)


def _fitting(found: Sequence[Any], limit: int | None) -> Sequence[Any]:
    """Return the first rows, as many as are wanted and fit into an answer."""
    room = MOST_BYTES
    for number, row in enumerate(found[:limit]):
        room -= len(msgspec.json.encode(row)) + 1
        if room < 0:
            return found[:number]
    return found[:limit]


def _freshness(event_at: Milliseconds, visible_at: Milliseconds) -> Freshness:
    return Freshness(iso(event_at), iso(visible_at), round((visible_at - event_at) / 1000, 3))
