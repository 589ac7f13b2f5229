"""The S3 bucket of reports. Adapter for S3.

Athena writes to ``runs/<report>/run=<token>/period=<day>/``, many periods at a time. An edition is copied from there to
``reports/<report>/<period>/<version>/``: a CSV file for people, and ``parquet/`` for the warehouse.

Devices choose some of the text in a report, so the CSV file has a quote before a text that a spreadsheet would take for
a formula. Parquet has the text as it is, and so has what `ReportBucket.read` returns.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from chalicelib.report_rows import Table
from chalicelib.reports import Day
from common import aws

_DOWNLOAD = 300
"""Seconds for which an address of a download is valid."""


class ReportBucket:
    """Bucket *name*, through an S3 *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def run_location(self, report: str, token: str) -> str:
        """Return the location to which the statement with *token* writes."""
        return f"s3://{self._name}/runs/{report}/run={token}/"

    def run_files(self, report: str, token: str) -> dict[Day, list[str]]:
        """Return the keys of the files that a statement wrote, by period."""
        keys: dict[Day, list[str]] = defaultdict(list)
        for key in self._keys(f"runs/{report}/run={token}/"):
            found = re.search(r"/period=(\d{4}-\d\d-\d\d)/[^/]+$", key)
            if found:
                keys[found[1]].append(key)
        return dict(keys)

    def query_result(self, location: str) -> Iterator[tuple[Day, list[dict[str, str]]]]:
        """Yield the rows of a query result of Athena by period. The result is ordered by period."""
        with aws.translated():
            answer = self._client.get_object(Bucket=self._name, Key=urlsplit(location).path.lstrip("/"))
        lines = io.TextIOWrapper(answer["Body"], "utf-8", newline="")
        for period, table in groupby(csv.DictReader(lines), key=lambda row: row["period"]):
            yield period, [{n: v for n, v in row.items() if n not in ("run", "period")} for row in table]

    def parquet_location(self, report: str, period: Day, version: str) -> str:
        """Return the location of the Parquet files of an edition."""
        return f"s3://{self._name}/{_prefix(report, period, version)}parquet/"

    def put(self, report: str, period: Day, version: str, files: Sequence[str], table: Table) -> None:
        """Store an edition: copies of the Parquet *files*, and *table* as CSV. Idempotent."""
        prefix = _prefix(report, period, version)
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(table[0]), lineterminator="\n", quoting=csv.QUOTE_NOTNULL)
        writer.writeheader()
        writer.writerows({name: _for_spreadsheets(cell) for name, cell in row.items()} for row in table)
        with aws.translated():
            for number, key in enumerate(files):
                self._client.copy_object(
                    Bucket=self._name,
                    Key=f"{prefix}parquet/{number}.parquet",
                    CopySource={"Bucket": self._name, "Key": key},
                )
            self._client.put_object(
                Bucket=self._name, Key=f"{prefix}{report}.csv", Body=text.getvalue().encode(), ContentType="text/csv"
            )

    def read(self, report: str, period: Day, version: str) -> list[dict[str, str]] | None:
        """Return the rows of an edition's CSV file, or None if the edition was deleted."""
        try:
            with aws.translated():
                key = f"{_prefix(report, period, version)}{report}.csv"
                answer = self._client.get_object(Bucket=self._name, Key=key)
                text = answer["Body"].read().decode()
        except ClientError as error:
            if aws.code(error) == "NoSuchKey":
                return None
            raise
        rows = csv.DictReader(io.StringIO(text, newline=""))
        return [{name: _original(cell) for name, cell in row.items()} for row in rows]

    def download(self, report: str, period: Day, version: str) -> str:
        """Return a presigned address of an edition's CSV file, which a browser saves as ``<report>-<period>.csv``.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/ShareObjectPreSignedURL.html
        """
        asked = {
            "Bucket": self._name,
            "Key": f"{_prefix(report, period, version)}{report}.csv",
            "ResponseContentDisposition": f'attachment; filename="{report}-{period}.csv"',
        }
        return str(self._client.generate_presigned_url("get_object", Params=asked, ExpiresIn=_DOWNLOAD))

    def delete_older(self, report: str, period: Day, version: str) -> None:
        """Delete the editions of a period that are older than *version*."""
        prefix = f"reports/{report}/{period}/"
        keys = [key for key in self._keys(prefix) if key.removeprefix(prefix).partition("/")[0] < version]
        with aws.translated():
            for key in keys:
                self._client.delete_object(Bucket=self._name, Key=key)

    def _keys(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
        with aws.translated():
            for page in pages:
                yield from (item["Key"] for item in page.get("Contents", []))


_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""The beginning of a text that a spreadsheet may run, or that had a quote before it already.

https://owasp.org/www-community/attacks/CSV_Injection
"""
_NUMBER = re.compile(r"[+-][0-9.]+(?:[eE][+-]?[0-9]+)?")


def _is_formula(cell: str) -> bool:
    return bool(_FORMULA.match(cell)) and not _NUMBER.fullmatch(cell)


def _for_spreadsheets(cell: str) -> str:
    """Return *cell* as a spreadsheet shows it and does not run it."""
    return f"'{cell}" if _is_formula(cell) else cell


def _original(cell: str) -> str:
    """Return the text of which `_for_spreadsheets` made *cell*."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell[1:]) else cell


def _prefix(report: str, period: Day, version: str) -> str:
    return f"reports/{report}/{period}/{version}/"
