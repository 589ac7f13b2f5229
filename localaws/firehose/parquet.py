"""Record format conversion: JSON records to one Parquet file with the columns of a Glue table.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html
https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog-tables.html#aws-glue-api-catalog-tables-Column
Fields without a column are dropped, and columns without a field are null. A value that does not match the column's type
fails only its record. DuckDB parses the values, checks the types and writes the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import msgspec

from localaws.athena.java_time import strftime
from localaws.firehose.deployed import Conversion
from localaws.firehose.records import CONVERSION_FAILED, FailedRecord, TransformedRecord

EMPTY = ("DataFormatConversion.MalformedData", "The record was empty or contained only whitespace.")
NOT_AN_OBJECT = (
    "DataFormatConversion.MalformedData",
    "The input JSON contained a primitive at the top level. The top level must be an object or array.",
)
MALFORMED = ("DataFormatConversion.ParseError", "Encountered malformed JSON.")
MISMATCH = ("DataFormatConversion.MalformedData", "Data does not match the schema.")

Document = dict[str, msgspec.Raw]

_decode_one = msgspec.json.Decoder(Document).decode
_decode_next = json.JSONDecoder().raw_decode

_TYPES = {
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "binary": "BLOB",
}
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT"})
# The timestamp formats of the OpenX JSON SerDe. Numbers below 1e11 are seconds, larger ones are milliseconds.
_OPENX_TIMESTAMP = r"""CASE
    WHEN regexp_full_match({0}, '-?\d+(\.\d+)?') THEN
        make_timestamp(round(CAST({0} AS DOUBLE) * if(abs(CAST({0} AS DOUBLE)) < 1e11, 1e6, 1e3))::BIGINT)
    WHEN regexp_full_match({0}, '\d{{4}}-\d\d?-\d\d? \d\d:\d\d:\d\d(\.\d{{1,9}})?')
        OR regexp_full_match({0}, '\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{{1,9}})?Z') THEN TRY_CAST({0} AS TIMESTAMP)
END"""
# The default of the Hive JSON SerDe: https://docs.oracle.com/javase/8/docs/api/java/sql/Timestamp.html#valueOf-java.lang.String-
_HIVE_TIMESTAMP = r"""CASE WHEN regexp_full_match({0}, '\d{{4}}-\d\d?-\d\d? \d\d?:\d\d?:\d\d?(\.\d{{1,9}})?')
    THEN TRY_CAST({0} AS TIMESTAMP) END"""
_MILLIS = "CASE WHEN regexp_full_match({0}, '-?\\d{{1,15}}') THEN make_timestamp(CAST({0} AS BIGINT) * 1000) END"


def _timestamp(formats: Sequence[str] | None) -> str:
    """Return the SQL expression of a timestamp of the text ``{0}``.

    *formats* are those of the Hive JSON SerDe: patterns of Joda, or ``millis``. None is the OpenX JSON SerDe.
    AWS: https://docs.aws.amazon.com/firehose/latest/APIReference/API_HiveJsonSerDe.html
    """
    if formats is None:
        return _OPENX_TIMESTAMP
    each = (_MILLIS if form == "millis" else f"try_strptime({{0}}, '{_literal(strftime(form))}')" for form in formats)
    return f"coalesce({', '.join(each)})" if formats else _HIVE_TIMESTAMP


def _literal(text: str) -> str:
    return text.replace("'", "''").replace("{", "{{").replace("}", "}}")


@dataclass(frozen=True)
class Column:
    """A column of the table, its JSON key, and its DuckDB type."""

    name: str
    key: str
    type: str
    timestamp: str = _OPENX_TIMESTAMP

    @property
    def nested(self) -> bool:
        """Whether the value is a list, struct or map."""
        return self.type.endswith("]") or self.type.startswith(("STRUCT", "MAP"))

    def converted(self, text: str) -> str:
        """Return the SQL expression that converts *text*. It is null if the value does not match the type."""
        if self.type == "VARCHAR":
            return text
        if self.type == "TIMESTAMP":
            return self.timestamp.format(text)
        if self.type in _INTEGERS:
            return f"CASE WHEN regexp_full_match({text}, '[+-]?\\d+') THEN TRY_CAST({text} AS {self.type}) END"
        if self.type == "BLOB":
            return f"encode({text})"
        return f"TRY_CAST({text} AS {self.type})"


def columns(described: Sequence[dict[str, str]], conversion: Conversion) -> list[Column]:
    """Return the columns of the files, from the table's StorageDescriptor."""

    def key(name: str) -> str:
        found = conversion.keys.get(name, name)
        return found.lower() if conversion.case_insensitive else found

    timestamp = _timestamp(conversion.timestamp_formats)
    return [
        Column(each["Name"], key(each["Name"]), duckdb_type(each.get("Type", "string")), timestamp)
        for each in described
    ]


