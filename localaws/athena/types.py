"""One type under its three names: Hive's in the catalogue, DuckDB's in the engine, Athena's in a result.

https://docs.aws.amazon.com/athena/latest/ug/data-types.html
"""

from __future__ import annotations

import re

from sqlglot import exp

from localaws.athena.failures import Failed

# What DuckDB computes with and Athena has not, and what Athena answers in its place.
_ANSWERED_AS = {
    "HUGEINT": "BIGINT",
    "UHUGEINT": "BIGINT",
    "UBIGINT": "BIGINT",
    "UINTEGER": "BIGINT",
    "USMALLINT": "INTEGER",
    "UTINYINT": "INTEGER",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP_NS": "TIMESTAMP",
    "UUID": "VARCHAR",
}
_ATHENA = {
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "FLOAT": "float",
    "DOUBLE": "double",
    "VARCHAR": "varchar",
    "BLOB": "varbinary",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "INTERVAL": "interval day to second",
    "JSON": "json",
    '"NULL"': "unknown",
}
_PRECISIONS = {
    "tinyint": 3,
    "smallint": 5,
    "integer": 10,
    "bigint": 19,
    "float": 17,
    "double": 17,
    "varchar": 2147483647,
    "json": 2147483647,
    "varbinary": 1073741824,
    "timestamp": 3,
    "timestamp with time zone": 3,
    "time": 3,
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def duckdb_type(hive: str) -> str:
    """Return DuckDB's name of a type of the catalogue, as ``array<struct<a:int>>``."""
    return exp.DataType.build(hive, dialect="hive").sql("duckdb")


def trino_type(hive: str) -> str:
    """Return Trino's name of a type of the catalogue, as ``array(row(a integer))``."""
    return exp.DataType.build(hive, dialect="hive").sql("trino")


def hive_type(duckdb: str) -> str:
    """Return the catalogue's name of a type that DuckDB computed, or raise Failed if Hive has none."""
    if athena_type(duckdb) in ("timestamp with time zone", "time", "interval day to second", "json", "unknown"):
        raise Failed(f"NOT_SUPPORTED: Unsupported Hive type: {athena_type(duckdb)}")
    return exp.DataType.build(duckdb, dialect="duckdb").sql("hive").lower().replace(": ", ":").replace(", ", ",")


def answered_as(duckdb: str) -> str:
    """Return the type in which Athena answers what DuckDB computed."""
    for computed, answered in _ANSWERED_AS.items():
        duckdb = re.sub(rf"\b{computed}\b", answered, duckdb)
    return duckdb


def athena_type(duckdb: str) -> str:
    """Return the ``Type`` of a result's column."""
    if duckdb.endswith("[]"):
        return "array"
    for nested, name in (("STRUCT(", "row"), ("TUPLE(", "row"), ("MAP(", "map"), ("DECIMAL(", "decimal")):
        if duckdb.startswith(nested):
            return name
    return _ATHENA.get(duckdb, "varchar")


def column_info(name: str, duckdb: str) -> dict[str, object]:
    """Return a column's entry of a result's metadata.

    https://docs.aws.amazon.com/athena/latest/APIReference/API_ColumnInfo.html
    """
    kind = athena_type(duckdb)
    decimal = _DECIMAL.match(duckdb)
    precision, scale = (int(decimal[1]), int(decimal[2])) if decimal else (_PRECISIONS.get(kind, 0), 0)
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind == "varchar",
    }
