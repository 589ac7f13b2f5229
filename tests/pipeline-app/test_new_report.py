"""A new report is a ``.sql`` file and its two tables; nothing else names it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from chalice.test import Client
from report_memory import MemoryCatalog, MemoryEngine, MemoryIndex, MemoryStore, MemoryWakes

from chalicelib.arrivals import DeliveredObject
from chalicelib.report_rows import Column
from chalicelib.reports import Report, load
from chalicelib.runs import Runs

APP = Path(__file__).parent.parent.parent / "pipeline-app"
REPORTS = APP / "chalicelib" / "reports"
IMAGINARY = """\
-- title: Readings of each day
-- period: event day
-- order: device_id
-- columns: device_id string, count bigint, mean double, price decimal(10,2), first timestamp, is_complete boolean
-- One row for each device.
SELECT device_id, count(*) AS count FROM readings WHERE day IN (:periods) GROUP BY day, device_id
"""
ROW = {
    "device_id": "pump-1",
    "count": "3",
    "mean": "1.0E2",
    "price": "7.50",
    "first": "2030-01-01 00:10:00.000",
    "is_complete": "true",
}


@pytest.fixture
def reports(fixed_reports: Path) -> dict[str, Report]:
    """The fixed reports and one more, which no other file of the app names."""
    (fixed_reports / "imaginary.sql").write_text(IMAGINARY)
    return load(fixed_reports)


@pytest.fixture
def runs(reports: dict[str, Report], index: MemoryIndex, store: MemoryStore) -> Runs:
    engine = MemoryEngine(store)
    engine.tables = {"2030-01-01": [ROW, ROW | {"device_id": "pump-2", "mean": "", "first": ""}]}
    return Runs({"imaginary": reports["imaginary"]}, engine, store, index, MemoryCatalog(), MemoryWakes(), 10_000)


def test_a_new_report_runs_with_the_others_and_the_api_returns_its_rows(client: Client, runs: Runs) -> None:
    runs.update({"a": DeliveredObject("readings", "2030-01-01", "2030-01-02")}, math.inf)

    report = client.http.get("/reports/imaginary?period=2030-01-01").json_body

    assert report["rows"] == [
        {
            "device_id": "pump-1",
            "count": 3,
            "mean": 100.0,
            "price": 7.5,
            "first": "2030-01-01T00:10:00Z",
            "is_complete": True,
        },
        {
            "device_id": "pump-2",
            "count": 3,
            "mean": None,
            "price": 7.5,
            "first": None,
            "is_complete": True,
        },
    ]
    listed = {each["name"]: each for each in client.http.get("/reports").json_body["items"]}
    assert (listed["imaginary"]["title"], listed["imaginary"]["periods"]) == ("Readings of each day", ["2030-01-01"])
    assert client.http.get("/status").json_body["reports"][0]["name"] == "imaginary"


def test_an_edition_that_is_older_than_a_column_has_null_for_it(reports: dict[str, Report]) -> None:
    (row,) = reports["imaginary"].rows([{"device_id": "pump-1", "removed": "x"}])

    assert row == dict.fromkeys(ROW) | {"device_id": "pump-1"}


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("imaginary", ("-- title: Readings of each day\n", ""), "imaginary.sql: .*`title`"),
        ("imaginary", ("-- columns:", "-- column:"), "imaginary.sql: .*`columns`"),
        (
            "imaginary",
            ("count bigint", "count number"),
            "imaginary.sql: column count: the type number is not one of bigint",
        ),
        ("imaginary", ("count bigint", "count"), "imaginary.sql: 'count' is not a column name and its type"),
        ("imaginary", ("event day", "month"), "imaginary.sql: .*month"),
        (
            "imaginary",
            ("-- order", "-- hour: price\n-- order"),
            "imaginary.sql: .*hour: price is not a timestamp column",
        ),
        (
            "imaginary",
            ("event day", "arrival day\n-- hour: first"),
            "imaginary.sql: .*hour: only a report by event day",
        ),
        ("Daily-2", ("", ""), "Daily-2.sql: the name of a report"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, name: str, change: tuple[str, str], words: str) -> None:
    (tmp_path / f"{name}.sql").write_text(IMAGINARY.replace(*change))

    with pytest.raises(ValueError, match=words):
        load(tmp_path)


# The reports that the app has


class Template(yaml.SafeLoader):
    """Reads CloudFormation's YAML; a function is its argument."""


Template.add_multi_constructor("!", lambda loader, _, node: getattr(node, "value", None))  # type: ignore[no-untyped-call]


def tables() -> Iterator[dict[str, Any]]:
    """Yield the Glue tables of the app."""
    template = yaml.load((APP / "resources.yaml").read_text(), Template)  # noqa: S506  # a SafeLoader
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Glue::Table":
            yield resource["Properties"]["TableInput"]


@pytest.mark.parametrize("report", load(REPORTS).values(), ids=lambda report: report.name)
def test_each_report_has_its_two_tables(report: Report) -> None:
    by_name = {table["Name"]: table for table in tables()}

    for name, folder, partitions in (
        (f"{report.name}_runs", "runs", ["run", "period"]),
        (report.name, "reports", ["period"]),
    ):
        assert name in by_name, f"resources.yaml has no Glue table {name}"
        storage = by_name[name]["StorageDescriptor"]
        columns = [Column(column["Name"], column["Type"]) for column in storage["Columns"]]
        assert columns == report.columns, f"the columns of the table {name} are not those of {report.name}.sql"
        assert [key["Name"] for key in by_name[name]["PartitionKeys"]] == partitions
        assert storage["Location"] == f"s3://${{Reporting}}/{folder}/{report.name}/"
    projection = by_name[f"{report.name}_runs"]["Parameters"]["storage.location.template"]
    assert projection == f"s3://${{Reporting}}/runs/{report.name}/run=${{!run}}/period=${{!period}}/"


@pytest.mark.parametrize("action", ["glue:BatchCreatePartition", "glue:BatchUpdatePartition"])
def test_the_policy_lets_reports_be_published_to_and_no_other_table(action: str) -> None:
    reports = {*load(REPORTS), "imaginary"}

    allowed = {name for name in {*(table["Name"] for table in tables()), "imaginary"} if may(action, name)}

    assert allowed == reports


def may(action: str, table: str) -> bool:
    """Return whether `run_reports` may do *action* on a table of the database, as IAM evaluates its policy."""
    policy = json.loads((APP / ".chalice" / "policies" / "run-reports.json").read_text())
    arn = f"arn:${{AWS::Partition}}:glue:${{AWS::Region}}:${{AWS::AccountId}}:table/${{AthenaDatabase}}/{table}"
    effects = {
        statement["Effect"]
        for statement in policy["Statement"]
        if action in statement["Action"] and any(fnmatchcase(arn, each) for each in statement["Resource"])
    }
    return effects == {"Allow"}