def duckdb_type(glue_type: str) -> str:
    """Return the DuckDB type of a Glue type."""
    text = glue_type.strip().lower()
    if nested := re.fullmatch(r"(array|map|struct)<(.*)>", text):
        kind, inner = nested.groups()
        if kind == "array":
            return duckdb_type(inner) + "[]"
        if kind == "map":
            return f"MAP({', '.join(duckdb_type(part) for part in _split(inner))})"
        fields = (part.split(":", 1) for part in _split(inner))
        return f"STRUCT({', '.join(f'{_quoted(name.strip())} {duckdb_type(kind)}' for name, kind in fields)})"
    if text.startswith("decimal"):
        return text.upper() if "(" in text else "DECIMAL(10,0)"
    return _TYPES.get(text.split("(")[0], "VARCHAR")


def _split(text: str) -> Iterator[str]:
    """Yield the parts between the commas outside of brackets."""
    depth, start = 0, 0
    for position, character in enumerate(text):
        depth += (character in "<(") - (character in ">)")
        if character == "," and depth == 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def documents(data: bytes, conversion: Conversion) -> list[Document] | tuple[str, str]:
    """Return the concatenated JSON objects of a record, or the code and message of its error."""
    try:
        found = [_decode_one(data.decode())]
    except (UnicodeDecodeError, msgspec.DecodeError):
        found, error = _decode_all(data)
        if error:
            return error
    return [_with_keys(document, conversion) for document in found]


def _decode_all(data: bytes) -> tuple[list[Document], tuple[str, str] | None]:
    found: list[Document] = []
    try:
        text = data.decode().strip()
        while text:
            document, end = _decode_next(text)
            if not isinstance(document, dict):
                return [], NOT_AN_OBJECT
            found.append(_decode_one(text[:end]))
            text = text[end:].lstrip()
    except (ValueError, RecursionError):
        return [], MALFORMED
    return found, None if found else EMPTY


def _with_keys(document: Document, conversion: Conversion) -> Document:
    if conversion.dots_to_underscores:
        document = {key.replace(".", "_"): value for key, value in document.items()}
    if conversion.case_insensitive:
        document = {key.lower(): value for key, value in document.items()}
    return document


class Converter:
    """Conversion to one schema."""

    def __init__(self, schema: Sequence[Column], conversion: Conversion) -> None:
        self._columns, self._conversion = schema, conversion

    def convert(self, records: Sequence[TransformedRecord]) -> tuple[bytes | None, list[FailedRecord]]:
        """Return a Parquet file with a row for each JSON object, or None without rows, and the failed records."""
        errors: dict[int, tuple[str, str]] = {}
        with TemporaryDirectory(prefix="firehose-") as folder, duckdb.connect() as connection:
            source, target = Path(folder) / "rows.json", Path(folder) / "rows.parquet"
            with source.open("wb") as file:
                for number, record in enumerate(records):
                    found = documents(record.data, self._conversion)
                    if isinstance(found, tuple):
                        errors[number] = found
                    else:
                        file.writelines(self._line(number, document) for document in found)
            connection.execute("SET threads = 1")
            connection.execute(self._read(source))
            rows = {number: bad for number, bad in connection.execute(GROUPED).fetchall()}
            for number in range(len(records)):
                if number not in errors and rows.get(number, True):
                    errors[number] = MISMATCH if number in rows else MALFORMED
            connection.executemany("INSERT INTO failed VALUES (?)", [[number] for number in errors] or [[-1]])
            wrote = len(errors) < len(records)
            if wrote:
                connection.execute(self._write(target))
            failed = [FailedRecord(records[n].record, CONVERSION_FAILED, *error) for n, error in sorted(errors.items())]
            return target.read_bytes() if wrote else None, failed

    def _line(self, number: int, document: Document) -> bytes:
        """Return the object as one JSON line, with column positions as keys."""
        line = b'{"n":%d' % number
        for position, column in enumerate(self._columns):
            if column.key in document:
                line += b',"%d":%s' % (position, bytes(document[column.key]))
        return line.replace(b"\n", b" ").replace(b"\r", b" ") + b"}\n"

    def _read(self, source: Path) -> str:
        types = ", ".join(f"'{i}': '{'JSON' if c.nested else 'VARCHAR'}'" for i, c in enumerate(self._columns))
        texts = [(f'source."{i}"', column) for i, column in enumerate(self._columns)]
        values = ", ".join(f'{column.converted(text)} AS "{i}"' for i, (text, column) in enumerate(texts))
        wrong = " OR ".join(f'({text} IS NOT NULL AND "converted"."{i}" IS NULL)' for i, (text, _) in enumerate(texts))
        return f"""CREATE TEMP TABLE failed (n BIGINT);
            CREATE TEMP TABLE converted AS
            SELECT source.n, {wrong} AS wrong, converted.* FROM read_json(
                '{source}', format = 'newline_delimited', ignore_errors = true, columns = {{'n': 'BIGINT', {types}}}
            ) source, LATERAL (SELECT {values}) converted"""  # noqa: S608  # no input from records

    def _write(self, target: Path) -> str:
        names = ", ".join(f'"{i}" AS {_quoted(column.name)}' for i, column in enumerate(self._columns))
        return f"""COPY (SELECT {names} FROM converted WHERE n IS NOT NULL AND n NOT IN (FROM failed))
            TO '{target}' (FORMAT parquet, COMPRESSION {self._conversion.compression.lower()})"""  # noqa: S608  # no input from records


GROUPED = "SELECT n, bool_or(wrong) FROM converted WHERE n IS NOT NULL GROUP BY n"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
