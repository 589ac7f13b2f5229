"""In memory, what runs of reports need: a query engine, an edition store, an edition index and a catalog."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from chalicelib.arrivals import DeliveredObject
from chalicelib.editions import Edition
from chalicelib.pacing import Period, Waiting
from chalicelib.reports import Day
from chalicelib.runs import QueryResult
from common.errors import Conflict

type Table = list[dict[str, str]]


class MemoryIndex:
    """An edition index."""

    def __init__(self) -> None:
        self.editions: dict[tuple[str, Day], Edition] = {}
        self.last: dict[str, Edition] = {}
        self.days: dict[Day, set[Day]] = {}
        self.objects: set[str] = set()
        self.fresh: dict[str, tuple[int, int]] = {}
        self.bytes: dict[tuple[str, Day], int] = defaultdict(int)
        self.waits: dict[Period, Waiting] = {}

    def publish(self, edition: Edition) -> Edition:
        stored = self.editions.get((edition.name, edition.period))
        if edition.base not in (None, stored.version if stored else ""):
            raise Conflict("not the base")
        if stored is not None and stored.version >= edition.version:
            return stored
        published = replace(edition, previous=stored.version if stored else "")
        self.editions[edition.name, edition.period] = published
        return published

    def latest(self, name: str, period: Day) -> Edition | None:
        return self.editions.get((name, period))

    def periods(self, name: str) -> list[Day]:
        return sorted((period for report, period in self.editions if report == name), reverse=True)

    def record_last_run(self, edition: Edition) -> None:
        self.last[edition.name] = edition

    def last_runs(self) -> list[Edition]:
        return [self.last[name] for name in sorted(self.last, reverse=True)]

    def record_freshness(self, of: str, event_at: int, visible_at: int) -> None:
        if event_at > self.fresh.get(of, (-1, 0))[0]:
            self.fresh[of] = (event_at, visible_at)

    def freshness(self) -> dict[str, tuple[int, int]]:
        return self.fresh

    def add_arrivals(self, days: Mapping[Day, Collection[Day]]) -> dict[Day, set[Day]]:
        for arrival, event_days in days.items():
            self.days.setdefault(arrival, {arrival}).update(event_days)
        return self.arrivals(min(days))

    def arrivals(self, first: Day) -> dict[Day, set[Day]]:
        return {arrival: set(event_days) for arrival, event_days in self.days.items() if arrival >= first}

    def processed(self, keys: Iterable[str]) -> set[str]:
        return set(keys) & self.objects

    def mark_processed(self, keys: Iterable[str]) -> None:
        self.objects |= set(keys)

    def add_sizes(self, sizes: Mapping[tuple[str, Day], int]) -> None:
        for partition, size in sizes.items():
            self.bytes[partition] += size

    def sizes(self, partitions: Collection[tuple[str, Day]]) -> dict[tuple[str, Day], int]:
        return {each: self.bytes[each] for each in partitions if each in self.bytes}

    def add_waiting(self, changed: Mapping[Period, int], now: int) -> None:
        for period, size in changed.items():
            stored = self.waits.get(period) or Waiting(kind=period.kind, day=period.day, bytes=0, since=now)
            since = stored.since if stored.bytes else now
            self.waits[period] = replace(stored, bytes=stored.bytes + size, since=since)

    def waiting(self, periods: Collection[Period]) -> list[Waiting]:
        found = [self.waits[period] for period in sorted(set(periods)) if period in self.waits]
        return [each for each in found if each.bytes]

    def replace_waiting(self, old: Waiting, new: Waiting) -> bool:
        if self.waits.get(old.period) != old:
            return False
        self.waits[old.period] = new
        return True


class MemoryEngine:
    """A query engine. An UNLOAD, and the SELECT after it, return what `tables` has for the periods of the statement."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.tables: dict[Day, Table] = {}
        self.objects: dict[str, DeliveredObject] = {}
        self.results: dict[str, QueryResult] = {}
        self.statements: list[tuple[str, list[str]]] = []
        self.clock = 1_900_000_000_000
        self.failing: Exception | None = None
        self.waits: list[float] = []
        """The seconds that each call was allowed to wait."""

    def run(self, name: str, statement: Callable[[str], str], parameters: Sequence[str], seconds: float) -> QueryResult:
        self.waits.append(seconds)
        if self.failing is not None:
            raise self.failing
        if name in self.results:
            return self.results[name]
        token = f"{len(self.results):064d}"
        sql = statement(token)
        self.statements.append((sql, list(parameters)))
        self.clock += 1000
        periods = {each.strip("'") for each in parameters}
        where = sql.partition("TO '")[2].partition("'")[0] or f"s3://results/{token}.csv"
        self._store.results[where] = {period: table for period, table in self.tables.items() if period in periods}
        self.results[name] = QueryResult(token, self.clock, 5, 1000, where)
        return self.results[name]


class MemoryStore:
    """An edition store."""

    def __init__(self) -> None:
        self.results: dict[str, Mapping[Day, Table]] = {}
        self.editions: dict[tuple[str, Day, str], Table] = {}
        self.puts: dict[tuple[str, Day], int] = defaultdict(int)

    def run_location(self, report: str, token: str) -> str:
        return f"s3://reporting/runs/{report}/run={token}/"

    def parquet_location(self, report: str, period: Day, version: str) -> str:
        return f"s3://reporting/reports/{report}/{period}/{version}/parquet/"

    def run_files(self, report: str, token: str) -> dict[Day, list[str]]:
        return {period: [f"{period}/0"] for period in self.results[self.run_location(report, token)]}

    def query_result(self, location: str) -> Iterator[tuple[Day, Table]]:
        yield from sorted(self.results[location].items())

    def put(
        self, report: str, period: Day, version: str, files: Sequence[str], table: Sequence[Mapping[str, str]]
    ) -> None:
        self.puts[report, period] += 1
        self.editions[report, period, version] = [dict(row) for row in table]

    def read(self, report: str, period: Day, version: str) -> Table | None:
        return self.editions.get((report, period, version))

    def download(self, report: str, period: Day, version: str) -> str:
        return f"https://reporting.example.com/{report}/{period}/{version}"

    def delete_older(self, report: str, period: Day, version: str) -> None:
        self.editions = {
            key: table for key, table in self.editions.items() if key[:2] != (report, period) or key[2] >= version
        }


class MemoryCatalog:
    def __init__(self) -> None:
        self.locations: dict[tuple[str, Day], str] = {}

    def set_locations(self, report: str, locations: Mapping[Day, str]) -> None:
        self.locations |= {(report, period): location for period, location in locations.items()}

    def version(self, report: str, period: Day) -> str:
        found = re.search(r"/([^/]+)/parquet/$", self.locations[report, period])
        assert found
        return found[1]


class MemoryWakes:
    """Messages that come back: the periods, and after how many seconds."""

    def __init__(self) -> None:
        self.sent: list[tuple[list[Period], int]] = []

    def wake(self, periods: Collection[Period], seconds: int) -> None:
        self.sent.append((list(periods), seconds))
