"""The objects of a table as a relation of DuckDB, by the table's format.

Objects are copied to the query's own folder, Parquet each as it is, lines of text into one file, so that thousands of
small objects cost no memory. https://docs.aws.amazon.com/athena/latest/ug/supported-serdes.html
"""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from localaws.athena.catalogue import Partition, Table
from localaws.athena.engine import Engine, quoted, text
from localaws.athena.failures import Failed
from localaws.athena.objects import Object
from localaws.athena.plan import PATH
from localaws.athena.types import duckdb_type

_LINE = "\x1f"  # between the number of an object and a line of it
_FIELD = "\x01"  # Hive's own, between the fields of a line
_LONGEST_LINE = 16 * 2**20
# Athena goes by the suffix alone. https://docs.aws.amazon.com/athena/latest/ug/compression-formats.html
_DECOMPRESSED: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.decompress, "bz2": bz2.decompress}
_UPPER_KEY = re.compile(rb'"[^"\\]*[A-Z][^"\\]*"\s*:')
_JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"(\s*:)?')
_FAMILIES = {
    "text": ("VARCHAR", "TEXT"),
    "number": ("TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT", "REAL", "FLOAT", "DOUBLE", "DECIMAL", "HUGEINT"),
    "boolean": ("BOOLEAN",),
    "time": ("DATE", "TIMESTAMP"),
}


class Files:
    """The objects of one mention of a table in a query."""

    def __init__(self, name: str, table: Table, folder: Path) -> None:
        self.name = name
        self._table = table
        self._objects: Sequence[tuple[Object, Partition]] = ()
        self._folder = folder / name
        self._is_parquet = "parquet" in table.serde.lower()

    def copy(self, objects: Sequence[tuple[Object, Partition]], contents: Iterable[bytes]) -> None:
        """Take the objects, of whose contents a copy is kept in the folder."""
        self._objects = objects
        self._folder.mkdir()
        if self._is_parquet:
            for path, content in zip(self._paths, contents, strict=False):
                path.write_bytes(content)
        elif self._objects:
            reads = _lines_of(self._table)
            with self._lines.open("wb") as lines:
                for at, ((found, _), content) in enumerate(zip(self._objects, contents, strict=False)):
                    lines.writelines(
                        b"%d\x1f%b\n" % (at, line) for line in reads(_decompressed(found, content)) if line
                    )

    def create(self, engine: Engine, with_path: bool) -> None:
        """Create the relation: the table's columns, its partition keys and, if asked for, each row's object."""
        keys = {key: duckdb_type(kind) for key, kind in self._table.partition_keys.items()}
        keys |= {PATH: "VARCHAR"} if with_path else {}
        values = [[*partition.values, found.uri][: len(keys)] for found, partition in self._objects]
        names = ", ".join(quoted(name) for name in [*self._table.columns, *keys])
        if not keys:
            engine.execute(f"CREATE VIEW {self.name} AS SELECT {names} FROM ({self._selected(engine)})")
            return
        columns = ", ".join(
            f"unnest($c{at}::VARCHAR[])::{kind} AS {quoted(key)}" for at, (key, kind) in enumerate(keys.items())
        )
        given = {f"c{at}": [row[at] for row in values] for at in range(len(keys))}
        engine.execute(
            f"CREATE TABLE {self.name}_objects AS SELECT {columns}, unnest(range({len(values)})) AS object", given
        )
        engine.execute(
            f"CREATE VIEW {self.name} AS SELECT {names} FROM ({self._selected(engine)}) JOIN {self.name}_objects "
            "USING (object)"
        )

    def scanned(self, engine: Engine, needed: set[str] | None) -> int:
        """Return the bytes that Athena counts: of Parquet those of the needed columns, else whole objects."""
        if not self._is_parquet or not self._objects:
            return sum(found.size for found, _ in self._objects)
        columns = sorted(set(self._table.columns) if needed is None else needed)
        (read,) = engine.execute(
            "SELECT COALESCE(sum(total_compressed_size), 0)::BIGINT FROM parquet_metadata($files) "
            "WHERE lower(split_part(path_in_schema, ', ', 1)) IN (SELECT unnest($columns))",
            {"files": [str(path) for path in self._paths], "columns": columns},
        ).fetchone() or (0,)
        return int(read)

    @property
    def _paths(self) -> list[Path]:
        return [self._folder / f"{at:06}.parquet" for at in range(len(self._objects))]

    @property
    def _lines(self) -> Path:
        return self._folder / "lines"

    def _selected(self, engine: Engine) -> str:
        """Return a query of the table's columns and 'object', the number of the object of each row."""
        typed = {name: duckdb_type(kind) for name, kind in self._table.columns.items()}
        if not self._objects:
            nulls = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in typed.items())
            return f"SELECT {nulls}, 0 AS object WHERE false" if nulls else "SELECT 0 AS object WHERE false"
        if self._is_parquet:
            return self._parquet(engine, typed)
        field = _field_of(self._table)
        fields = [f"{field(at, name, kind)} AS {quoted(name)}" for at, (name, kind) in enumerate(typed.items())]
        return (
            f"SELECT {', '.join([*fields, 'object'])} FROM (SELECT object, {_parsed(self._table, typed)} AS parsed "
            f"FROM read_csv({text(self._lines)}, columns = {{object: 'INTEGER', line: 'VARCHAR'}}, delim = '{_LINE}', "
            f"quote = '', escape = '', header = false, auto_detect = false, max_line_size = {_LONGEST_LINE}))"
        )

    def _parquet(self, engine: Engine, typed: dict[str, str]) -> str:
        source = f"read_parquet([{', '.join(map(text, self._paths))}], union_by_name = true, hive_partitioning = false)"
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
            columns.append(f"{quoted(stored) if stored else 'NULL'}::{kind} AS {quoted(name)}")
        return f"SELECT {', '.join([*columns, 'file_index AS object'])} FROM {source}"


