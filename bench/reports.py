"""The time of each report beside DuckDB on the same files, and the bytes that it scans beside JSON lines.

The benchmark runs the app's own statements on the local Athena, with a day of readings as Firehose delivers them.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import duckdb
import sqlglot

from bench.row import Row, turns
from deploy import stacks
from localaws import serve
from sandbox.settings import REGION, ROOT

_DAY = "2030-01-01"
_SIZES = (10_000, 100_000, 1_000_000)
_ROUNDS = 3
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


@dataclass(frozen=True)
class _Run:
    """What a statement took in ms, and scanned in MB."""

    milliseconds: float
    scanned: float


def rows() -> Iterator[Row]:
    """Yield the time of each report for each size, and the bytes for the size in the middle."""
    sys.path.insert(0, str(ROOT / "pipeline-app"))
    from chalicelib.reports import PARTS, load

    reports = load(ROOT / "pipeline-app" / "chalicelib" / "reports")
    values = {"periods": [_DAY], "period": [_DAY], "days": [_DAY], "parts": PARTS}
    statements = {name: report.statement(values) for name, report in reports.items()}
    with _athena() as athena:
        for count in _SIZES:
            athena.fill("parquet", count)
            for name, (sql, parameters) in statements.items():
                runs, duck = turns(
                    _ROUNDS,
                    partial(athena.run, sql, parameters),
                    partial(athena.duckdb, _for_duckdb(sql, parameters)),
                )
                what = f"the report {name} of {count:,} readings"
                times = [each.milliseconds for each in runs], [each.milliseconds for each in duck]
                yield Row(what, times[0], "DuckDB on the same Parquet", times[1], "ms")
        for kind in _SERDES:
            athena.fill(kind, _SIZES[1])
        for name, (sql, parameters) in statements.items():
            lines = sql.replace("FROM readings", "FROM readings_json").replace("FROM errors", "FROM errors_json")
            parquet, json = turns(1, partial(athena.run, sql, parameters), partial(athena.run, lines, parameters))
            scanned = [each.scanned for each in parquet], [each.scanned for each in json]
            yield Row(f"the bytes scanned by the report {name}", scanned[0], "JSON lines", scanned[1], "MB")


def _for_duckdb(sql: str, parameters: list[str]) -> str:
    """Return a statement of Athena in DuckDB's dialect, with its parameters in place of the question marks."""
    values = iter(parameters)
    [statement] = sqlglot.transpile(re.sub(r"\?", lambda _: next(values), sql), read="athena", write="duckdb")
    return statement


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
                file = self._folder / f"{table}-{number:02d}.{kind}"
                duckdb.sql(f"COPY ({query}) TO '{file}' ({form})")
                self._s3.upload_file(str(file), _BUCKET, f"{kind}/{table}/day={_DAY}/{number:02d}.{kind}")

    def run(self, sql: str, parameters: list[str]) -> _Run:
        """Run a statement on the local Athena."""
        started = self._athena.start_query_execution(
            QueryString=sql,
            ExecutionParameters=parameters,
            QueryExecutionContext={"Database": _DATABASE},
            ResultConfiguration={"OutputLocation": f"s3://{_BUCKET}/results/"},
        )
        used = self._finished(started["QueryExecutionId"])["Statistics"]
        return _Run(used["EngineExecutionTimeInMillis"], used["DataScannedInBytes"] / 1e6)

    def duckdb(self, sql: str) -> _Run:
        """Run a statement in DuckDB, on the files before they were uploaded. It does not tell what it scans."""
        with duckdb.connect() as connection:
            for table in ("readings", "errors"):
                files = f"read_parquet('{self._folder}/{table}-*.parquet')"
                columns = f"*, '{_DAY}' AS day, 'readings' AS part"
                connection.sql(f"CREATE VIEW {table} AS SELECT {columns} FROM {files}")  # noqa: S608
            began = time.perf_counter()
            connection.sql(sql).fetchall()
            return _Run((time.perf_counter() - began) * 1000, 0)

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
