"""Editions in their bucket, and the catalog with the locations of the latest ones."""

from __future__ import annotations

import csv
import io
import re
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.glue_catalog import CatalogError, GlueCatalog
from chalicelib.report_bucket import ReportBucket, _for_spreadsheets, _original

BUCKET = "pipeline-app-unit-reporting"
DAY = "2030-01-01"
ROWS = [
    {"device_id": 'a "b", c', "count": "1", "newest_event": ""},
    {"device_id": "d", "count": "2", "newest_event": "2030-01-01 00:00:00.000"},
]


@pytest.fixture(scope="session")
def s3(emulator: str) -> Any:
    s3 = boto3.client("s3", endpoint_url=emulator, config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket=BUCKET)
    return s3


@pytest.fixture
def bucket(s3: Any) -> ReportBucket:
    return ReportBucket(s3, BUCKET)


def keys(s3: Any, prefix: str) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def test_the_files_of_a_statement_are_found_by_period(bucket: ReportBucket, s3: Any) -> None:
    for name in ("period=2030-01-01/a", "period=2030-01-01/b", "period=2030-01-02/a", "other"):
        s3.put_object(Bucket=BUCKET, Key=f"runs/hourly/run=1/{name}", Body=b"x")

    assert bucket.run_location("hourly", "1") == f"s3://{BUCKET}/runs/hourly/run=1/"
    assert {period: len(found) for period, found in bucket.run_files("hourly", "1").items()} == {
        "2030-01-01": 2,
        "2030-01-02": 1,
    }
    assert bucket.run_files("hourly", "2") == {}


def test_a_result_is_read_period_by_period(bucket: ReportBucket, s3: Any) -> None:
    text = '"device_id","run","period"\n"a ""b"", c","1","2030-01-01"\n"é","1","2030-01-01"\n"f",,"2030-01-02"\n'
    s3.put_object(Bucket=BUCKET, Key="athena/x.csv", Body=text.encode())

    assert list(bucket.query_result(f"s3://{BUCKET}/athena/x.csv")) == [
        ("2030-01-01", [{"device_id": 'a "b", c'}, {"device_id": "é"}]),
        ("2030-01-02", [{"device_id": "f"}]),
    ]


def test_an_edition_is_parquet_and_csv_and_is_deleted_as_a_whole(bucket: ReportBucket, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="runs/x", Body=b"parquet")
    for _ in range(2):
        bucket.put("hourly", DAY, "v1", ["runs/x"], ROWS)

    assert keys(s3, f"reports/hourly/{DAY}/v1/") == [
        f"reports/hourly/{DAY}/v1/hourly.csv",
        f"reports/hourly/{DAY}/v1/parquet/0.parquet",
    ]
    assert bucket.read("hourly", DAY, "v1") == ROWS
    with urllib.request.urlopen(bucket.download("hourly", DAY, "v1")) as file:
        assert file.headers["Content-Disposition"] == f'attachment; filename="hourly-{DAY}.csv"'
        assert list(csv.DictReader(file.read().decode().splitlines())) == ROWS

    bucket.put("hourly", DAY, "v2", ["runs/x"], ROWS)
    bucket.delete_older("hourly", DAY, "v2")

    assert {key.split("/")[3] for key in keys(s3, f"reports/hourly/{DAY}/")} == {"v2"}
    assert bucket.read("hourly", DAY, "v1") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('=HYPERLINK("https://a.b","x")', "'=HYPERLINK"),
        ("+cmd|' /C calc'!A0", "'+cmd"),
        ("-2+3", "'-2+3"),
        ("@SUM(1)", "'@SUM"),
        ("\t=1", "'\t=1"),
        ("\uff1d1", "'\uff1d1"),
        ("-1.5E-7", "-1.5E-7"),
        ("+5", "+5"),
        ("'quoted", "'quoted"),
        ("'=1", "''=1"),
        ("pump-1", "pump-1"),
        ("", ""),
    ],
)
def test_a_spreadsheet_runs_nothing_and_the_api_has_the_text_as_it_was(
    bucket: ReportBucket, s3: Any, text: str, shown: str
) -> None:
    bucket.put("hourly", DAY, "v1", [], [{"metric": text, "count": "1"}])

    stored = s3.get_object(Bucket=BUCKET, Key=f"reports/hourly/{DAY}/v1/hourly.csv")["Body"].read().decode()
    (row,) = csv.DictReader(io.StringIO(stored, newline=""))
    assert row["metric"].startswith(shown)
    assert bucket.read("hourly", DAY, "v1") == [{"metric": text, "count": "1"}]


@given(st.text() | st.text(alphabet="'=+-@1e.\t\r\n"))
def test_any_text_comes_back(text: str) -> None:
    shown = _for_spreadsheets(text)

    assert _original(shown) == text
    assert not shown.startswith(("=", "@", "\t", "\r", "\n")), "a formula"
    assert not shown.startswith(("+", "-")) or re.fullmatch(r"[+-][0-9.]+(e[+-]?[0-9]+)?", shown.lower(), re.ASCII)


def test_the_catalog_has_the_location_that_was_set_last(emulator: str) -> None:
    glue = boto3.client("glue", endpoint_url=emulator)
    glue.create_database(DatabaseInput={"Name": "pipeline"})
    columns = [{"Name": "count", "Type": "bigint"}]
    glue.create_table(
        DatabaseName="pipeline",
        TableInput={
            "Name": "hourly",
            "PartitionKeys": [{"Name": "period", "Type": "string"}],
            "StorageDescriptor": {"Columns": columns, "Location": "s3://x/"},
        },
    )
    catalog = GlueCatalog(glue, "pipeline")
    days = [f"2030-{month:02d}-{day:02d}" for month in range(1, 6) for day in range(1, 29)]

    catalog.set_locations("hourly", {day: f"s3://x/{day}/1/" for day in days})
    catalog.set_locations("hourly", {days[0]: "s3://x/2/"})

    found = {
        each["Values"][0]: each["StorageDescriptor"]
        for page in glue.get_paginator("get_partitions").paginate(DatabaseName="pipeline", TableName="hourly")
        for each in page["Partitions"]
    }
    assert len(found) == len(days)
    assert (found[days[0]]["Location"], found[days[1]]["Location"]) == ("s3://x/2/", f"s3://x/{days[1]}/1/")
    assert found[days[0]]["Columns"] == columns


def test_a_rejected_partition_is_an_error() -> None:
    class Glue:
        def get_table(self, **_: Any) -> dict[str, Any]:
            return {"Table": {"StorageDescriptor": {}}}

        def batch_create_partition(self, **_: Any) -> dict[str, Any]:
            error = {"ErrorCode": "InternalServiceException", "ErrorMessage": "no"}
            return {"Errors": [{"PartitionValues": [DAY], "ErrorDetail": error}]}

    with pytest.raises(CatalogError, match="InternalServiceException"):
        GlueCatalog(Glue(), "pipeline").set_locations("hourly", {DAY: "s3://x/"})
