"""Runs of the reports: repeated, late, concurrent and unfinished ones."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from report_memory import MemoryCatalog, MemoryEngine, MemoryIndex, MemoryStore

from chalicelib.arrivals import DeliveredObject
from chalicelib.reports import Day, Report
from chalicelib.runs import QueryFailed, Runs, StillRunning

A = {"a": DeliveredObject("readings", "2030-01-01", "2030-01-02")}
B = {"b": DeliveredObject("readings", "2030-01-01", "2030-01-02")}
LATER = math.inf


class World:
    """Runs, with all that they need in memory."""

    def __init__(self, reports: dict[str, Report]) -> None:
        self.store = MemoryStore()
        self.engine = MemoryEngine(self.store)
        self.index = MemoryIndex()
        self.catalog = MemoryCatalog()
        self.time = 1_900_000_000.0
        self.runs = Runs(reports, self.engine, self.store, self.index, self.catalog, lambda: self.time)
        self.set_count("2030-01-01", "1")
        self.set_count("2030-01-02", "1")

    def set_count(self, period: Day, count: str) -> None:
        """Set the count that the query engine returns for a period from now on."""
        self.engine.tables[period] = [{"count": count, "newest_event": f"{period} 00:00:00.000"}]

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
    world.runs.update(A, LATER)
    world.index.objects.clear()  # as if it had died before it recorded them
    statements, puts = len(world.engine.statements), dict(world.store.puts)

    world.runs.update(A, LATER)

    assert (len(world.engine.statements), world.store.puts) == (statements, puts)
    assert len(world.index.editions) == 2


def test_late_data_makes_a_new_edition_and_keeps_the_previous_one(world: World) -> None:
    world.runs.update(A, LATER)
    first = world.index.editions["hourly", "2030-01-01"].version
    world.set_count("2030-01-01", "2")
    world.runs.update(B, LATER)

    assert world.count("hourly", "2030-01-01") == "2"
    assert world.store.read("hourly", "2030-01-01", first)


def test_the_last_two_editions_are_kept(world: World) -> None:
    for number in range(5):
        world.set_count("2030-01-01", str(number))
        world.runs.update({str(number): A["a"]}, LATER)

    kept = [key for key in world.store.editions if key[0] == "hourly"]
    assert len(kept) == 2
    assert world.count("hourly", "2030-01-01") == "4"


def test_a_run_that_started_earlier_and_ends_later_is_not_the_latest(world: World) -> None:
    world.runs.update(A, LATER)
    newer = world.index.editions["hourly", "2030-01-01"]
    world.engine.clock -= 3_600_000
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
    assert (world.engine.statements, world.index.editions, world.index.objects) == ([], {}, set())

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