def _family(kind: str) -> str:
    base = kind.split("(")[0].split(" ")[0]
    return next((family for family, kinds in _FAMILIES.items() if base in kinds and "[" not in kind), base)


def _decompressed(found: Object, content: bytes) -> bytes:
    """Return UTF-8, with U+FFFD for what is none, as Java reads it."""
    try:
        content = _DECOMPRESSED.get(found.key.rpartition(".")[2].lower(), bytes)(content)
    except (OSError, EOFError):
        raise Failed(
            f"HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {found.uri}: not in its suffix's format"
        ) from None
    try:
        content.decode()
    except UnicodeDecodeError:
        content = content.decode(errors="replace").encode()
    return content.replace(_LINE.encode(), b" ")


def _format(table: Table) -> str:
    for format, name in (("JsonSerDe", "json"), ("OpenCSVSerde", "csv"), ("LazySimpleSerDe", "delimited")):
        if format in table.serde:
            return name
    raise Failed(f"NOT_SUPPORTED: the sandbox reads no {table.serde or 'table without a SerDe'}")


def _delimiter(table: Table) -> str:
    given = table.serde_parameters
    delimiter = given.get("field.delim") or given.get("serialization.format") or _FIELD
    return {"1": _FIELD, "\\t": "\t"}.get(delimiter, delimiter)


def _lines_of(table: Table) -> Callable[[bytes], Iterable[bytes]]:
    """Return how an object's content becomes lines, each without its end."""
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
            return lambda content: _fields(content, skipped, **quotes)
    if "escape.delim" in given:
        unquoted = {"delimiter": _delimiter(table), "escapechar": given["escape.delim"], "quoting": csv.QUOTE_NONE}
        return lambda content: _fields(content, skipped, **unquoted)
    delimiter = _delimiter(table).encode()
    return lambda content: content.replace(b"\r\n", b"\n").replace(delimiter, _FIELD.encode()).split(b"\n")[skipped:]


