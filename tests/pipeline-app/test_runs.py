"""Runs of the reports: repeated, late, concurrent and unfinished ones."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from report_memory import MemoryCatalog, MemoryEngine, MemoryIndex, MemoryStore, MemoryWakes, Table

from chalicelib.arrivals import DeliveredObject, parse_key
from chalicelib.pacing import Period, Waiting
from chalicelib.reports import PARTS, Day, Report, load
from chalicelib.runs import QueryFailed, QueryResult, Runs, StillRunning

REPORTS = Path(__file__).parent.parent.parent / "pipeline-app" / "chalicelib" / "reports"

A = {"a": DeliveredObject("readings", "2030-01-01", "2030-01-02", 100)}
B = {"b": DeliveredObject("readings", "2030-01-01", "2030-01-02", 100)}
LATER = math.inf


class Died(Exception):
    """The function was cut off."""


def mortal[T](port: T, dies: Callable[[], bool]) -> T:
    """Return *port*, each of whose calls may be the last one of the function: before or after it took effect."""

    class Mortal:
        def __getattr__(self, name: str) -> Any:
            found = getattr(port, name)
            if not callable(found):
                return found

            def call(*arguments: Any) -> Any:
                if dies():
                    raise Died
                answer = found(*arguments)
                if dies():
                    raise Died
                return answer

            return call

    return cast("T", Mortal())


class World:
    """Runs, with all that they need in memory."""

    def __init__(self, reports: dict[str, Report], engine: type[MemoryEngine] = MemoryEngine) -> None:
        self.store = MemoryStore()
        self.engine = engine(self.store)
        self.index = MemoryIndex()
        self.catalog = MemoryCatalog()
        self.time = 1_900_000_000.0
        self.wakes = MemoryWakes()
        self.calls_left = math.inf
        """The calls of the ports after which the function is cut off."""
        ports = (self.engine, self.store, self.index, self.catalog, self.wakes)
        self.runs = Runs(reports, *(mortal(port, self._dies) for port in ports), 10_000, lambda: self.time)
        self.set_count("2030-01-01", "1")
        self.set_count("2030-01-02", "1")

    def set_count(self, period: Day, count: str) -> None:
        """Set the count that the query engine returns for a period from now on."""
        self.engine.tables[period] = [{"count": count, "newest_event": f"{period} 00:00:00.000"}]

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* pass, or all until no message comes back any more. Delivers the messages."""
        end = self.time + seconds
        while self.wakes.sent:
            periods, wait = self.wakes.sent[0]
            if self.time + wait > end:
                break
            self.wakes.sent.pop(0)
            self.time += wait
            self._repeat(partial(self.runs.run_due, periods, LATER))
        self.time = max(self.time, end if end < math.inf else 0)

    def _dies(self) -> bool:
        self.calls_left -= 1
        return self.calls_left == 0

    def deliver(self, new: dict[str, DeliveredObject]) -> None:
        """Deliver the notification of *new* objects."""
        self._repeat(partial(self.runs.update, new, LATER))

    def _repeat(self, call: Callable[[], None]) -> None:
        """Make a call, and again for as long as the function is cut off."""
        while True:
            with suppress(Died):
                call()
                return

    def waiting(self) -> list[Waiting]:
        """Return all that waits."""
        return self.index.waiting(self.index.waits)

    def tables(self) -> dict[tuple[str, Day], Table]:
        """Return the latest edition of each report."""
        return {key: self.table(*key) for key in self.index.editions}

    def table(self, name: str, period: Day) -> Table:
        """Return the rows of the latest edition."""
        edition = self.index.latest(name, period)
        assert edition
        table = self.store.read(name, period, edition.version)
        assert table
        assert self.catalog.version(name, period) == edition.version
        return table

    def count(self, name: str, period: Day) -> str:
        """Return the count in the latest edition."""
        return self.table(name, period)[0]["count"]


