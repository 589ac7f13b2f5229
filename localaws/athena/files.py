"""DuckDB relations over the S3 objects of a table, according to the table's SerDe.

Objects are copied to the folder of the query, so that thousands of small objects need no memory: Parquet objects as
separate files, lines of text in one file. https://docs.aws.amazon.com/athena/latest/ug/supported-serdes.html
"""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from localaws.athena.catalog import Partition, Table
from localaws.athena.engine import Engine, quote_identifier, quote_string
from localaws.athena.failures import Failed
from localaws.athena.objects import Object
from localaws.athena.plan import PATH
from localaws.athena.types import duckdb_type

_OBJECT_DELIMITER = "\x1f"  # separates the number of an object from a line of the object
_FIELD_DELIMITER = "\x01"  # the default field delimiter of Hive
_MAX_LINE_BYTES = 16 * 2**20
_MAX_LOADED = 16 * 2**20
"""Up to this many bytes of Parquet objects are loaded into a table of DuckDB."""
# Athena uses only the file extension. https://docs.aws.amazon.com/athena/latest/ug/compression-formats.html
_DECOMPRESSORS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.decompress, "bz2": bz2.decompress}
_UPPER_KEY = re.compile(rb'"[^"\\]*[A-Z][^"\\]*"\s*:')
_JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"(\s*:)?')
_FAMILIES = {
    "text": ("VARCHAR", "TEXT"),
    "number": ("TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT", "REAL", "FLOAT", "DOUBLE", "DECIMAL", "HUGEINT"),
    "boolean": ("BOOLEAN",),
    "time": ("DATE", "TIMESTAMP"),
}


