"""DuckDB, locked into one query's folder, with its errors in Athena's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from localaws.athena import results, types
from localaws.athena.dialect import PRELUDE
from localaws.athena.failures import Cancelled, Failed

UNNAMED = "_col?"
"""The name of a column that has none; it becomes ``_col0``, ``_col1``, … by its place."""

_MEMORY = "1GB"
_THREADS = 2
_ROWS = 10_000
_FAILURES = (
    (r"Out of Memory", "EXCEEDED_LOCAL_MEMORY_LIMIT: Query exceeded per-node memory limit"),
    (r"((?:HIVE|NOT)_\w+: [^\n]*)", r"\1"),
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
"""Names and DuckDB's types."""


class Engine:
    """One query's DuckDB. It reads and writes no file outside of *folder*, whatever the SQL."""

    def __init__(self, folder: Path) -> None:
        self._stopped = False
        self.connection = duckdb.connect(":memory:")
        for setting in (
            f"SET memory_limit = '{_MEMORY}'",
            f"SET threads = {_THREADS}",
            f"SET temp_directory = {text(folder / 'spilled')}",
            f"SET allowed_directories = [{text(f'{folder}/')}]",
            PRELUDE,
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self.connection.execute(setting)

    def stop(self) -> None:
        """End the query as soon as may be; what runs raises Cancelled."""
        self._stopped = True
        self.connection.interrupt()

    def is_stopped(self) -> bool:
        """Tell whether the query is to end."""
        return self._stopped

    def close(self) -> None:
        """Forget everything."""
        self.connection.close()

    def execute(self, sql: str, given: dict[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Run DuckDB's SQL with its parameters; raise Failed, in Athena's words, or Cancelled."""
        self.raise_if_stopped()
        try:
            return self.connection.execute(sql, given)
        except duckdb.Error as error:
            raise self._ended(error) from None

    def raise_if_stopped(self) -> None:
        """Raise Cancelled if the query is to end."""
        if self._stopped:
            raise Cancelled("Query was cancelled by user")

    def columns(self, sql: str) -> Columns:
        """Return the columns of a query."""
        return [
            (f"_col{at}" if name == UNNAMED else name, types.answered_as(kind))
            for at, (name, kind, *_) in enumerate(self.execute(f"DESCRIBE {sql}").fetchall())
        ]

    def rows(self, sql: str, columns: Columns) -> Iterator[results.Row]:
        """Yield the rows of a query with these columns, as Athena writes them."""
        written = ", ".join(_written(f"c{at}", kind) for at, (_, kind) in enumerate(columns))
        names = ", ".join(f"c{at}" for at in range(len(columns)))
        cursor = self.execute(f"SELECT {written} FROM ({sql}) AS answer({names})")
        while rows := self._fetched(cursor):
            for row in rows:
                yield [results.text(value) for value in row]

    def _fetched(self, cursor: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
        self.raise_if_stopped()
        try:
            return cursor.fetchmany(_ROWS)
        except duckdb.Error as error:
            raise self._ended(error) from None

    def _ended(self, error: duckdb.Error) -> Exception:
        if self._stopped:
            return Cancelled("Query was cancelled by user")
        message = str(error)
        for sign, answer in _FAILURES:
            if found := re.search(sign, message):
                return Failed(found.expand(answer))
        code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), "GENERIC_INTERNAL_ERROR")
        return Failed(f"{code}: {message.splitlines()[0].partition(': ')[2]}")


def quoted(name: str) -> str:
    """Return a name as DuckDB's SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    """Return a text as DuckDB's SQL writes it."""
    return "'" + str(value).replace("'", "''") + "'"


def _written(name: str, kind: str) -> str:
    """Where Python would read a value otherwise than Athena writes it, let DuckDB write it."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({name}, '%Y-%m-%d %H:%M:%S.%g UTC')"
    if kind == "FLOAT":
        return f"{name}::VARCHAR::DOUBLE"
    return f"{name}::VARCHAR" if kind == "VARCHAR" else name