@pytest.fixture
def world(reports: dict[str, Report]) -> World:
    return World(reports)


def test_a_batch_runs_the_reports_for_the_days_that_it_affects(world: World) -> None:
    world.runs.update(A, LATER)

    assert set(world.index.editions) == {("hourly", "2030-01-01"), ("quality", "2030-01-02")}
    assert world.count("hourly", "2030-01-01") == "1"
    assert world.index.last["quality"].newest_event == 1_893_542_400_000
    assert world.index.freshness()["reports"] == (1_893_542_400_000, 1_900_000_000_000)


def test_a_statement_without_rows_makes_no_edition_and_no_second_statement(world: World) -> None:
    world.engine.tables.clear()

    world.runs.update(A, LATER)

    assert world.index.editions == {}
    assert len(world.engine.statements) == 2, "one for each report"
    assert world.index.objects == {"a"}


def test_a_repeated_notification_changes_nothing(world: World) -> None:
    world.runs.update(A, LATER)
    statements, puts = len(world.engine.statements), dict(world.store.puts)

    world.runs.update(A, LATER)

    assert (len(world.engine.statements), world.store.puts) == (statements, puts)


def test_a_batch_that_failed_half_way_continues_with_the_same_statements(world: World) -> None:
    world.engine.failing = QueryFailed("no")
    with pytest.raises(QueryFailed):
        world.runs.update(A, LATER)
    world.engine.failing = None
    waiting = dict(world.index.waits)
    world.runs.update(A, LATER)
    world.index.waits = waiting  # as if it had died before it recorded the end
    statements = len(world.engine.statements)

    world.time += 30
    world.runs.update(A, LATER)

    assert len(world.engine.statements) == statements
    assert len(world.index.editions) == 2
    assert world.waiting() == []


def test_late_data_makes_a_new_edition_and_keeps_the_previous_one(world: World) -> None:
    world.runs.update(A, LATER)
    first = world.index.editions["hourly", "2030-01-01"].version
    world.time += 30
    world.set_count("2030-01-01", "2")
    world.runs.update(B, LATER)

    assert world.count("hourly", "2030-01-01") == "2"
    assert world.store.read("hourly", "2030-01-01", first)


def test_the_last_two_editions_are_kept(world: World) -> None:
    for number in range(5):
        world.set_count("2030-01-01", str(number))
        world.time += 30
        world.runs.update({str(number): A["a"]}, LATER)

    kept = [key for key in world.store.editions if key[0] == "hourly"]
    assert len(kept) == 2
    assert world.count("hourly", "2030-01-01") == "4"


def test_a_run_that_started_earlier_and_ends_later_is_not_the_latest(world: World) -> None:
    world.runs.update(A, LATER)
    newer = world.index.editions["hourly", "2030-01-01"]
    world.engine.clock -= 3_600_000
    world.time += 30
    world.set_count("2030-01-01", "old")

    world.runs.update(B, LATER)

    assert world.index.editions["hourly", "2030-01-01"] == newer
    assert world.count("hourly", "2030-01-01") == "1"
    assert len([key for key in world.store.editions if key[0] == "hourly"]) == 1


def test_the_version_of_an_edition_is_when_its_statement_started_and_a_part_of_its_token(world: World) -> None:
    world.engine.clock += 234

    world.runs.rerun("hourly", ["2030-01-01"], "request", LATER)

    assert world.index.editions["hourly", "2030-01-01"].version == "20300317T174641.234-00000000"


@pytest.mark.parametrize(("count", "statements"), [(100, 1), (101, 2)])
def test_a_statement_has_at_most_a_hundred_days(world: World, count: int, statements: int) -> None:
    """Athena writes no more partitions: https://docs.aws.amazon.com/athena/latest/ug/unload.html"""
    days = [str(date(2030, 1, 1) + timedelta(days=number)) for number in range(count)]

    world.runs.rerun("hourly", days, "request", LATER)

    assert sum("UNLOAD" in sql for sql, _ in world.engine.statements) == statements


