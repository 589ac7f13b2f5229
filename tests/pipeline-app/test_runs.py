"""Runs of the reports: repeated, late, concurrent and unfinished ones."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import date, timedelta
from pathlib import Path
from threading import Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_memory import MemoryCatalog, MemoryEngine, MemoryIndex, MemoryStore, MemoryWakes

from chalicelib.arrivals import DeliveredObject
from chalicelib.pacing import Period, Waiting
from chalicelib.reports import Day, Report, load
from chalicelib.runs import QueryFailed, QueryResult, Runs, StillRunning

REPORTS = Path(__file__).parent.parent.parent / "pipeline-app" / "chalicelib" / "reports"

A = {"a": DeliveredObject("readings", "2030-01-01", "2030-01-02", 100)}
B = {"b": DeliveredObject("readings", "2030-01-01", "2030-01-02", 100)}
LATER = math.inf


class World:
    """Runs, with all that they need in memory."""

    def __init__(self, reports: dict[str, Report], engine: type[MemoryEngine] = MemoryEngine) -> None:
        self.store = MemoryStore()
        self.engine = engine(self.store)
        self.index = MemoryIndex()
        self.catalog = MemoryCatalog()
        self.time = 1_900_000_000.0
        self.wakes = MemoryWakes()
        self.runs = Runs(
            reports, self.engine, self.store, self.index, self.catalog, self.wakes, 10_000, lambda: self.time
        )
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
            self.runs.run_due(periods, LATER)
        self.time = max(self.time, end if end < math.inf else 0)

    def waiting(self) -> list[Waiting]:
        """Return all that waits."""
        return self.index.waiting(self.index.waits)

    def counts(self) -> dict[tuple[str, Day], str]:
        """Return the count in the latest edition of each report."""
        return {key: self.count(*key) for key in self.index.editions}

    def count(self, name: str, period: Day) -> str:
        """Return the count in the latest edition."""
        edition = self.index.latest(name, period)
        assert edition
        table = self.store.read(name, period, edition.version)
        assert table
        assert self.catalog.version(name, period) == edition.version
        return table[0]["count"]


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


# Any order and number of batches

arrivals = st.lists(
    st.tuples(
        st.integers(1, 3),  # the event day
        st.integers(3, 5),  # the day of arrival
        st.integers(1, 10_000_000),  # bytes
        st.integers(0, 2_000),  # seconds until the next batch
        st.booleans(),  # whether its notification is repeated
    ),
    min_size=1,
    max_size=30,
)


class Bucket(MemoryEngine):
    """A query engine over objects: the count of a period is the number of bytes in it."""

    one_by_one = Lock()  # the reports run side by side

    def run(self, name: str, statement: Callable[[str], str], parameters: Sequence[str], seconds: float) -> QueryResult:
        sql = statement("")
        by_arrival = "FROM errors" in sql or "quality_runs" in sql  # its last parameter is its period
        period = parameters[-1].strip("'")
        sizes: dict[Day, int] = defaultdict(int)
        for each in self.objects.values():
            if not by_arrival or each.arrived == period:
                sizes[period if by_arrival else each.day] += each.size
        with self.one_by_one:
            self.tables = {day: [{"count": str(size)}] for day, size in sizes.items()}
            return super().run(name, statement, parameters, seconds)


@given(arrivals=arrivals, data=st.data())
@settings(max_examples=40, deadline=None)
def test_reports_made_in_any_order_and_batches_equal_those_made_at_once(
    arrivals: list[tuple[int, int, int, int, bool]], data: st.DataObject
) -> None:
    world, whole = World(load(REPORTS), Bucket), World(load(REPORTS), Bucket)
    for number, (day, arrived, size, pause, is_repeated) in enumerate(data.draw(st.permutations(arrivals))):
        new = {f"{number}": DeliveredObject("readings", f"2030-01-0{day}", f"2030-01-0{arrived}", size)}
        world.engine.objects |= new
        for _ in range(1 + is_repeated):
            world.runs.update(new, LATER)
        world.pass_time(pause)
    world.pass_time(math.inf)

    whole.engine.objects = world.engine.objects
    whole.runs.update(whole.engine.objects, LATER)
    whole.pass_time(math.inf)

    assert world.waiting() == []
    assert world.counts() == whole.counts()
