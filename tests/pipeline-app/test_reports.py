"""The header, the statement and the rows of a report, and the days that new objects affect."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.arrivals import (
    OPENING,
    DeliveredObject,
    changed_periods,
    days_read,
    event_days,
    parse_key,
    partitions_changed,
    partitions_read,
)
from chalicelib.pacing import Period
from chalicelib.reports import PARTS, Report, RerunRequest
from localaws.athena.failures import Malformed
from localaws.athena.statements import read


def test_a_report_is_a_file_with_a_header(reports: dict[str, Report]) -> None:
    assert list(reports) == ["hourly", "quality"]
    assert {report.period for report in reports.values()} == {"event day", "arrival day"}
    assert all(report.title and report.order for report in reports.values())
    assert not any("--" in report.sql for report in reports.values())


def test_the_values_of_a_statement_are_parameters_in_its_order(reports: dict[str, Report]) -> None:
    sql, parameters = reports["quality"].statement({"period": ["2030-01-02"], "days": ["2030-01-01", "2030-01-02"]})

    assert sql.count("?") == len(parameters)
    assert "2030" not in sql
    assert parameters == ["'2030-01-01'", "'2030-01-02'", *["'2030-01-02'"] * 2]


@pytest.mark.parametrize("name", ["hourly", "quality"])
def test_athena_takes_the_parameters_of_every_report(reports: dict[str, Report], name: str) -> None:
    """They are in WHERE: https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html"""
    days = ["2030-01-01", "2030-01-02"]
    sql, parameters = reports[name].statement({"period": days[:1], "periods": days, "days": days, "parts": PARTS})

    assert read(sql, parameters).substatement == "SELECT"
    with pytest.raises(Malformed, match="only in the WHERE clause"):
        read(sql.replace("count(*)", "count(?)", 1), [*parameters, "1"])


@pytest.mark.parametrize("value", ["2030-01-01' OR 1=1 --", "2030-13-01", "", "'", "2030-01-01; DROP TABLE readings"])
def test_a_value_that_is_not_a_day_makes_no_statement(reports: dict[str, Report], value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        reports["hourly"].statement({"periods": [value]})


def test_a_key_names_its_kind_day_and_arrival() -> None:
    key = "readings/day=2014-03-05/arrived-2030-01-01/2030/01/01/12/pipeline-1-2030.parquet"

    assert parse_key(key, 7) == DeliveredObject("readings", "2014-03-05", "2030-01-01", 7 + OPENING)
    assert parse_key(f"errors{key.removeprefix('readings')}").kind == "errors"


@pytest.mark.parametrize(
    "key",
    [
        "readings/x.parquet",
        "readings-24/day=2014-03-05/arrived-2030-01-01/x",
        "errors-01/day=2014-03-05/arrived-2030-01-01/x",
    ],
)
def test_a_key_in_another_form_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="Firehose"):
        parse_key(key)


def test_new_objects_change_their_event_days_and_their_day_of_arrival() -> None:
    new = [
        DeliveredObject("readings", "2030-01-01", "2030-01-02", 10),
        DeliveredObject("readings", "2030-01-02", "2030-01-02", 20),
        DeliveredObject("readings", "2030-01-02", "2030-01-02", 30),
        DeliveredObject("errors", "2030-01-02", "2030-01-02", 5),
    ]
    known = {"2030-01-02": {"2029-12-31", "2030-01-01", "2030-01-02"}}

    assert event_days(new) == {"2030-01-02": {"2030-01-01", "2030-01-02"}}
    assert changed_periods(new, known) == {
        Period("event day", "2030-01-01"): 10,
        Period("event day", "2030-01-02"): 50,
        Period("arrival day", "2030-01-02"): 65,
    }
    assert days_read(Period("event day", "2030-01-02"), known) == ["2030-01-02"]
    assert days_read(Period("arrival day", "2030-01-02"), known) == ["2029-12-31", "2030-01-01", "2030-01-02"]


def test_a_late_object_changes_later_arrivals_of_the_same_event_day_only() -> None:
    new = [DeliveredObject("readings", "2030-01-01", "2030-01-02", 10)]
    known = {"2030-01-02": {"2030-01-01"}, "2030-01-03": {"2030-01-01"}, "2030-01-04": {"2030-01-04"}}

    changed = changed_periods(new, known)

    assert sorted(day for kind, day in changed if kind == "arrival day") == ["2030-01-02", "2030-01-03"]


def test_readings_that_were_on_time_change_their_hour() -> None:
    new = [
        DeliveredObject("readings", "2030-01-01", "2030-01-02", 10, "23"),
        DeliveredObject("readings", "2030-01-02", "2030-01-02", 20, "00"),
        DeliveredObject("readings", "2030-01-02", "2030-01-02", 5),
    ]

    changed = changed_periods(new, {})

    assert changed == {
        Period("event hour", "2030-01-01T23"): 10,
        Period("on-time day", "2030-01-01"): 10,
        Period("event hour", "2030-01-02T00"): 20,
        Period("on-time day", "2030-01-02"): 20,
        Period("event day", "2030-01-02"): 5,
        Period("arrival day", "2030-01-02"): 35,
    }
    in_objects = {partition for each in new for partition in partitions_changed(each)}
    for period in changed:
        assert set(partitions_read(period, {"2030-01-02": {"2030-01-01"}})) <= in_objects | {
            ("late", "2030-01-01"),
            ("errors", "2030-01-02"),
        }
    assert partitions_read(Period("event hour", "2030-01-02T00"), {}) == [
        ("late", "2030-01-02"),
        ("readings-00", "2030-01-02"),
    ]


def test_objects_of_errors_alone_change_no_event_day() -> None:
    new = [DeliveredObject("errors", "2030-01-02", "2030-01-02", 10)]

    assert event_days(new) == {"2030-01-02": set()}
    assert changed_periods(new, {"2030-01-02": {"2030-01-02"}}) == {Period("arrival day", "2030-01-02"): 10}


def test_an_object_of_unknown_size_changes_its_day() -> None:
    assert all(changed_periods([DeliveredObject("readings", "2030-01-01", "2030-01-01")], {}).values())


def test_quality_has_one_row_with_all_counts(reports: dict[str, Report]) -> None:
    table = [
        {"outcome": "accepted", "reason": "", "records": "90", "newest_event": "2030-01-01 00:00:00.000"},
        {"outcome": "duplicate", "reason": "", "records": "3", "newest_event": "2030-01-01 00:00:00.000"},
        {"outcome": "bad", "reason": "not_json", "records": "2", "newest_event": ""},
    ]

    assert msgspec.to_builtins(reports["quality"].rows(table)) == [
        {"received": 95, "accepted": 90, "duplicates": 3, "bad": {"not_json": 2}}
    ]


def test_the_rows_of_hourly_have_numbers_and_times(reports: dict[str, Report]) -> None:
    row = {"device_id": "7", "metric": "m", "hour": "2030-01-01 10:00:00.000", "count": "2"}

    (found,) = msgspec.to_builtins(reports["hourly"].rows([row | {"min": "1.0", "max": "1.0E2", "avg": "50.5"}]))

    assert found == {"device_id": "7", "metric": "m", "hour": "2030-01-01T10:00:00Z", "count": 2} | {
        "min": 1.0,
        "max": 100.0,
        "avg": 50.5,
    }


@pytest.mark.parametrize(
    ("body", "days"),
    [
        ({"period": "2030-01-01"}, ["2030-01-01"]),
        ({"from": "2030-01-01", "to": "2030-01-01"}, ["2030-01-01"]),
        ({"from": "2029-12-31", "to": "2030-01-01"}, ["2029-12-31", "2030-01-01"]),
    ],
)
def test_a_rerun_request_has_one_period_or_a_range(body: dict[str, str], days: list[str]) -> None:
    assert msgspec.json.decode(json.dumps(body), type=RerunRequest).days() == days


def test_a_rerun_request_has_at_most_ten_years_of_days() -> None:
    first = date(2020, 1, 1)

    for days in (3_700, 3_701):
        body = json.dumps({"from": str(first), "to": str(first + timedelta(days=days - 1))})
        with nullcontext() if days == 3_700 else pytest.raises(msgspec.ValidationError, match="at most 3700 days"):
            assert len(msgspec.json.decode(body, type=RerunRequest).days()) == days


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"period": "2030-01-01", "from": "2030-01-01", "to": "2030-01-02"},
        {"from": "2030-01-01"},
        {"from": "2030-01-02", "to": "2030-01-01"},
        {"from": "1970-01-01", "to": "2030-01-01"},
        {"period": "2030-01-01' OR '1'='1"},
    ],
)
def test_an_invalid_rerun_request_is_rejected(body: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(body), type=RerunRequest)
