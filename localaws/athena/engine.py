"""DuckDB, restricted to the folder of one query, with error messages of Athena."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from localaws.athena import results, types, zones
from localaws.athena.dialect import PRELUDE
from localaws.athena.failures import Cancelled, Failed

UNNAMED = "_col?"
"""The name of unnamed columns, which columns() replaces by ``_col0``, ``_col1``, … according to their position."""

_MEMORY = "1GB"
_THREADS = 1  # two take a sixth more CPU for a small query, and up to three statements run at once
_ROWS = 10_000
_FAILURES = (
    (r"Out of Memory", "EXCEEDED_LOCAL_MEMORY_LIMIT: Query exceeded per-node memory limit"),
    (r"((?:HIVE|NOT|INVALID_FUNCTION)_\w+: [^\n]*)", r"\1"),
    (r"Unknown TimeZone '([^']+)'", r"INVALID_FUNCTION_ARGUMENT: '\1' is not a valid time zone"),
    (r"Division by zero", "DIVISION_BY_ZERO: Division by zero"),
    (r'Referenced column "([^"]+)" not found', r"COLUMN_NOT_FOUND: Column '\1' cannot be resolved"),
    (r'does not have a column named "([^"]+)"', r"COLUMN_NOT_FOUND: Column '\1' cannot be resolved"),
    (r"Function with name (\w+) does not exist", r"FUNCTION_NOT_FOUND: Function '\1' not registered"),
    (r"No magic bytes found|too small to be a Parquet", "HIVE_BAD_DATA: Not valid Parquet file"),
    (r"Failed to cast value|[Ll]ine size", "HIVE_BAD_DATA: Error parsing field value"),
)
_CODES = {
    duckdb.BinderException: "TYPE_MISMATCH",
    duckdb.ConversionException: "INVALID_CAST_ARGUMENT",
    duckdb.ParserException: "SYNTAX_ERROR",
    duckdb.OutOfRangeException: "NUMERIC_VALUE_OUT_OF_RANGE",
}

type Columns = list[tuple[str, str]]
"""Names and DuckDB types."""


class Engine:
    """A DuckDB database for one query at a time. No SQL can read or write a file outside *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stopped = False
        self.connection = duckdb.connect(":memory:")
        for setting in (
            f"SET memory_limit = '{_MEMORY}'",
            f"SET threads = {_THREADS}",
            f"SET temp_directory = {quote_string(folder / 'spilled')}",
            f"SET allowed_directories = [{quote_string(f'{folder}/')}]",
            PRELUDE,
            "SET enable_external_file_cache = false",  # each query has files of its own
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self.connection.execute(setting)

    def stop(self) -> None:
        """Interrupt the query. The running call raises Cancelled."""
        self._stopped = True
        self.connection.interrupt()

    def is_stopped(self) -> bool:
        """Return whether stop() was called."""
        return self._stopped

    def clear(self) -> None:
        """Drop the relations of a query, before the next one. A new database takes 50 ms of CPU."""
        for kind, name in self.connection.execute(
            "SELECT 'VIEW', view_name FROM duckdb_views() WHERE NOT internal "
            "UNION ALL SELECT 'TABLE', table_name FROM duckdb_tables() WHERE NOT internal"
        ).fetchall():
            self.connection.execute(f"DROP {kind} {quote_identifier(name)}")

    def close(self) -> None:
        """Close the database and discard its data."""
        self.connection.close()

    def execute(self, sql: str, parameters: dict[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Run DuckDB SQL with parameters. Raise Failed, with the message of Athena, or Cancelled."""
        self.raise_if_stopped()
        try:
            return self.connection.execute(sql, parameters)
        except duckdb.Error as error:
            raise self._failure(error) from None

    def raise_if_stopped(self) -> None:
        """Raise Cancelled if stop() was called."""
        if self._stopped:
            raise Cancelled("Query was cancelled by user")

    def columns(self, sql: str) -> Columns:
        """Return the columns of a query with the types of the result."""
        return [
            (f"_col{at}" if name == UNNAMED else name, types.result_type(kind))
            for at, (name, kind, *_) in enumerate(self.execute(f"DESCRIBE {sql}").fetchall())
        ]

    def rows(self, sql: str, columns: Columns) -> Iterator[results.Row]:
        """Yield the rows of a query that has *columns*, formatted as Athena formats values."""
        expressions = ", ".join(_output_expression(f"c{at}", kind) for at, (_, kind) in enumerate(columns))
        names = ", ".join(f"c{at}" for at in range(len(columns)))
        cursor = self.execute(f"SELECT {expressions} FROM ({sql}) AS answer({names})")
        while rows := self._fetch(cursor):
            for row in rows:
                yield [results.format_value(value) for value in row]

    def _fetch(self, cursor: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
        self.raise_if_stopped()
        try:
            return cursor.fetchmany(_ROWS)
        except duckdb.Error as error:
            raise self._failure(error) from None

    def _failure(self, error: duckdb.Error) -> Exception:
        if self._stopped:
            return Cancelled("Query was cancelled by user")
        message = str(error)
        for pattern, template in _FAILURES:
            if match := re.search(pattern, message):
                return Failed(match.expand(template))
        code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), "GENERIC_INTERNAL_ERROR")
        return Failed(f"{code}: {message.splitlines()[0].partition(': ')[2]}")


def quote_identifier(name: str) -> str:
    """Return a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_string(value: object) -> str:
    """Return a quoted SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"


def _output_expression(name: str, kind: str) -> str:
    """Return SQL that formats a value in DuckDB if the conversion to Python would lose Athena's format."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({name}, '%Y-%m-%d %H:%M:%S.%g UTC')"
    if kind == zones.RESULT_TYPE:
        return f"athena_time_as_text({name}.athena_time, {name}.athena_zone)"
    if kind == "FLOAT":
        return f"{name}::VARCHAR::DOUBLE"
    return f"{name}::VARCHAR" if kind == "VARCHAR" else name
