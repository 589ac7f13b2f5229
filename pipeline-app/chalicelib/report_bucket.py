"""The S3 bucket of reports.

``runs/<report>/run=<token>/period=<day>/`` is where Athena writes, many periods at a time; from there an edition gets
``reports/<report>/<period>/<version>/``: a CSV for people, and ``parquet/`` for the warehouse.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from chalicelib.reports import Day
from common import aws


class ReportBucket:
    """Bucket *name*, through an S3 *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def run_location(self, report: str, token: str) -> str:
        """Return where the statement with *token* is to write."""
        return f"s3://{self._name}/runs/{report}/run={token}/"

    def parquet_location(self, report: str, period: Day, version: str) -> str:
        """Return where the Parquet files of an edition are."""
        return f"s3://{self._name}/{_folder(report, period, version)}parquet/"

    def written(self, report: str, token: str) -> dict[Day, list[str]]:
        """Return the keys that a statement wrote, by period."""
        keys: dict[Day, list[str]] = defaultdict(list)
        for key in self._keys(f"runs/{report}/run={token}/"):
            found = re.search(r"/period=(\d{4}-\d\d-\d\d)/[^/]+$", key)
            if found:
                keys[found[1]].append(key)
        return dict(keys)

    def tables(self, location: str) -> Iterator[tuple[Day, list[dict[str, str]]]]:
        """Yield the rows of a result of Athena by period; it is in the order of periods."""
        with aws.translated():
            answer = self._client.get_object(Bucket=self._name, Key=urlsplit(location).path.lstrip("/"))
        lines = io.TextIOWrapper(answer["Body"], "utf-8", newline="")
        for period, table in groupby(csv.DictReader(lines), key=lambda row: row["period"]):
            yield period, [{n: v for n, v in row.items() if n not in ("run", "period")} for row in table]

    def put_edition(
        self, report: str, period: Day, version: str, files: Sequence[str], table: Sequence[Mapping[str, str]]
    ) -> None:
        """Store an edition: copies of the Parquet *files*, and the *table* as CSV. Twice is once."""
        folder = _folder(report, period, version)
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(table[0]), lineterminator="\n", quoting=csv.QUOTE_NOTNULL)
        writer.writeheader()
        writer.writerows(table)
        with aws.translated():
            for number, key in enumerate(files):
                self._client.copy_object(
                    Bucket=self._name,
                    Key=f"{folder}parquet/{number}.parquet",
                    CopySource={"Bucket": self._name, "Key": key},
                )
            self._client.put_object(
                Bucket=self._name, Key=f"{folder}{report}.csv", Body=text.getvalue().encode(), ContentType="text/csv"
            )

    def table(self, report: str, period: Day, version: str) -> list[dict[str, str]] | None:
        """Return the rows of an edition's CSV, or None if it is no more."""
        try:
            with aws.translated():
                answer = self._client.get_object(
                    Bucket=self._name, Key=f"{_folder(report, period, version)}{report}.csv"
                )
                text = answer["Body"].read().decode()
        except ClientError as error:
            if aws.code(error) == "NoSuchKey":
                return None
            raise
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def remove_before(self, report: str, period: Day, version: str) -> None:
        """Remove the editions that are older than *version*."""
        folder = f"reports/{report}/{period}/"
        keys = [key for key in self._keys(folder) if key.removeprefix(folder).partition("/")[0] < version]
        with aws.translated():
            for key in keys:
                self._client.delete_object(Bucket=self._name, Key=key)

    def _keys(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
        with aws.translated():
            for page in pages:
                yield from (item["Key"] for item in page.get("Contents", []))


def _folder(report: str, period: Day, version: str) -> str:
    return f"reports/{report}/{period}/{version}/"
