"""The statements of the reports, run by the local Athena: what counts, what is a duplicate, and what is a conflict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chalicelib.reports import PARTS, load
from localaws.athena.engine import Engine
from localaws.athena.query import Query
from localaws.athena.statements import read

DAY = "2030-01-01"
REPORTS = load(Path(__file__).parent.parent.parent / "pipeline-app" / "chalicelib" / "reports")
VALUES = {"days": [DAY], "periods": [DAY], "period": [DAY], "parts": PARTS}
COLUMNS = "day, part, device_id, metric, value, unit, ts, seq, arrived_at, record, corrected_at"


def reading(
    value: float,
    arrived: str,
    record: int,
    corrected: str = "",
    seq: int = 0,
    ts: str = "00:00:00",
    part: str = "readings",
) -> str:
    """Return a row of the table ``readings``. Times are of one day."""
    at = f"timestamp '{DAY} {corrected}.000'" if corrected else "CAST(NULL AS timestamp)"
    return (
        f"('{DAY}', '{part}', 'pump', 'm', {value}e0, 'C', timestamp '{DAY} {ts}.000', {seq},"
        f" timestamp '{DAY} {arrived}.000', {record}, {at})"
    )


@pytest.fixture
def rows(tmp_path: Path) -> Any:
    """Return a function that returns the rows of a report over readings.

    With *hours*, they are those of a run of these hours, and *before* has the output of the run before it.
    """

    def rows(report: str, *readings: str, hours: Sequence[int] = (), before: str = "") -> list[dict[str, str | None]]:
        sql, parameters = REPORTS[report].statement(VALUES)
        if hours:
            sql, parameters = REPORTS[report].statement_of_hours(DAY, hours, "x" if before else "")
            sql = sql.replace(f"FROM {report}_runs", f"FROM ({before}) AS {report}_runs")
        sql = sql.replace("FROM readings", f"FROM (VALUES {', '.join(readings)}) AS readings({COLUMNS})")
        errors = f"(VALUES ('{DAY}', 'not_json', 91), ('{DAY}', 'not_json', 92), ('{DAY}', 'not_json', 92))"
        sql = sql.replace("FROM errors", f"FROM {errors} AS errors(day, reason, record)")
        tree = read(sql, parameters).tree
        assert tree is not None
        engine = Engine(tmp_path)
        prepared = Query(None, None, engine, tmp_path, "db", None).prepare(tree)  # type: ignore[arg-type]
        columns = engine.columns(prepared)
        found = [dict(zip([name for name, _ in columns], row, strict=True)) for row in engine.rows(prepared, columns)]
        engine.close()
        assert [name for name, _ in columns] == [*(column.name for column in REPORTS[report].columns), "period"]
        return found

    return rows


def output(report: str, found: list[dict[str, str | None]]) -> str:
    """Return a query of the rows that a run wrote."""
    types = {"string": "varchar"}
    cells = (
        [
            f"CAST('{row[each.name]}' AS {types.get(each.type, each.type)}) AS {each.name}"
            for each in REPORTS[report].columns
        ]
        for row in found
    )
    return " UNION ALL ".join(f"SELECT 'x' AS run, '{DAY}' AS period, {', '.join(row)}" for row in cells)


FIRST, SECOND = reading(1, "10:00:00", 1), reading(2, "10:00:01", 2)


@pytest.mark.parametrize(
    ("readings", "value", "corrected"),
    [
        pytest.param([SECOND, FIRST], "1.0", "false", id="the first to arrive"),
        pytest.param([FIRST, SECOND, reading(2, "10:00:00", 0)], "2.0", "false", id="of two at once always the same"),
        pytest.param([FIRST, reading(2, "10:00:01", 2, "10:00:01")], "2.0", "true", id="the corrected one"),
        pytest.param([reading(2, "10:00:00", 1, "10:00:00"), FIRST], "2.0", "true", id="not another one"),
        pytest.param(
            [FIRST, reading(3, "10:00:02", 3, "10:00:01"), reading(2, "10:00:01", 2, "10:00:02")],
            "2.0",
            "true",
            id="the one that was corrected last",
        ),
    ],
)
def test_one_value_of_a_reading_counts_and_the_others_are_a_conflict(
    rows: Any, readings: list[str], value: str, corrected: str
) -> None:
    (hour,) = rows("hourly", *readings)
    (conflict,) = rows("conflicts", *readings)

    assert (hour["count"], hour["avg"]) == ("1", value)
    assert (conflict["value"], conflict["lowest"], conflict["corrected"]) == (value, "1.0", corrected)
    assert conflict["ts"] == f"{DAY} 00:00:00.000"


def test_the_same_value_again_is_no_conflict(rows: Any) -> None:
    again, corrected = reading(1, "10:00:05", 3), reading(1, "11:00:00", 5, "11:00:00")
    readings = [FIRST, again, reading(2, "10:00:00", 4, seq=1), corrected]

    assert rows("conflicts", *readings) == []
    assert [row["count"] for row in rows("hourly", *readings)] == ["2"]


def test_every_record_is_accepted_a_duplicate_or_bad(rows: Any) -> None:
    readings = [FIRST, FIRST, SECOND, reading(3, "10:00:02", 3, "10:00:02"), reading(3, "10:00:02", 4, seq=1)]

    counts = {row["outcome"]: row["records"] for row in rows("quality", *readings)}

    assert counts == {"accepted": "2", "duplicate": "2", "bad": "2"}


@pytest.mark.parametrize(
    ("readings", "newest"),
    [
        ([reading(1, "10:00:00", 1, ts="09:00:00")], "09:00:00"),
        ([reading(1, "10:00:00", 1, ts="08:59:59")], None),
        ([reading(1, "10:00:00", 1, ts="10:04:00")], "10:00:00"),
        ([reading(1, "10:00:00", 1, ts="09:30:00"), reading(1, "11:00:00", 2, ts="00:30:00")], "09:30:00"),
    ],
)
def test_the_newest_reading_is_no_history_and_not_in_the_future(
    rows: Any, readings: list[str], newest: str | None
) -> None:
    (accepted,) = (row for row in rows("quality", *readings) if row["outcome"] == "accepted")

    assert accepted["newest_event"] == (newest and f"{DAY} {newest}.000")


@pytest.mark.parametrize("report", ["hourly", "conflicts"])
def test_a_run_of_some_hours_equals_one_of_the_whole_day(rows: Any, report: str) -> None:
    """The hour 10 changes: a late copy of a reading that was on time, and a reading that was late."""
    before = [
        reading(value, f"{hour}:30:00", seq, seq=seq, ts=f"{hour}:15:00", part=f"readings-{hour}")
        for hour in ("09", "10", "11")
        for seq, value in enumerate((2, 3))
    ]
    before += [reading(9, "14:00:00", 7, seq=0, ts=f"{hour}:15:00") for hour in ("09", "11")]
    new = [reading(8, "15:00:00", 8, seq=0, ts="10:15:00"), reading(1, "15:00:00", 9, seq=5, ts="10:59:59")]

    merged = rows(report, *before, *new, hours=[10], before=output(report, rows(report, *before)))

    whole = rows(report, *before, *new)
    assert sorted(merged, key=str) == sorted(whole, key=str)
    assert len(whole) == 3
    (alone,) = rows(report, *before, *new, hours=[10])
    assert alone in whole
