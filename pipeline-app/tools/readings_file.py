"""Reads the lines of a user's file: CSV of any dialect or JSON lines, gzipped or not."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tools.conversion import FIELDS, REQUIRED, Converter, FileFormat, InvalidLine, UnreadableFile, quoted

_HEAD = 1 << 16
"""Bytes at the start of a file from which encoding, format and delimiter are detected."""

_DELIMITERS = ",;\t|"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLANK = "\ufeff \t\r\n"
_SEPARATOR_LINE = re.compile(rf'\ufeff?"?sep=([{_DELIMITERS}])"?[\r\n]', re.IGNORECASE)
"""A first line of Excel, which names the delimiter."""


class Line(NamedTuple):
    """One row of the file: a reading, or the reason why it is not one."""

    first: int
    last: int
    """Line numbers, from 1. A quoted field may contain line breaks."""
    reading: dict[str, Any] | None
    reason: str = ""


def read(path: Path, file_format: FileFormat) -> Iterator[Line]:
    """Yield every row of the file at *path* except blank ones. Raises UnreadableFile where the file is damaged."""
    try:
        with _opened(path, file_format.encoding) as (text, head):
            start = head.lstrip(_BLANK)[:1]
            if not start:
                raise UnreadableFile(f"{path} is empty")
            if start == "[":
                raise UnreadableFile(f"{path} is one JSON array; convert it to one object a line with jq -c '.[]'")
            yield from (_json_lines(text, file_format) if start == "{" else _csv_rows(text, head, file_format))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFile(f"{path} is damaged: {error}") from error
    except (OSError, LookupError, UnicodeError) as error:  # no such file, no such encoding
        raise UnreadableFile(f"{path}: {error}") from error


@contextlib.contextmanager
def _opened(path: Path, encoding: str | None) -> Iterator[tuple[io.TextIOWrapper, str]]:
    """Open a file. Yield its text, and the start of the text."""
    with contextlib.ExitStack() as files:
        raw: Any = files.enter_context(path.open("rb", buffering=_HEAD))
        if raw.peek(2)[:2] == b"\x1f\x8b":
            unzipped = files.enter_context(gzip.GzipFile(fileobj=raw))
            raw = io.BufferedReader(unzipped, _HEAD)
        head = raw.peek(_HEAD)
        if b"\0" in head and not encoding and not head.startswith(_UTF_16):
            raise UnreadableFile(f"{path} is not text in UTF-8; set ENCODING=, or convert it to CSV or JSON lines")
        encoding = encoding or ("utf-16" if head.startswith(_UTF_16) else "utf-8-sig")
        beginning = codecs.getincrementaldecoder(encoding)("replace").decode(head)
        yield files.enter_context(io.TextIOWrapper(raw, encoding, "replace", newline="")), beginning


# CSV -----------------------------------------------------------------------------------------------------------------


def _csv_rows(text: io.TextIOWrapper, head: str, file_format: FileFormat) -> Iterator[Line]:
    named = _SEPARATOR_LINE.match(head)
    delimiter = named[1] if named else max(_DELIMITERS, key=lambda character: _fit(character, head, file_format))
    rows = _rows(csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True))
    if named:
        next(rows)
    _, _, header = next(rows, (0, 0, "there is none"))
    if isinstance(header, str):
        raise UnreadableFile(f"the header cannot be read: {header}")
    names = [_name(cell) for cell in header]
    columns = _columns(file_format, names)
    converter = Converter(file_format, semicolons=delimiter == ";")
    for first, last, row in rows:
        try:
            if isinstance(row, str):
                raise InvalidLine(row)
            if len(row) < len(_filled(names)) or len(_filled(row)) > len(names):
                raise InvalidLine(f"{len(row)} columns, the header has {len(names)}")
            values = {field: row[position].strip() for field, position in columns.items()}
            yield Line(first, last, converter.reading(values))
        except InvalidLine as error:
            yield Line(first, last, None, str(error))


def _name(cell: str) -> str:
    """Return a column's name, which may have line breaks in the file."""
    return " ".join(cell.strip(_BLANK).split())


def _filled(row: list[str]) -> list[str]:
    """Return *row* without the empty cells at its end, which some programs write in some rows only."""
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    return row[:end]


def _fit(delimiter: str, head: str, file_format: FileFormat) -> tuple[int, int]:
    """Return how well *delimiter* splits the header: the number of columns that are requested, and of all."""
    rows = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, skipinitialspace=True)
    names = [_name(cell) for cell in next(filter(_filled, rows), [])]
    return len({_name(column) for column in file_format.columns.values()} & set(names)), len(names)


def _rows(reader: Any) -> Iterator[tuple[int, int, list[str] | str]]:
    """Yield the first line, the last line, and the fields or the error of each row. Skips blank lines."""
    while True:
        first = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield first, reader.line_num, f"not CSV: {error}"
            continue
        if "".join(row).strip() or len(row) > 1:
            yield first, reader.line_num, row


def _columns(file_format: FileFormat, names: list[str]) -> dict[str, int]:
    """Return the position of each field's column. A field without a description has the column of its own name."""
    own = {name: name for name in FIELDS if name in names and name not in file_format.constants}
    requested = own | {field: _name(column) for field, column in file_format.columns.items()}
    absent = [column for column in requested.values() if column not in names]
    if absent:
        raise UnreadableFile(f"the header has no column {quoted(absent)}; it has {quoted(_filled(names))}")
    twice = [column for column in requested.values() if names.count(column) > 1]
    if twice:
        raise UnreadableFile(f"the header has more than one column {quoted(twice)}")
    missing = [name for name in REQUIRED if name not in requested and name not in file_format.constants]
    if missing:
        raise UnreadableFile(f"no column for {quoted(missing)}; set MAP=: the header has {quoted(_filled(names))}")
    return {name: names.index(column) for name, column in requested.items()}


# JSON lines ----------------------------------------------------------------------------------------------------------


def _json_lines(text: io.TextIOWrapper, file_format: FileFormat) -> Iterator[Line]:
    keys = {name: name for name in FIELDS if name not in file_format.constants} | dict(file_format.columns)
    converter = Converter(file_format)
    for number, line in enumerate(text, 1):
        if not line.strip(_BLANK):
            continue
        try:
            document = _object(line)
            values = {field: _found(document, key) for field, key in keys.items()}
            yield Line(number, number, converter.reading(values))
        except InvalidLine as error:
            yield Line(number, number, None, str(error))


def _object(line: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidLine(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidLine("not a JSON object")
    return document


def _found(document: dict[str, Any], key: str) -> Any:
    if key in document:
        return document[key]
    found: Any = document
    for name in key.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
