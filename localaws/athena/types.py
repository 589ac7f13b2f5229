"""Type names: Hive's in the catalog, DuckDB's in the engine, Trino's in SQL, Athena's in results.

https://docs.aws.amazon.com/athena/latest/ug/data-types.html
"""

from __future__ import annotations

import re
from functools import lru_cache

from sqlglot import exp

from localaws.athena import zones
from localaws.athena.failures import Failed

# Types of DuckDB that Athena does not have, and the types that Athena returns instead.
_RESULT_TYPES = {
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


@lru_cache
def duckdb_type(hive: str) -> str:
    """Return the DuckDB type for a catalog type such as ``array<struct<a:int>>``."""
    return exp.DataType.build(hive, dialect="hive").sql("duckdb")


@lru_cache
def trino_type(hive: str) -> str:
    """Return the Trino type for a catalog type, for example ``array(row(a integer))``."""
    return exp.DataType.build(hive, dialect="hive").sql("trino")


@lru_cache
def hive_type(duckdb: str) -> str:
    """Return the catalog type for a DuckDB type, or raise Failed if Hive has no such type."""
    if athena_type(duckdb) in ("timestamp with time zone", "time", "interval day to second", "json", "unknown"):
        raise Failed(f"NOT_SUPPORTED: Unsupported Hive type: {athena_type(duckdb)}")
    return exp.DataType.build(duckdb, dialect="duckdb").sql("hive").lower().replace(": ", ":").replace(", ", ",")


def result_type(duckdb: str) -> str:
    """Return the DuckDB type of a result column, in which types unknown to Athena are replaced."""
    for unsupported, supported in _RESULT_TYPES.items():
        duckdb = re.sub(rf"\b{unsupported}\b", supported, duckdb)
    return duckdb


def athena_type(duckdb: str) -> str:
    """Return the ``Type`` in the metadata of a result column."""
    if duckdb == zones.RESULT_TYPE:
        return "timestamp with time zone"
    if duckdb.endswith("[]"):
        return "array"
    for nested, name in (("STRUCT(", "row"), ("TUPLE(", "row"), ("MAP(", "map"), ("DECIMAL(", "decimal")):
        if duckdb.startswith(nested):
            return name
    return _ATHENA.get(duckdb, "varchar")


def column_info(name: str, duckdb: str) -> dict[str, object]:
    """Return the metadata of a result column.

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
