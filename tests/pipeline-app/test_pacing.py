"""When a period runs again: what it costs and how long anything waits, whatever arrives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bench.report_day import Day
from chalicelib.pacing import EARLY, GROWTH, Waiting, due_at, longest

RATE = 10_000
START = 1_893_456_000_000
"""2030-01-01."""
HOUR = 3_600_000


def waiting(size: int, since: int = START, ran_at: int = START) -> Waiting:
    return Waiting(kind="event day", day="2030-01-01", bytes=size, since=since, ran_at=ran_at)


@pytest.mark.parametrize(
    ("new", "size", "hours"),
    [
        pytest.param(100, 100, 0, id="all of it is new"),
        pytest.param(200, 300, 0, id="two thirds are new"),
        pytest.param(199, 36_000_000, 1, id="less is new: an hour after the last run at 10 kB/s"),
        pytest.param(1, 10**12, 12, id="half a day at most"),
        pytest.param(1, 0, 0, id="a day that an earlier release began has no size"),
    ],
)
def test_a_period_runs_when_it_has_grown_or_has_waited(new: int, size: int, hours: int) -> None:
    assert due_at(waiting(new), size, RATE) == START + max(0, hours * HOUR - EARLY)


def test_what_comes_long_after_the_last_run_is_due_at_once() -> None:
    assert due_at(waiting(1, ran_at=START - 60_000), 600_000, RATE) == START


def test_a_few_kilobytes_are_due_at_once() -> None:
    assert due_at(waiting(1), 300_000, RATE) == START
    assert due_at(waiting(1), 300_010, RATE) == START + 1


def test_a_run_that_has_begun_is_due() -> None:
    assert due_at(waiting(1).begun(START + 5), 10**12, RATE) == START


def test_nothing_waits_for_longer_than_its_bound() -> None:
    day = 24 * HOUR
    by_arrival = replace(waiting(1), kind="arrival day")

    assert longest(waiting(1, START + day - 1)) == 12 * HOUR
    assert longest(by_arrival) == day
    assert longest(waiting(1, START + day)) == longest(waiting(1, START + 8 * day)) == 7 * day
    assert longest(waiting(1, START + 11 * day)) == 10 * day, "what came ten days late waits for ten days at most"


def test_an_hour_waits_for_minutes_whatever_has_grown_and_however_late_it_is() -> None:
    hour = replace(waiting(100, ran_at=0), kind="event hour", day="2030-01-01T07")

    assert due_at(hour, 300_000, RATE) == START, "a few kilobytes"
    assert due_at(hour, 10**12, RATE) == START + 35 * 60_000 - EARLY
    assert due_at(replace(hour, bytes=10**12), 10**12, RATE) == START + 35 * 60_000 - EARLY, "all of it is new"
    assert longest(replace(hour, since=START + 100 * HOUR)) == 35 * 60_000


def test_the_first_run_of_a_day_that_reads_others_waits_too() -> None:
    assert due_at(waiting(100, ran_at=0), 10**12, RATE) == START + 12 * HOUR - EARLY


def test_what_came_after_a_run_began_still_waits() -> None:
    begun = waiting(100).begun(START + 50)
    more = replace(begun, bytes=130)

    assert begun.ended().bytes == 0
    assert more.ended() == waiting(30, since=START + 50, ran_at=START + 50)


def test_the_reports_of_a_day_scan_less_than_ten_times_its_bytes() -> None:
    """With late and very late data, of 10 GB: the table in docs/pipeline.md."""
    assert Day(1e10, every=5).measured().scanned < 10 * 1e10


arrivals = st.lists(st.tuples(st.integers(1, 10**11), st.integers(0, 80 * HOUR)), min_size=1, max_size=60)


@given(arrivals=arrivals, rate=st.integers(1, 10**9), late=st.integers(0, 40))
def test_whatever_arrives_what_is_read_is_bounded_and_nothing_waits_for_longer_than_its_bound(
    arrivals: list[tuple[int, int]], rate: int, late: int
) -> None:
    now = START + late * 24 * HOUR
    size = read = waits_of_longest = 0
    begun, ran_at, pending = now, 0, None
    for new, pause in arrivals:
        size += new
        pending = waiting((pending.bytes if pending else 0) + new, pending.since if pending else now, ran_at)
        until = now + pause
        due = max(now, due_at(pending, size, rate))
        assert due <= max(now, pending.since + longest(pending))
        if due <= until:
            read += size
            waits_of_longest += due - pending.since >= longest(pending) - EARLY
            ran_at, pending = due, None
        now = until

    milliseconds = now - begun + len(arrivals) * (EARLY + 1)
    assert read <= GROWTH * size + rate * milliseconds / 1000 + waits_of_longest * size
    assert waits_of_longest <= milliseconds / (12 * HOUR)
