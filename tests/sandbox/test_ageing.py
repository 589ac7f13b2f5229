"""`python -m bench ageing`: how the clock is turned, and what the table and the picture show."""

from xml.etree import ElementTree

import pytest

from bench.ageing import Sample, picture, table, turns


def sample(at: float, cpu: float) -> Sample:
    return Sample(at, at, {"emulator": cpu, "athena": 0}, {"emulator": 100_000_000, "athena": 20_000_000})


def test_the_clock_reaches_an_age_in_steps_that_take_their_own_time() -> None:
    assert list(turns(100, 700, 4)) == pytest.approx([145] * 4)


def test_the_table_has_the_use_of_each_process_at_each_age() -> None:
    lines = list(table({"young": [sample(0, 0), sample(10, 1)], "old": [sample(20, 2), sample(30, 4)]}))

    assert lines[2] == "| emulator | 10.0 % | 100 MB | 20.0 % | 100 MB |"
    assert lines[-1] == "| all | 10.0 % | 120 MB | 20.0 % | 120 MB |"


def test_the_table_has_a_process_that_only_has_memory_and_not_one_that_uses_little() -> None:
    kept = {f"function {number}": 30_000_000 for number in range(10)}
    pss = kept | {"shell": 1_000_000}
    idle = [Sample(at, at, dict.fromkeys(pss, 0), pss) for at in (0, 10)]

    names = [line.split("|")[1].strip() for line in table({"old": idle})]

    assert names[2:] == [*kept, "all"]


def test_the_picture_has_a_line_for_cpu_and_one_for_memory() -> None:
    samples = [sample(0, 0), sample(10, 1), sample(20, 3)]

    drawn = ElementTree.fromstring(picture(samples, {"young": samples[1:]}))  # noqa: S314 # our own

    lines = [each.get("points") for each in drawn.iter("{http://www.w3.org/2000/svg}polyline")]
    assert lines == ["360.0,155.0 710.0,30.0", "10.0,30.0 360.0,30.0 710.0,30.0"]