class ColumnSizes:
    """The compressed bytes of each column of Parquet objects: of the last *capacity* objects that were measured."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._sizes: OrderedDict[Object, dict[str, int]] = OrderedDict()
        self._lock = Lock()

    def of(self, objects: Sequence[Object], paths: Sequence[Path], engine: Engine) -> list[dict[str, int]]:
        """Return the bytes by column for each of *objects*, whose contents are the files at *paths*."""
        with self._lock:
            found = {one: self._sizes[one] for one in objects if one in self._sizes}
        new = {str(path): one for one, path in zip(objects, paths, strict=True) if one not in found}
        measured: dict[Object, dict[str, int]] = {one: {} for one in new.values()}
        for path, name, size in _measure(list(new), engine):
            measured[new[path]][name] = size
        with self._lock:
            self._sizes |= {one: sizes for one, sizes in measured.items() if one.etag}
            while len(self._sizes) > self._capacity:
                self._sizes.popitem(last=False)
        return [(found | measured)[one] for one in objects]


def _measure(paths: list[str], engine: Engine) -> list[tuple[str, str, int]]:
    """Return path, column and compressed bytes of each column of Parquet files."""
    if not paths:
        return []
    return engine.execute(
        "SELECT file_name, lower(split_part(path_in_schema, ', ', 1)), sum(total_compressed_size)::BIGINT "
        "FROM parquet_metadata($files) GROUP BY ALL",
        {"files": paths},
    ).fetchall()


_COLUMN_SIZES = ColumnSizes(10_000)


class Files:
    """The objects of one table reference in a query."""

    def __init__(self, name: str, table: Table, folder: Path) -> None:
        self.name = name
        self._table = table
        self._objects: Sequence[tuple[Object, Partition]] = ()
        self._folder = folder / name
        self._is_parquet = "parquet" in table.serde.lower()

    def copy(self, objects: Sequence[tuple[Object, Partition]], contents: Iterable[bytes]) -> None:
        """Copy the contents of the objects to the folder."""
        self._objects = objects
        self._folder.mkdir()
        if self._is_parquet:
            for path, content in zip(self._paths, contents, strict=False):
                path.write_bytes(content)
        elif self._objects:
            split_lines = _line_splitter(self._table)
            with self._lines.open("wb") as lines:
                for at, ((found, _), content) in enumerate(zip(self._objects, contents, strict=False)):
                    lines.writelines(
                        b"%d\x1f%b\n" % (at, line) for line in split_lines(_read_text(found, content)) if line
                    )

    def create(self, engine: Engine, with_path: bool) -> None:
        """Create the relation with the columns, the partition keys and optionally the ``"$path"`` column."""
        keys = {key: duckdb_type(kind) for key, kind in self._table.partition_keys.items()}
        keys |= {PATH: "VARCHAR"} if with_path else {}
        values = [[*partition.values, found.uri][: len(keys)] for found, partition in self._objects]
        names = ", ".join(quote_identifier(name) for name in [*self._table.columns, *keys])
        if not keys:
            engine.execute(f"CREATE VIEW {self.name} AS SELECT {names} FROM ({self._select(engine)})")
            return
        columns = ", ".join(
            f"unnest($c{at}::VARCHAR[])::{kind} AS {quote_identifier(key)}"
            for at, (key, kind) in enumerate(keys.items())
        )
        given = {f"c{at}": [row[at] for row in values] for at in range(len(keys))}
        engine.execute(
            f"CREATE TABLE {self.name}_objects AS SELECT {columns}, unnest(range({len(values)})) AS object", given
        )
        engine.execute(
            f"CREATE VIEW {self.name} AS SELECT {names} FROM ({self._select(engine)}) JOIN {self.name}_objects "
            "USING (object)"
        )

    def bytes_scanned(self, engine: Engine, needed: set[str] | None) -> int:
        """Return the bytes that Athena counts as scanned: the needed columns of Parquet files, or complete objects.

        *needed* is None if the query may need all columns.
        """
        if not self._is_parquet or not self._objects:
            return sum(found.size for found, _ in self._objects)
        columns = set(self._table.columns) if needed is None else needed
        sizes = _COLUMN_SIZES.of([found for found, _ in self._objects], self._paths, engine)
        return sum(size for of_object in sizes for name, size in of_object.items() if name in columns)

    @property
    def _paths(self) -> list[Path]:
        return [self._folder / f"{at:06}.parquet" for at in range(len(self._objects))]

    @property
    def _lines(self) -> Path:
        return self._folder / "lines"

    def _select(self, engine: Engine) -> str:
        """Return a query for the table's columns and `object`, the number of the object that contains the row."""
        typed = {name: duckdb_type(kind) for name, kind in self._table.columns.items()}
        if not self._objects:
            nulls = ", ".join(f"NULL::{kind} AS {quote_identifier(name)}" for name, kind in typed.items())
            return f"SELECT {nulls}, 0 AS object WHERE false" if nulls else "SELECT 0 AS object WHERE false"
        if self._is_parquet:
            return self._select_parquet(engine, typed)
        field = _column_expression(self._table)
        fields = [
            f"{field(at, name, kind)} AS {quote_identifier(name)}" for at, (name, kind) in enumerate(typed.items())
        ]
        return (
            f"SELECT {', '.join([*fields, 'object'])} FROM ("
            f"SELECT object, {_parse_expression(self._table, typed)} AS parsed "
            f"FROM read_csv({quote_string(self._lines)}, columns = {{object: 'INTEGER', line: 'VARCHAR'}}, "
            f"delim = '{_OBJECT_DELIMITER}', quote = '', escape = '', header = false, auto_detect = false, "
            f"max_line_size = {_MAX_LINE_BYTES}))"
        )

    def _select_parquet(self, engine: Engine, typed: dict[str, str]) -> str:
        paths = ", ".join(map(quote_string, self._paths))
        source = f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
        if sum(found.size for found, _ in self._objects) <= _MAX_LOADED:
            # Each use of the files opens all of them, and a statement uses them five times.
            engine.execute(f"CREATE TABLE {self.name}_rows AS SELECT *, file_index FROM {source}")
            source = f"{self.name}_rows"
        described = engine.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        found = {name.lower(): (name, kind) for name, kind, *_ in described}
        columns = []
        for name, kind in typed.items():
            stored, stored_kind = found.get(name, ("", ""))
            if stored and _family(stored_kind) != _family(kind):
                raise Failed(
                    f"HIVE_BAD_DATA: Malformed Parquet file. Field {name}'s type {stored_kind} in parquet file "
                    f"{self._objects[0][0].uri} is incompatible with type {kind.lower()} defined in table schema"
                )
            columns.append(f"{quote_identifier(stored) if stored else 'NULL'}::{kind} AS {quote_identifier(name)}")
        return f"SELECT {', '.join([*columns, 'file_index AS object'])} FROM {source}"


def _family(kind: str) -> str:
    base = kind.split("(")[0].split(" ")[0]
    return next((family for family, kinds in _FAMILIES.items() if base in kinds and "[" not in kind), base)


def _read_text(found: Object, content: bytes) -> bytes:
    """Decompress an object and replace invalid UTF-8 by U+FFFD, as Java does."""
    try:
        content = _DECOMPRESSORS.get(found.key.rpartition(".")[2].lower(), bytes)(content)
    except (OSError, EOFError):
        raise Failed(
            f"HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {found.uri}: content does not match file extension"
        ) from None
    try:
        content.decode()
    except UnicodeDecodeError:
        content = content.decode(errors="replace").encode()
    return content.replace(_OBJECT_DELIMITER.encode(), b" ")


def _format(table: Table) -> str:
    for format, name in (("JsonSerDe", "json"), ("OpenCSVSerde", "csv"), ("LazySimpleSerDe", "delimited")):
        if format in table.serde:
            return name
    raise Failed(f"NOT_SUPPORTED: localaws cannot read {table.serde or 'a table without a SerDe'}")


def _delimiter(table: Table) -> str:
    given = table.serde_parameters
    delimiter = given.get("field.delim") or given.get("serialization.format") or _FIELD_DELIMITER
    return {"1": _FIELD_DELIMITER, "\\t": "\t"}.get(delimiter, delimiter)