def test_years_of_days_are_one_statement_for_each_hundred(world: World) -> None:
    days = [f"20{year:02d}-{month:02d}-01" for year in range(10, 31) for month in range(1, 13)]
    for day in days:
        world.set_count(day, "1")

    world.runs.update({day: DeliveredObject("readings", day, "2030-12-31") for day in days}, LATER)

    unloads = [sql for sql, _ in world.engine.statements if "UNLOAD" in sql]
    assert len(unloads) == 3 + 1
    assert {period for name, period in world.index.editions if name == "hourly"} == set(days)


def test_a_period_without_rows_has_no_edition(world: World) -> None:
    world.runs.rerun("hourly", ["1999-01-01"], "request", LATER)

    assert world.index.editions == {}


def test_a_rerun_request_runs_once(world: World) -> None:
    world.runs.update(A, LATER)
    world.set_count("2030-01-01", "2")
    world.set_count("2030-01-02", "2")

    for _ in range(2):
        world.runs.rerun("hourly", ["2030-01-01"], "request", LATER)
        world.runs.rerun("quality", ["2030-01-01", "2030-01-02"], "request", LATER)

    assert (world.count("hourly", "2030-01-01"), world.count("quality", "2030-01-02")) == ("2", "2")
    assert len(world.engine.statements) == 8


def test_work_after_the_deadline_is_left_and_continues_with_the_next_call(world: World) -> None:
    with pytest.raises(StillRunning):
        world.runs.update(A, world.time - 1)
    with pytest.raises(StillRunning, match="hourly from 2030-01-01"):
        world.runs.rerun("hourly", ["2030-01-01"], "request", world.time - 1)
    assert (world.engine.statements, world.index.editions) == ([], {})

    world.runs.update(A, world.time)
    world.runs.rerun("hourly", ["2030-01-01"], "request", world.time + 200)

    assert world.count("hourly", "2030-01-01") == "1"


def test_athena_is_waited_for_until_the_deadline_at_most(world: World) -> None:
    world.runs.rerun("hourly", ["2030-01-01"], "first", world.time + 200)
    world.time += 150
    world.runs.rerun("hourly", ["2030-01-01"], "second", world.time + 50)

    assert world.engine.waits == [200, 200, 50, 50]


def test_no_value_is_in_the_sql_of_a_statement(world: World) -> None:
    world.runs.update(A, LATER)

    assert not any("2030-01" in sql for sql, _ in world.engine.statements)


# What waits

DAY, ARRIVAL = Period("event day", "2030-01-01"), Period("arrival day", "2030-01-02")


def of_size(name: str, size: int) -> dict[str, DeliveredObject]:
    return {name: DeliveredObject("readings", "2030-01-01", "2030-01-02", size)}


def test_what_is_little_beside_its_period_waits_and_a_message_comes_back(world: World) -> None:
    world.runs.update(of_size("a", 1_000_000), LATER)
    statements = len(world.engine.statements)
    world.runs.update(of_size("b", 1000), LATER)

    assert len(world.engine.statements) == statements
    assert world.wakes.sent == [([ARRIVAL, DAY], 71)], "1 001 000 bytes at 10 000 a second, 30 seconds early"

    world.time += 71
    world.set_count("2030-01-01", "2")
    world.runs.run_due([DAY, ARRIVAL], LATER)

    assert world.count("hourly", "2030-01-01") == "2"
    assert world.waiting() == []


def test_many_small_objects_wait_as_what_opening_them_costs(world: World) -> None:
    """S3 charges for each object that a run opens, however small it is."""
    key = "readings/day=2030-01-01/arrived-2030-01-02/{}.parquet"
    world.runs.update({str(number): parse_key(key.format(number), 1) for number in range(100)}, LATER)

    world.runs.update({"late": parse_key(key.format("late"), 1)}, LATER)

    assert world.wakes.sent == [([ARRIVAL, DAY], 72)], "101 objects at one a second, 30 seconds early"


