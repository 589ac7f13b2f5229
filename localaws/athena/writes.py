"""Statements that write data to S3: CREATE TABLE AS, INSERT INTO and UNLOAD.

https://docs.aws.amazon.com/athena/latest/ug/ctas.html
https://docs.aws.amazon.com/athena/latest/ug/insert-into.html
https://docs.aws.amazon.com/athena/latest/ug/unload.html
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlglot import exp

from localaws.athena import types
from localaws.athena.catalog import Partition, Table
from localaws.athena.engine import Columns, quote_identifier, quote_string
from localaws.athena.failures import Failed
from localaws.athena.partitions import location
from localaws.athena.query import Query
from localaws.athena.statements import Statement
from localaws.athena.words import Words

_MAX_PARTITIONS = 100
_COMPRESSIONS = {
    "PARQUET": {"GZIP": "gzip", "SNAPPY": "snappy", "ZSTD": "zstd", "LZ4": "lz4_raw", "NONE": "uncompressed"},
    "JSON": {"GZIP": "gzip", "NONE": "none"},
    "TEXTFILE": {"GZIP": "gzip", "NONE": "none"},
}
_TEXT_FORMATS = (
    "org.apache.hadoop.mapred.TextInputFormat",
    "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
)
# The SerDe, the input format and the output format of each STORED AS format.
STORED_AS = {
    "PARQUET": (
        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    ),
    "JSON": ("org.apache.hive.hcatalog.data.JsonSerDe", *_TEXT_FORMATS),
    "TEXTFILE": ("org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", *_TEXT_FORMATS),
}
_FIELD_DELIMITER = "\x01"


@dataclass(frozen=True)
class Target:
    """The table and format to which rows are written."""

    table: Table
    """For UNLOAD, a table that is not in the catalog."""
    format: str
    compression: str
    delimiter: str = _FIELD_DELIMITER


@dataclass(frozen=True)
class WriteResult:
    """The result of a write."""

    rows: int
    objects: list[str]
    partitions: list[Partition]


def create_table_as(query: Query, tree: exp.Expr, output: str, enforced: bool) -> WriteResult:
    """Create a table with the rows of its query. Raise Failed if the table or objects at its location exist."""
    properties = _properties(tree)
    database, name = query.table_name(tree.this)
    if enforced and "external_location" in properties:
        raise Failed(
            "The Create Table As Select query failed because it was submitted with an 'external_location' property to "
            "an Athena Workgroup that enforces a centralized output location for all queries. Please remove the "
            "'external_location' property and resubmit the query."
        )
    if query.catalog.has_table(database, name):
        if tree.args.get("exists"):
            return WriteResult(0, [], [])
        raise Failed(f"TABLE_ALREADY_EXISTS: Destination table 'awsdatacatalog.{database}.{name}' already exists")
    sql = query.prepare(tree.expression)
    columns = query.engine.columns(sql)
    target = _new_target(query, properties, database, name, columns, output)
    _require_empty(query, target.table.location, f"Target directory for table '{database}.{name}'")
    with_data = not any(given.args.get("no") for given in tree.find_all(exp.WithDataProperty))
    result = _write(query, sql, columns, target) if with_data else WriteResult(0, [], [])
    query.catalog.create_table(target.table, STORED_AS[target.format][2])
    if result.partitions:
        query.catalog.add_partitions(target.table, result.partitions)
    return result


def insert(query: Query, tree: exp.Expr) -> WriteResult:
    """Add the rows of a query to a table. Columns are matched by position."""
    database, name = query.table_name(tree.this)
    table = query.catalog.table(database, name)
    kinds = {key: types.duckdb_type(kind) for key, kind in table.all_columns.items()}
    column_list = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
    given = [column.name.lower() for column in column_list] or list(kinds)
    source = tree.expression
    if isinstance(source, exp.Values):
        source = exp.select("*").from_(exp.alias_(source, "given", table=True))
    sql = query.prepare(source)
    columns = query.engine.columns(sql)
    if len(columns) != len(given) or not set(given) <= set(kinds):
        found = ", ".join(types.athena_type(kind) for _, kind in columns)
        expected = ", ".join(types.trino_type(kind) for kind in table.all_columns.values())
        raise Failed(f"TYPE_MISMATCH: Insert query has mismatched column types: Table: [{expected}], Query: [{found}]")
    columns_by_name = {name: f"c{at}" for at, name in enumerate(given)}
    cast = ", ".join(
        f"{columns_by_name.get(name, 'NULL')}::{kind} AS {quote_identifier(name)}" for name, kind in kinds.items()
    )
    names = ", ".join(columns_by_name.values())
    sql = f"SELECT {cast} FROM ({sql}) AS given({names})"
    result = _write(query, sql, query.engine.columns(sql), _target_for(table))
    if result.partitions and table.parameters.get("projection.enabled", "").lower() != "true":
        query.catalog.add_partitions(table, result.partitions)
    return result


def unload(query: Query, statement: Statement) -> WriteResult:
    """Write the rows of a query to an S3 location, which must be empty."""
    words = Words(statement.sql)
    words.expect("UNLOAD")
    tree = statement.query(words.parenthesized())
    words.expect("TO")
    destination = words.string().rstrip("/") + "/"
    properties = _read_properties(words) if words.accept("WITH") else {}
    words.expect_end()
    if "format" not in properties:
        raise Failed("INVALID_TABLE_PROPERTY: UNLOAD requires the property 'format'")
    properties |= {"external_location": destination, "write_compression": properties.pop("compression", "GZIP")}
    sql = query.prepare(tree)
    columns = query.engine.columns(sql)
    target = _new_target(query, properties, query.database, "", columns, destination)
    _require_empty(query, destination, "Target directory")
    return _write(query, sql, columns, target)


def _new_target(
    query: Query, properties: dict[str, str | list[str]], database: str, name: str, columns: Columns, output: str
) -> Target:
    given = {key: value for key, value in properties.items() if isinstance(value, str)}
    if unsupported := set(properties) & {"bucketed_by", "bucket_count", "table_type"}:
        raise Failed(f"NOT_SUPPORTED: localaws does not support the table property {', '.join(sorted(unsupported))}")
    format = given.get("format", "PARQUET").upper()
    keys = [key.lower() for key in properties.get("partitioned_by", [])]
    kinds = {column: types.hive_type(kind) for column, kind in columns}
    if keys and list(kinds)[-len(keys) :] != keys:
        raise Failed(
            "HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table and in the same order as "
            f"the table properties: [{', '.join(keys)}]"
        )
    if len(kinds) < len(columns):
        raise Failed("DUPLICATE_COLUMN_NAME: Column name specified more than once")
    delimiter = given.get("field_delimiter", _FIELD_DELIMITER)
    compressions = ("write_compression", f"{format.lower()}_compression", "compression")
    compression = next((given[key].upper() for key in compressions if key in given), "GZIP")
    _require_supported(format, compression)
    serde, input_format, _ = STORED_AS[format]
    results, _, query_id = output.rpartition("/")
    tables_of_the_query = f"{results}/tables/{query_id}"
    table = Table(
        database=database,
        name=name,
        columns={column: kind for column, kind in kinds.items() if column not in keys},
        partition_keys={key: kinds[key] for key in keys},
        location=given.get("external_location", tables_of_the_query).rstrip("/") + "/",
        serde=serde,
        input_format=input_format,
        serde_parameters={"field.delim": delimiter} if format == "TEXTFILE" else {},
        parameters={"has_encrypted_data": "false"},
    )
    return Target(table, format, compression, delimiter)


def _target_for(table: Table) -> Target:
    serde = table.serde
    format = next((name for name, stored in STORED_AS.items() if stored[0] == serde), None)
    if format is None and "openx" in serde:
        format = "JSON"
    if format is None:
        raise Failed(f"NOT_SUPPORTED: localaws cannot write with the SerDe {serde}")
    keys = ("write.compression", "parquet.compression", "parquet.compress", "compression")
    compression = next((table.parameters[key].upper() for key in keys if key in table.parameters), "GZIP")
    _require_supported(format, compression)
    delimiter = table.serde_parameters.get(
        "field.delim", table.serde_parameters.get("serialization.format", _FIELD_DELIMITER)
    )
    return Target(table, format, compression, _FIELD_DELIMITER if delimiter == "1" else delimiter)


def _require_supported(format: str, compression: str) -> None:
    if format not in _COMPRESSIONS:
        raise Failed(f"NOT_SUPPORTED: localaws cannot write the format {format}")
    if compression not in _COMPRESSIONS[format]:
        raise Failed(f"INVALID_TABLE_PROPERTY: localaws cannot write {format} with {compression} compression")


def _require_empty(query: Query, uri: str, what: str) -> None:
    if not query.objects.is_empty(uri):
        raise Failed(
            f"HIVE_PATH_ALREADY_EXISTS: {what} already exists: {uri}. You may need to manually clean the data at "
            f"location '{uri}' before retrying. Athena will not delete data in your account."
        )


def _write(query: Query, sql: str, columns: Columns, target: Target) -> WriteResult:
    table, engine = target.table, query.engine
    names = list(table.all_columns)
    cast = ", ".join(
        f"c{at}::{kind} AS {quote_identifier(name)}"
        for at, (name, (_, kind)) in enumerate(zip(names, columns, strict=True))
    )
    answer = ", ".join(f"c{at}" for at in range(len(names)))
    engine.execute(f"CREATE TABLE written AS SELECT {cast} FROM ({sql}) AS answer({answer})")
    (count,) = engine.execute("SELECT count(*) FROM written").fetchone() or (0,)
    if not count:
        return WriteResult(0, [], [])
    objects, written = [], []
    for partition, path in _files(query, target):
        uri = f"{partition.location}{_object_name()}{'.gz' if path.suffix == '.gz' else ''}"
        query.objects.write(uri, path)
        objects.append(uri)
        written.append(partition)
    return WriteResult(count, objects, written if table.partition_keys else [])


def _files(query: Query, target: Target) -> Iterator[tuple[Partition, Path]]:
    """Write one file per partition, and yield each partition with its file."""
    table, engine = target.table, query.engine
    data = ", ".join(quote_identifier(name) for name in table.columns)
    options, suffix = _options(target)
    if not table.partition_keys:
        path = query.folder / f"written{suffix}"
        engine.execute(f"COPY (SELECT {data} FROM written) TO {quote_string(path)} ({options})")
        yield Partition((), table.location), path
        return
    keys = ", ".join(quote_identifier(key) for key in table.partition_keys)
    engine.execute(
        f"CREATE TABLE parts AS SELECT *, row_number() OVER () AS part FROM (SELECT DISTINCT {keys} FROM written)"
    )
    texts = ", ".join(f"{quote_identifier(key)}::VARCHAR" for key in table.partition_keys)
    parts = engine.execute(f"SELECT part, {texts} FROM parts ORDER BY part").fetchall()
    if len(parts) > _MAX_PARTITIONS:
        raise Failed(
            f"HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of {_MAX_PARTITIONS} open writers for partitions/buckets"
        )
    same = " AND ".join(
        f"written.{quote_identifier(key)} IS NOT DISTINCT FROM parts.{quote_identifier(key)}"
        for key in table.partition_keys
    )
    for part, *values in parts:
        path = query.folder / f"written-{part}{suffix}"
        rows = f"SELECT {data} FROM written WHERE EXISTS (FROM parts WHERE part = {part} AND {same})"
        engine.execute(f"COPY ({rows}) TO {quote_string(path)} ({options})")
        yield Partition(tuple(values), location(table, tuple(values))), path


def _options(target: Target) -> tuple[str, str]:
    """Return the options of DuckDB's COPY and the file extension."""
    compression = _COMPRESSIONS[target.format][target.compression]
    suffix = ".gz" if compression == "gzip" else ""
    if target.format == "PARQUET":
        return f"FORMAT parquet, COMPRESSION {compression}", ".parquet"
    if target.format == "JSON":
        return f"FORMAT json, COMPRESSION {compression}", suffix
    lines = f"HEADER false, DELIMITER {quote_string(target.delimiter)}, QUOTE '', ESCAPE '', NULLSTR '\\N'"
    return f"FORMAT csv, {lines}, COMPRESSION {compression}", suffix


