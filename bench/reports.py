"""The bytes that each report scans, compared with the same query on JSON lines, and its time as the data grows.

The benchmark runs the app's own statements on the local Athena, with a day of readings as Firehose delivers them.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb

from deploy import stacks
from localaws import serve
from sandbox.settings import REGION, ROOT

_DAY = "2030-01-01"
_SIZES = {"1x": 10_000, "10x": 100_000, "100x": 1_000_000}
_FILES = 20
_BUCKET = "bench-ingestion"
_DATABASE = "bench"

_SERDES = {
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "json": "org.openx.data.jsonserde.JsonSerDe",
}

# A hundred devices send four metrics in turn. 3 % of the readings arrive twice. Rows are in the order of arrival.
_ROWS = """
    SELECT
        'pump-' || lpad((n % 100)::varchar, 4, '0') AS device_id,
        ['temperature', 'pressure', 'humidity', 'vibration'][1 + n // 100 % 4] AS metric,
        round(20 + 15 * sin(n / 5000.0) + random(), 2) AS value,
        ['C', 'Pa', '%', 'mm/s'][1 + n // 100 % 4] AS unit,
        TIMESTAMP '2030-01-01' + to_milliseconds((86400000.0 * n / $count)::bigint) AS ts,
        n // 100 AS seq,
        ts + INTERVAL 2 SECOND + to_milliseconds(n % 1000) AS arrived_at,
        hash(i)::hugeint - 9223372036854775808 AS record,
        NULL::timestamp AS corrected_at
    FROM (SELECT i, CASE WHEN i % 33 = 0 THEN i - 17 * (i > 17)::int ELSE i END AS n FROM range($first, $last) AS r(i))
"""
_BAD = "SELECT arrived_at, record, 'not_json' AS reason, repeat('x', 100) AS raw FROM ($rows) WHERE seq % 50 = 0"


def run() -> None:
    """Print the bytes scanned and the times."""
    sys.path.insert(0, str(ROOT / "pipeline-app"))
    from chalicelib.reports import PARTS, load

    reports = load(ROOT / "pipeline-app" / "chalicelib" / "reports")
    values = {"periods": [_DAY], "period": [_DAY], "days": [_DAY], "parts": PARTS}
    with _athena() as athena:
        for name, count in _SIZES.items():
            athena.fill("parquet", count)
            for report in reports.values():
                sql, parameters = report.statement(values)
                scanned, milliseconds = athena.run(sql, parameters)
                title = f"report {report.name:8} of {name:>4} ({count:>9,} readings)"
                print(f"{title} {milliseconds:5.0f} ms {scanned / 1e6:8.2f} MB")
        athena.fill("parquet", _SIZES["10x"])
        athena.fill("json", _SIZES["10x"])
        for report in reports.values():
            sql, parameters = report.statement(values)
            parquet, _ = athena.run(sql, parameters)
            lines = sql.replace("FROM readings", "FROM readings_json").replace("FROM errors", "FROM errors_json")
            json, _ = athena.run(lines, parameters)
            both = f"scans {parquet / 1e6:.2f} MB of Parquet, {json / 1e6:.2f} MB of JSON lines"
            print(f"report {report.name:8} {both}   ratio {parquet / json:.1%}")


class _Athena:
    """Tables of readings in the emulator at *endpoint*."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        options = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
        session = boto3.Session(**options)
        self._s3, self._athena = (session.client(name, endpoint_url=endpoint) for name in ("s3", "athena"))
        self._folder = folder
        self._s3.create_bucket(Bucket=_BUCKET)
        glue = session.client("glue", endpoint_url=endpoint)
        glue.create_database(DatabaseInput={"Name": _DATABASE})
        for kind, serde in _SERDES.items():
            for table, columns in (("readings", _columns("ReadingsTable")), ("errors", _columns("ErrorsTable"))):
                location = f"s3://{_BUCKET}/{kind}/{table}/"
                glue.create_table(
                    DatabaseName=_DATABASE,
                    TableInput={
                        "Name": table if kind == "parquet" else f"{table}_json",
                        "TableType": "EXTERNAL_TABLE",
                        "PartitionKeys": [{"Name": "day", "Type": "string"}, {"Name": "part", "Type": "string"}],
                        "Parameters": {
                            "projection.enabled": "true",
                            "projection.day.type": "date",
                            "projection.day.format": "yyyy-MM-dd",
                            "projection.day.range": "1970-01-01,2031-01-01",
                            "projection.part.type": "enum",
                            "projection.part.values": "readings",
                            "storage.location.template": location + "day=${day}/",
                        },
                        "StorageDescriptor": {
                            "Location": location,
                            "Columns": columns,
                            "SerdeInfo": {"SerializationLibrary": serde},
                        },
                    },
                )

    def fill(self, kind: str, count: int) -> None:
        """Replace the stored data with a day of *count* readings and one bad record for every fifty."""
        form = "FORMAT parquet, COMPRESSION gzip" if kind == "parquet" else "FORMAT json"
        share = count // _FILES
        for number in range(_FILES):
            first, last = number * share, (number + 1) * share
            rows = _ROWS.replace("$count", str(count)).replace("$first", str(first)).replace("$last", str(last))
            for table, query in (("readings", rows), ("errors", _BAD.replace("$rows", rows))):
                file = self._folder / f"{table}.{kind}"
                duckdb.sql(f"COPY ({query}) TO '{file}' ({form})")
                self._s3.upload_file(str(file), _BUCKET, f"{kind}/{table}/day={_DAY}/{number:02d}.{kind}")

    def run(self, sql: str, parameters: list[str]) -> tuple[int, float]:
        """Return the bytes that a statement scanned, and the best of three times in milliseconds."""
        best = float("inf")
        for _ in range(3):
            started = self._athena.start_query_execution(
                QueryString=sql,
                ExecutionParameters=parameters,
                QueryExecutionContext={"Database": _DATABASE},
                ResultConfiguration={"OutputLocation": f"s3://{_BUCKET}/results/"},
            )
            execution = self._finished(started["QueryExecutionId"])
            best = min(best, execution["Statistics"]["EngineExecutionTimeInMillis"])
        return execution["Statistics"]["DataScannedInBytes"], best

    def _finished(self, execution_id: str) -> dict[str, Any]:
        while True:
            execution: dict[str, Any] = self._athena.get_query_execution(QueryExecutionId=execution_id)[
                "QueryExecution"
            ]
            state = execution["Status"]["State"]
            if state not in ("QUEUED", "RUNNING"):
                if state != "SUCCEEDED":
                    raise RuntimeError(execution["Status"])
                return execution
            time.sleep(0.05)


def _columns(table: str) -> list[dict[str, str]]:
    """Return the columns of a table of pipeline-app."""
    resources = stacks.read((ROOT / "pipeline-app" / "resources.yaml").read_text())["Resources"]
    columns: list[dict[str, str]] = resources[table]["Properties"]["TableInput"]["StorageDescriptor"]["Columns"]
    return columns


@contextlib.contextmanager
def _athena() -> Iterator[_Athena]:
    with tempfile.TemporaryDirectory() as name, serve.emulator(Path(name)) as endpoint:
        yield _Athena(endpoint, Path(name))