def test_a_period_that_grew_enough_runs_before_its_time(world: World) -> None:
    world.runs.update(of_size("a", 1_000_000), LATER)
    world.runs.update(of_size("b", 1_000_000), LATER)
    statements = len(world.engine.statements)

    world.runs.update(of_size("c", 1_000_000), LATER)

    assert len(world.engine.statements) > statements, "two of three million bytes wait"


def test_one_message_is_on_its_way_whatever_is_repeated_and_however_long_it_takes(world: World) -> None:
    world.runs.update(of_size("a", 100_000_000), LATER)
    for name in ("b", "c", "b"):
        world.runs.update(of_size(name, 1000), LATER)

    for _ in range(3):
        assert [seconds for _, seconds in world.wakes.sent] == [300]
        world.time += 301
        world.wakes.sent.clear()
        for _ in range(2):  # SQS may deliver it twice
            world.runs.run_due([DAY, ARRIVAL], LATER)

    assert len(world.waiting()) == 2


def test_a_message_that_comes_back_finds_nothing_after_a_run(world: World) -> None:
    world.runs.update(of_size("a", 1_000_000), LATER)
    world.runs.update(of_size("b", 1_000), LATER)
    world.runs.update(of_size("c", 3_000_000), LATER)
    statements = len(world.engine.statements)
    world.wakes.sent.clear()

    world.runs.run_due([DAY, ARRIVAL], LATER)

    assert (len(world.engine.statements), world.wakes.sent) == (statements, [])


def test_a_run_that_did_not_end_is_continued_whatever_came_since(world: World) -> None:
    world.engine.failing = StillRunning("query 1")
    with pytest.raises(StillRunning):
        world.runs.update(of_size("a", 10_000_000), LATER)
    world.engine.failing = None
    begun = world.index.waits[DAY]
    world.time += 250

    world.runs.update(of_size("b", 100), LATER)

    assert begun.run_bytes == 10_000_000
    assert world.index.waits[DAY].bytes == 100, "what came after the run began waits"
    assert world.index.waits[DAY].since >= begun.run_at
    assert {sql for sql, _ in world.engine.statements if "UNLOAD" in sql}
    assert len(world.engine.statements) == 4, "two for each report"


def test_two_calls_at_once_share_a_run(world: World) -> None:
    """The second one finds the statements of the first by their tokens, and ends nothing twice."""
    world.runs.update(of_size("a", 1000), LATER)
    world.time += 30
    world.engine.failing = StillRunning("query 1")
    with pytest.raises(StillRunning):
        world.runs.update(of_size("b", 3000), LATER)
    world.engine.failing = None
    both = dict(world.index.waits)
    world.runs.run_due([DAY, ARRIVAL], LATER)
    statements = len(world.engine.statements)

    world.index.waits = both
    world.runs.run_due([DAY, ARRIVAL], LATER)

    assert len(world.engine.statements) == statements


def test_a_run_reads_every_day_of_the_bytes_that_it_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another call notes an object of another event day just before the run begins."""
    waiting = world.index.waiting

    def later(periods: Collection[Period]) -> list[Waiting]:
        monkeypatch.undo()
        world.index.add_arrivals({ARRIVAL.day: {"2029-12-31"}})
        world.index.add_waiting({ARRIVAL: 100}, 1_900_000_000_000)
        return waiting(periods)

    monkeypatch.setattr(world.index, "waiting", later)
    world.runs.update(A, LATER)

    (quality,) = (parameters for sql, parameters in world.engine.statements if "FROM errors" in sql)
    assert "'2029-12-31'" in quality
    assert world.waiting() == []


def test_a_statement_that_begins_after_one_of_more_event_days_is_not_the_last(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of quality looks which event days to read. Before its statement begins, another run reads one more."""
    world.runs.update(A, LATER)
    arrivals, early = world.index.arrivals, [world.index.arrivals(ARRIVAL.day)] * 2
    world.index.add_arrivals({ARRIVAL.day: {"2029-12-31"}})
    monkeypatch.setattr(world.index, "arrivals", lambda first: early.pop() if early else arrivals(first))

    world.runs.rerun("quality", [ARRIVAL.day], "request", LATER)

    read = [parameters for sql, parameters in world.engine.statements if "FROM errors" in sql]
    assert ["'2029-12-31'" in parameters for parameters in read] == [False, False, True]