def _object_name() -> str:
    return f"{datetime.now(UTC):%Y%m%d_%H%M%S}_00000_{uuid.uuid4().hex[:5]}_{uuid.uuid4()}"


def _properties(tree: exp.Expr) -> dict[str, str | list[str]]:
    """Return the table properties of WITH (…) by name. A value is a string or a list of strings."""
    found: dict[str, str | list[str]] = {}
    for given in tree.args["properties"].expressions if tree.args.get("properties") else ():
        match given:
            case exp.FileFormatProperty():
                found["format"] = given.name
            case exp.PartitionedByProperty():
                found["partitioned_by"] = [value.name for value in given.this.expressions]
            case exp.Property() if given.args.get("value"):
                value = given.args["value"]
                found[given.name.lower()] = (
                    [v.name for v in value.expressions] if isinstance(value, exp.Array) else value.name
                )
    return found


def _read_properties(words: Words) -> dict[str, str | list[str]]:
    """Read properties in the form ``(name = 'text', name = ARRAY['text', …], …)``."""
    found: dict[str, str | list[str]] = {}
    words.expect("(")
    while True:
        name = words.name()
        words.expect("=")
        if words.accept("ARRAY", "["):
            items = [words.string()]
            while words.accept(","):
                items.append(words.string())
            words.expect("]")
            found[name] = items
        else:
            found[name] = words.value()
        if words.accept(")"):
            return found
        words.expect(",")