def _lower_keys(content: bytes) -> bytes:
    """Columns have lower-case names, and the SerDes find them whatever the case of a key."""
    if not _UPPER_KEY.search(content):
        return content
    return _JSON_STRING.sub(lambda found: found[0].lower() if found[1] else found[0], content)


def _fields(content: bytes, skipped: int, **dialect: Any) -> Iterator[bytes]:
    rows = csv.reader(content.decode().splitlines()[skipped:], strict=False, **dialect)
    return (_FIELD.join(row).encode() for row in rows)


def _parsed(table: Table, typed: dict[str, str]) -> str:
    if _format(table) != "json":
        return f"string_split(line, '{_FIELD}')"
    kinds = {_key(table, name): kind if _is_nested(kind) else "VARCHAR" for name, kind in typed.items()}
    transformed = f"json_transform(line, {text(json.dumps(kinds))})"
    malformed = "error('HIVE_BAD_DATA: Row is not a valid JSON Object')"
    if table.serde_parameters.get("ignore.malformed.json", "").lower() == "true":
        malformed = "NULL"
    return f"CASE WHEN json_valid(line) THEN {transformed} ELSE {malformed} END"


def _is_nested(kind: str) -> bool:
    return kind.endswith("[]") or kind.startswith(("STRUCT", "MAP"))


def _key(table: Table, column: str) -> str:
    return table.serde_parameters.get(f"mapping.{column}", column).lower()


def _field_of(table: Table) -> Callable[[int, str, str], str]:
    """Return how a column's value is read from the parsed line."""
    match _format(table):
        case "json":
            return lambda at, name, kind: _json_value(f"parsed[{text(_key(table, name))}]", name, kind)
        case "csv":
            return lambda at, name, kind: _csv_value(f"parsed[{at + 1}]", name, kind)
    null = table.serde_parameters.get("serialization.null.format", "\\N")
    inner = table.serde_parameters.get("collection.delim", table.serde_parameters.get("colelction.delim", "\x02"))

    def field(at: int, name: str, kind: str) -> str:
        value = f"nullif(parsed[{at + 1}], {text(null)})"
        return f"TRY_CAST({f'string_split({value}, {text(inner)})' if kind.endswith('[]') else value} AS {kind})"

    return field


def _cast(value: str, name: str, kind: str) -> str:
    """A text that is not of its column's type fails the query."""
    failure = f"error('HIVE_BAD_DATA: Error parsing a value of field {name}: ' || {value})"
    return f"COALESCE(TRY_CAST({value} AS {kind}), CASE WHEN {value} IS NOT NULL THEN {failure} END)"


def _json_value(value: str, name: str, kind: str) -> str:
    if _is_nested(kind) or kind == "TEXT":
        return value
    if kind != "TIMESTAMP":
        return _cast(value, name, kind)
    # A time is a text, or seconds or milliseconds since 1970.
    return (
        f"CASE WHEN regexp_full_match({value}, '-?[0-9]{{12,}}') THEN make_timestamp({value}::BIGINT * 1000) "
        f"WHEN regexp_full_match({value}, '-?[0-9]+') THEN make_timestamp({value}::BIGINT * 1000000) "
        f"ELSE {_cast(value, name, 'TIMESTAMPTZ')}::TIMESTAMP END"
    )


def _csv_value(value: str, name: str, kind: str) -> str:
    """https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html: dates are days, times milliseconds since 1970."""
    given = f"nullif({value}, '')"
    match kind:
        case "TEXT":
            return value
        case "DATE":
            return f"DATE '1970-01-01' + {_cast(given, name, 'INTEGER')}"
        case "TIMESTAMP":
            return f"make_timestamp({_cast(given, name, 'BIGINT')} * 1000)"
    return _cast(given, name, kind)