def test_a_run_that_was_begun_a_day_ago_begins_again(world: World) -> None:
    """The output of its statements may have expired: the lifecycle rule `runs` keeps it for two days."""
    world.engine.failing = StillRunning("query 1")
    with pytest.raises(StillRunning):
        world.runs.update(of_size("a", 1000), LATER)
    first = world.index.waits[DAY].run_at
    world.time += 86_400

    with pytest.raises(StillRunning):
        world.runs.run_due([DAY], LATER)

    assert world.index.waits[DAY].run_at == first + 86_400_000


# Hours

HOUR = Period("event hour", "2030-01-01T07")


def on_time(name: str, hour: str = "07", size: int = 100) -> dict[str, DeliveredObject]:
    return {name: DeliveredObject("readings", "2030-01-01", "2030-01-01", size, hour)}


def unloads(world: World, report: str = "hourly") -> list[list[str]]:
    """Return the parameters of the statements of a report."""
    return [parameters for sql, parameters in world.engine.statements if f"/runs/{report}/" in sql]


def test_a_run_reads_the_hours_that_changed_and_takes_the_others_from_the_run_before(world: World) -> None:
    world.runs.update(on_time("a") | on_time("b", "08"), LATER)
    first = world.index.editions["hourly", "2030-01-01"]
    world.runs.update(on_time("c", "08", 1000), LATER)

    both, one = unloads(world)
    assert both == ["'2030-01-01'", "'readings'", "'readings-07'", "'readings-08'", "7", "8"]
    assert one == ["'2030-01-01'", "'readings'", "'readings-08'", "8", f"'{first.run}'", "'2030-01-01'", "8"]
    assert world.index.editions["hourly", "2030-01-01"].base == first.version


def test_a_run_after_that_of_an_earlier_release_reads_the_whole_day(world: World) -> None:
    world.runs.update(on_time("a"), LATER)
    latest = world.index.editions["hourly", "2030-01-01"]
    world.index.editions["hourly", "2030-01-01"] = replace(latest, run="", job="", read_at=0, base=None)

    world.runs.update(on_time("b", size=1000), LATER)

    assert unloads(world)[1] == ["'2030-01-01'", *(f"'{part}'" for part in PARTS)]


def test_a_run_reads_the_whole_day_when_the_output_of_the_last_one_may_have_expired(world: World) -> None:
    world.runs.update(on_time("a"), LATER)
    world.time = world.engine.clock / 1000 + 86_401

    world.runs.update(on_time("b", size=1000), LATER)

    assert len(unloads(world)[1]) == 1 + len(PARTS)


def test_what_is_late_runs_the_whole_day_once_with_its_hours(world: World) -> None:
    world.runs.update(on_time("a") | A, LATER)

    assert [len(parameters) for parameters in unloads(world)] == [1 + len(PARTS)]
    assert world.waiting() == []


def test_a_report_without_an_hour_runs_by_days(reports: dict[str, Report]) -> None:
    world = World({"hourly": replace(reports["hourly"], hour="")})

    world.runs.update(on_time("a"), LATER)

    assert [len(parameters) for parameters in unloads(world)] == [1 + len(PARTS)]
    assert {period.kind for period in world.index.waits} == {"on-time day"}


