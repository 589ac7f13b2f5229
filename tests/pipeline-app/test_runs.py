"""Runs of the reports, whatever comes twice, late, at once or half done."""

from __future__ import annotations

import math

import pytest
from report_memory import MemoryCatalogue, MemoryDatabase, MemoryReports, MemoryShelf

from chalicelib.reports import Arrived, Day, Report
from chalicelib.runs import QueryFailed, Runs, StillRunning

A = {"a": Arrived("readings", "2030-01-01", "2030-01-02")}
B = {"b": Arrived("readings", "2030-01-01", "2030-01-02")}
LATER = math.inf


class World:
    """Runs, and all that is around them."""

    def __init__(self, reports: dict[str, Report]) -> None:
        self.shelf = MemoryShelf()
        self.database = MemoryDatabase(self.shelf)
        self.register = MemoryReports()
        self.catalogue = MemoryCatalogue()
        self.time = 1_900_000_000.0
        self.runs = Runs(reports, self.database, self.shelf, self.register, self.catalogue, lambda: self.time)
        self.say("2030-01-01", "1")
        self.say("2030-01-02", "1")

    def say(self, period: Day, count: str) -> None:
        """Have the database say so of a period from now on."""
        self.database.tables[period] = [{"count": count, "newest_event": f"{period} 00:00:00.000"}]

    def said(self, name: str, period: Day) -> str:
        """What the latest edition says."""
        edition = self.register.latest(name, period)
        assert edition
        table = self.shelf.table(name, period, edition.version)
        assert table
        assert self.catalogue.version(name, period) == edition.version
        return table[0]["count"]


@pytest.fixture
def world(reports: dict[str, Report]) -> World:
    return World(reports)


def test_a_batch_makes_the_reports_of_the_periods_it_touches(world: World) -> None:
    world.runs.add(A, LATER)

    assert set(world.register.editions) == {("hourly", "2030-01-01"), ("quality", "2030-01-02")}
    assert world.said("hourly", "2030-01-01") == "1"
    assert world.register.last["quality"].newest_event == 1_893_542_400_000


def test_a_notification_that_comes_again_changes_nothing(world: World) -> None:
    world.runs.add(A, LATER)
    statements, puts = len(world.database.statements), dict(world.shelf.puts)

    world.runs.add(A, LATER)

    assert (len(world.database.statements), world.shelf.puts) == (statements, puts)


def test_a_batch_that_failed_half_way_goes_on_with_the_same_statements(world: World) -> None:
    world.database.failing = QueryFailed("no")
    with pytest.raises(QueryFailed):
        world.runs.add(A, LATER)
    world.database.failing = None
    world.runs.add(A, LATER)
    world.register.objects.clear()  # as if it had ended before it could take note
    statements = len(world.database.statements)

    world.runs.add(A, LATER)

    assert len(world.database.statements) == statements
    assert len(world.register.editions) == 2


def test_late_data_makes_a_new_edition_and_readers_of_the_one_before_go_on(world: World) -> None:
    world.runs.add(A, LATER)
    first = world.register.editions["hourly", "2030-01-01"].version
    world.say("2030-01-01", "2")
    world.runs.add(B, LATER)

    assert world.said("hourly", "2030-01-01") == "2"
    assert world.shelf.table("hourly", "2030-01-01", first)


def test_of_many_editions_two_are_kept(world: World) -> None:
    for number in range(5):
        world.say("2030-01-01", str(number))
        world.runs.add({str(number): A["a"]}, LATER)

    kept = [key for key in world.shelf.editions if key[0] == "hourly"]
    assert len(kept) == 2
    assert world.said("hourly", "2030-01-01") == "4"


def test_a_run_that_began_earlier_and_ends_later_is_not_the_latest(world: World) -> None:
    world.runs.add(A, LATER)
    newer = world.register.editions["hourly", "2030-01-01"]
    world.database.clock -= 3_600_000
    world.say("2030-01-01", "old")

    world.runs.add(B, LATER)

    assert world.register.editions["hourly", "2030-01-01"] == newer
    assert world.said("hourly", "2030-01-01") == "1"
    assert len([key for key in world.shelf.editions if key[0] == "hourly"]) == 1


def test_years_of_days_are_one_statement_for_a_hundred_of_them(world: World) -> None:
    days = [f"20{year:02d}-{month:02d}-01" for year in range(10, 31) for month in range(1, 13)]
    for day in days:
        world.say(day, "1")

    world.runs.add({day: Arrived("readings", day, "2030-12-31") for day in days}, LATER)

    unloads = [sql for sql, _ in world.database.statements if "UNLOAD" in sql]
    assert len(unloads) == 3 + 1
    assert {period for name, period in world.register.editions if name == "hourly"} == set(days)


def test_a_period_without_rows_has_no_edition(world: World) -> None:
    world.runs.repeat("hourly", ["1999-01-01"], "wish", LATER)

    assert world.register.editions == {}


def test_a_wish_makes_reports_again_once(world: World) -> None:
    world.runs.add(A, LATER)
    world.say("2030-01-01", "2")
    world.say("2030-01-02", "2")

    for _ in range(2):
        world.runs.repeat("hourly", ["2030-01-01"], "wish", LATER)
        world.runs.repeat("quality", ["2030-01-01", "2030-01-02"], "wish", LATER)

    assert (world.said("hourly", "2030-01-01"), world.said("quality", "2030-01-02")) == ("2", "2")
    assert len(world.database.statements) == 8


def test_what_does_not_fit_into_its_time_is_left_and_goes_on_when_it_comes_again(world: World) -> None:
    with pytest.raises(StillRunning):
        world.runs.add(A, world.time - 1)
    with pytest.raises(StillRunning, match="hourly from 2030-01-01"):
        world.runs.repeat("hourly", ["2030-01-01"], "wish", world.time - 1)
    assert (world.database.statements, world.register.editions, world.register.objects) == ([], {}, set())

    world.runs.add(A, world.time + 200)
    world.runs.repeat("hourly", ["2030-01-01"], "wish", world.time + 200)

    assert world.said("hourly", "2030-01-01") == "1"


def test_athena_is_waited_for_no_longer_than_there_is_time(world: World) -> None:
    world.runs.repeat("hourly", ["2030-01-01"], "first", world.time + 200)
    world.time += 150
    world.runs.repeat("hourly", ["2030-01-01"], "second", world.time + 50)

    assert world.database.patience == [200, 200, 50, 50]


def test_no_value_is_in_the_text_of_a_statement(world: World) -> None:
    world.runs.add(A, LATER)

    assert not any("2030-01" in sql for sql, _ in world.database.statements)