def _line_splitter(table: Table) -> Callable[[bytes], Iterable[bytes]]:
    """Return a function that splits the content of an object into lines without line ends."""
    skipped = int(table.parameters.get("skip.header.line.count", 0))
    given = table.serde_parameters
    match _format(table):
        case "json":
            return lambda content: _lower_keys(content).splitlines()[skipped:]
        case "csv":
            quotes = {
                "delimiter": given.get("separatorChar", ","),
                "quotechar": given.get("quoteChar", '"'),
                "escapechar": given.get("escapeChar", "\\"),
            }
            return lambda content: _split_csv(content, skipped, **quotes)
    if "escape.delim" in given:
        unquoted = {"delimiter": _delimiter(table), "escapechar": given["escape.delim"], "quoting": csv.QUOTE_NONE}
        return lambda content: _split_csv(content, skipped, **unquoted)
    delimiter = _delimiter(table).encode()
    return lambda content: (
        content.replace(b"\r\n", b"\n").replace(delimiter, _FIELD_DELIMITER.encode()).split(b"\n")[skipped:]
    )


def _lower_keys(content: bytes) -> bytes:
    """Convert JSON keys to lower case, because column names are in lower case and SerDes ignore the case of keys."""
    if not _UPPER_KEY.search(content):
        return content
    return _JSON_STRING.sub(lambda found: found[0].lower() if found[1] else found[0], content)


def _split_csv(content: bytes, skipped: int, **dialect: Any) -> Iterator[bytes]:
    rows = csv.reader(content.decode().splitlines()[skipped:], strict=False, **dialect)
    return (_FIELD_DELIMITER.join(row).encode() for row in rows)


def _parse_expression(table: Table, typed: dict[str, str]) -> str:
    if _format(table) != "json":
        return f"string_split(line, '{_FIELD_DELIMITER}')"
    kinds = {_key(table, name): kind if _is_nested(kind) else "VARCHAR" for name, kind in typed.items()}
    transformed = f"json_transform(line, {quote_string(json.dumps(kinds))})"
    malformed = "error('HIVE_BAD_DATA: Row is not a valid JSON Object')"
    if table.serde_parameters.get("ignore.malformed.json", "").lower() == "true":
        malformed = "NULL"
    return f"CASE WHEN json_valid(line) THEN {transformed} ELSE {malformed} END"


def _is_nested(kind: str) -> bool:
    return kind.endswith("[]") or kind.startswith(("STRUCT", "MAP"))


def _key(table: Table, column: str) -> str:
    return table.serde_parameters.get(f"mapping.{column}", column).lower()


def _column_expression(table: Table) -> Callable[[int, str, str], str]:
    """Return a function that returns the SQL expression for a column of a parsed line."""
    match _format(table):
        case "json":
            return lambda at, name, kind: _json_expression(f"parsed[{quote_string(_key(table, name))}]", name, kind)
        case "csv":
            return lambda at, name, kind: _csv_expression(f"parsed[{at + 1}]", name, kind)
    null = table.serde_parameters.get("serialization.null.format", "\\N")
    inner = table.serde_parameters.get("collection.delim", table.serde_parameters.get("colelction.delim", "\x02"))

    def field(at: int, name: str, kind: str) -> str:
        value = f"nullif(parsed[{at + 1}], {quote_string(null)})"
        return (
            f"TRY_CAST({f'string_split({value}, {quote_string(inner)})' if kind.endswith('[]') else value} AS {kind})"
        )

    return field


def _cast_expression(value: str, name: str, kind: str) -> str:
    """Return SQL that converts a text to the type of the column, or fails the query."""
    failure = f"error('HIVE_BAD_DATA: Error parsing a value of field {name}: ' || {value})"
    return f"COALESCE(TRY_CAST({value} AS {kind}), CASE WHEN {value} IS NOT NULL THEN {failure} END)"


def _json_expression(value: str, name: str, kind: str) -> str:
    if _is_nested(kind) or kind == "TEXT":
        return value
    if kind != "TIMESTAMP":
        return _cast_expression(value, name, kind)
    # A timestamp is a text, or a number of seconds or milliseconds since 1970.
    return (
        f"CASE WHEN regexp_full_match({value}, '-?[0-9]{{12,}}') THEN make_timestamp({value}::BIGINT * 1000) "
        f"WHEN regexp_full_match({value}, '-?[0-9]+') THEN make_timestamp({value}::BIGINT * 1000000) "
        f"ELSE {_cast_expression(value, name, 'TIMESTAMPTZ')}::TIMESTAMP END"
    )


def _csv_expression(value: str, name: str, kind: str) -> str:
    """Return SQL for a CSV value. Dates are days since 1970, timestamps are milliseconds since 1970.

    https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html
    """
    given = f"nullif({value}, '')"
    match kind:
        case "TEXT":
            return value
        case "DATE":
            return f"DATE '1970-01-01' + {_cast_expression(given, name, 'INTEGER')}"
        case "TIMESTAMP":
            return f"make_timestamp({_cast_expression(given, name, 'BIGINT')} * 1000)"
    return _cast_expression(given, name, kind)