def test_a_run_that_died_after_it_published_runs_nothing_and_completes_the_catalog(world: World) -> None:
    world.runs.update(on_time("a"), LATER)
    world.time += 30
    before, locations = dict(world.index.waits), dict(world.catalog.locations)
    world.runs.update(on_time("b", size=1000), LATER)
    statements = len(world.engine.statements)
    edition = world.index.editions["hourly", "2030-01-01"]
    world.index.waits, world.catalog.locations = before, locations
    world.index.objects.clear()

    world.runs.update(on_time("b", size=1000), LATER)

    assert len(world.engine.statements) == statements
    assert world.index.editions["hourly", "2030-01-01"] == edition
    assert world.catalog.version("hourly", "2030-01-01") == edition.version


# Any order and number of batches


class Sent(NamedTuple):
    """A record of a reading, in an object of its own."""

    reading: int
    value: int
    is_on_time: bool
    days_late: int
    size: int
    is_repeated: bool
    dies_after: int
    """The calls of the ports after which the call dies."""
    is_meanwhile: bool
    """Whether it comes while a statement of the record before it has begun."""
    pause: int
    """Seconds until the next one."""

    @property
    def hour(self) -> str:
        """Return the hour of the event: two readings in each of two hours of two days."""
        return f"2030-01-0{1 + self.reading // 4}T0{self.reading // 2 % 2}"

    @property
    def part(self) -> str:
        return f"readings-{self.hour[-2:]}" if self.is_on_time else "readings"

    def object(self) -> DeliveredObject:
        day, _, hour = self.hour.partition("T")
        arrived = str(date.fromisoformat(day) + timedelta(days=0 if self.is_on_time else self.days_late))
        return DeliveredObject("readings", day, arrived, self.size, hour if self.is_on_time else "")


records = st.builds(
    Sent,
    reading=st.integers(0, 7),
    value=st.integers(1, 3),
    is_on_time=st.booleans(),
    days_late=st.integers(0, 9),
    size=st.integers(1, 10_000_000),
    is_repeated=st.booleans(),
    dies_after=st.integers(1, 60),
    is_meanwhile=st.booleans(),
    pause=st.integers(0, 5_000),
)


class Bucket(MemoryEngine):
    """A query engine over objects of one record each. It does what the statements of the reports say."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.records: dict[str, Sent] = {}
        self.outputs: dict[str, dict[Day, Table]] = {}
        self.meanwhile: list[Callable[[], None]] = []
        self.one_by_one = Lock()  # the reports run side by side

    def run(self, name: str, statement: Callable[[str], str], parameters: Sequence[str], seconds: float) -> QueryResult:
        with self.one_by_one:
            sql, token = statement(""), f"{len(self.results):064d}"
            values = [each.strip("'") for each in parameters]
            if name not in self.results:
                if "UNLOAD" in sql:
                    self.outputs[token] = self.quality(values) if "FROM errors" in sql else self.by_hour(sql, values)
                    self.tables = self.outputs[token]
                else:
                    self.tables = self.outputs[values[0]]
            result = super().run(name, statement, parameters, seconds)
            meanwhile = self.meanwhile.pop() if self.meanwhile else None
        if meanwhile:
            meanwhile()
        return result

    def by_hour(self, sql: str, values: list[str]) -> dict[Day, Table]:
        """Return the rows of `hourly` or `conflicts`: with each reading, its first value and how many it has."""
        given = []
        for found in re.finditer(r"(\w+)(?:\(\w+\))? (?:(?:NOT )?IN \(([?, ]+)\)|= (\?))", sql):
            count = (found[2] or found[3]).count("?")
            given.append(values[:count])
            del values[:count]
        days, parts, *rest = given
        hours = {int(each) for each in rest[0]} if rest else set(range(24))
        found = defaultdict(list)
        for _, sent in sorted(self.records.items()):
            day, _, hour = sent.hour.partition("T")
            if day in days and sent.part in parts and int(hour) in hours:
                found[day, hour, sent.reading].append(sent.value)
        rows: dict[Day, Table] = defaultdict(list)
        for (day, hour, reading), all_values in sorted(found.items()):
            if "/runs/hourly/" in sql or len(set(all_values)) > 1:
                row = {"hour": hour, "reading": str(reading), "value": str(all_values[0])}
                rows[day].append(row | {"distinct": str(len(set(all_values)))})
        for run, period, _ in [rest[1:]] if rest[1:] else []:
            rows[period[0]] += [row for row in self.outputs[run[0]].get(period[0], []) if int(row["hour"]) not in hours]
        return {day: sorted(table, key=str) for day, table in rows.items() if table}

    def quality(self, values: list[str]) -> dict[Day, Table]:
        *days, arrived, _ = values
        seen: set[int] = set()
        counts = {"accepted": 0, "duplicate": 0}
        for _, sent in sorted(self.records.items(), key=lambda item: (item[1].object().arrived, item[0])):
            if sent.object().day in days:
                if sent.object().arrived == arrived:
                    counts["duplicate" if sent.reading in seen else "accepted"] += 1
                seen.add(sent.reading)
        return {arrived: [{"outcome": name, "records": str(count)} for name, count in counts.items()]}


def record(reading: int, is_on_time: bool) -> Sent:
    return Sent(reading, 1, is_on_time, 1, 100, False, 0, False, 0)


@pytest.mark.parametrize("has_edition", [False, True])
@pytest.mark.parametrize("first", [True, False], ids=["an hour", "what is late"])
def test_what_another_run_publishes_meanwhile_is_not_lost(first: bool, has_edition: bool) -> None:
    """Both are of one day: the later statement ends first, and has not read what the earlier one has."""
    world = World({"hourly": load(REPORTS)["hourly"]}, Bucket)
    assert isinstance(world.engine, Bucket)
    sent = {"1": record(0, first), "2": record(2, is_on_time=True)} | ({"0": record(1, True)} if has_edition else {})
    if has_edition:
        world.engine.records["0"] = sent["0"]
        world.deliver({"0": sent["0"].object()})
    world.engine.records = sent
    world.engine.meanwhile = [lambda: world.deliver({"2": sent["2"].object()})]

    world.deliver({"1": sent["1"].object()})

    assert [row["reading"] for row in world.table("hourly", "2030-01-01")] == sorted(
        str(each.reading) for each in sent.values()
    )


@given(sent=st.lists(records, min_size=1, max_size=30), data=st.data())
@settings(max_examples=40, deadline=None)
def test_reports_made_in_any_order_and_batches_equal_those_made_at_once(sent: list[Sent], data: st.DataObject) -> None:
    world, whole = World(load(REPORTS), Bucket), World(load(REPORTS), Bucket)
    assert isinstance(world.engine, Bucket)
    assert isinstance(whole.engine, Bucket)
    named = {f"{number:02d}": each for number, each in enumerate(sent)}  # in the order of their arrival

    def deliver(name: str) -> None:
        world.engine.records[name] = named[name]  # type: ignore[attr-defined]
        for _ in range(1 + named[name].is_repeated):
            world.deliver({name: named[name].object()})

    for name in data.draw(st.permutations(sorted(named))):
        if named[name].is_meanwhile:
            world.engine.meanwhile.append(partial(deliver, name))
            continue
        world.calls_left = named[name].dies_after
        deliver(name)
        world.pass_time(named[name].pause)
    while world.engine.meanwhile:
        world.engine.meanwhile.pop()()
    world.calls_left = math.inf
    world.pass_time(math.inf)

    whole.engine.records = named
    whole.deliver({name: each.object() for name, each in named.items()})
    whole.pass_time(math.inf)

    assert world.waiting() == []
    assert world.tables() == whole.tables()
    counts = [int(row["records"]) for (name, _), table in world.tables().items() if name == "quality" for row in table]
    assert sum(counts) == len(sent)
    accepted = sum(len(table) for (name, _), table in world.tables().items() if name == "hourly")
    assert accepted == len({each.reading for each in sent})
