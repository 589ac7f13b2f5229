"""Reads the lines of somebody else's file: CSV of any dialect or JSON lines, gzipped or not. Knows no AWS."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from conversion import FIELDS, REQUIRED, Converter, Form, NotReadable, Refused, listed

_HEAD = 1 << 16
"""Bytes of the beginning that tell encoding, format and delimiter."""

_DELIMITERS = ",;\t|"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLANK = "\ufeff \t\r\n"


class Line(NamedTuple):
    """One row of the file: a reading, or the reason why it is none."""

    first: int
    last: int
    """Line numbers, from 1; a quoted field may hold line breaks."""
    reading: dict[str, Any] | None
    reason: str = ""


def read(path: Path, form: Form) -> Iterator[Line]:
    """Yield every row of the file at *path* but blank ones. Raises NotReadable, as late as where the file breaks."""
    try:
        with _opened(path, form.encoding) as (text, head):
            start = head.lstrip(_BLANK)[:1]
            if not start:
                raise NotReadable(f"{path} is empty")
            if start == "[":
                raise NotReadable(f"{path} is one JSON array; one object a line is read (jq -c '.[]' makes that)")
            yield from (_json_lines(text, form) if start == "{" else _csv_rows(text, head, form))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise NotReadable(f"{path} is damaged: {error}") from error
    except (OSError, LookupError, UnicodeError) as error:  # no such file, no such encoding
        raise NotReadable(f"{path}: {error}") from error


@contextlib.contextmanager
def _opened(path: Path, encoding: str | None) -> Iterator[tuple[io.TextIOWrapper, str]]:
    """The text of a file, and the beginning of it."""
    with contextlib.ExitStack() as files:
        raw: Any = files.enter_context(path.open("rb", buffering=_HEAD))
        if raw.peek(2)[:2] == b"\x1f\x8b":
            unzipped = files.enter_context(gzip.GzipFile(fileobj=raw))
            raw = io.BufferedReader(unzipped, _HEAD)
        head = raw.peek(_HEAD)
        if b"\0" in head and not encoding and not head.startswith(_UTF_16):
            raise NotReadable(f"{path} is no text, or not in UTF-8 (ENCODING=); CSV and JSON lines are read")
        encoding = encoding or ("utf-16" if head.startswith(_UTF_16) else "utf-8-sig")
        beginning = codecs.getincrementaldecoder(encoding)("replace").decode(head)
        yield files.enter_context(io.TextIOWrapper(raw, encoding, "replace", newline="")), beginning


# CSV -----------------------------------------------------------------------------------------------------------------


def _csv_rows(text: io.TextIOWrapper, head: str, form: Form) -> Iterator[Line]:
    delimiter = max(_DELIMITERS, key=lambda character: _fit(character, head, form))
    rows = _records(csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True))
    _, _, header = next(rows)
    if isinstance(header, str):
        raise NotReadable(f"the header cannot be read: {header}")
    names = [name.strip(_BLANK) for name in header]
    columns = _columns(form, names)
    converter = Converter(form)
    for first, last, row in rows:
        try:
            if isinstance(row, str):
                raise Refused(row)
            if len(row) != len(names):
                raise Refused(f"{len(row)} columns, the header has {len(names)}")
            values = {field: row[position].strip() for field, position in columns.items()}
            yield Line(first, last, converter.reading(values, first))
        except Refused as refusal:
            yield Line(first, last, None, str(refusal))


def _fit(delimiter: str, head: str, form: Form) -> tuple[int, int]:
    """Return how well *delimiter* splits the header: into the columns that are asked for, and into many."""
    line = next(line for line in head.splitlines() if line.strip())
    names = [name.strip(_BLANK) for name in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]
    return len(set(form.columns.values()) & set(names)), len(names)


def _records(reader: Any) -> Iterator[tuple[int, int, list[str] | str]]:
    """Yield first line, last line, and the fields or what is wrong with the quotes; blank lines are left out."""
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


def _columns(form: Form, names: list[str]) -> dict[str, int]:
    """Return by field the position of its column; a field that nothing is said of has the column of its own name."""
    asked = {name: name for name in FIELDS if name in names and name not in form.constants} | dict(form.columns)
    absent = [column for column in asked.values() if column not in names]
    if absent:
        raise NotReadable(f"the header has no column {listed(absent)}; it has {listed(names)}")
    twice = [column for column in asked.values() if names.count(column) > 1]
    if twice:
        raise NotReadable(f"the header has more than one column {listed(twice)}")
    missing = [name for name in REQUIRED if name not in asked and name not in form.constants]
    if missing:
        raise NotReadable(f"nothing gives {listed(missing)}; say which column does: the header has {listed(names)}")
    return {name: names.index(column) for name, column in asked.items()}


# JSON lines ----------------------------------------------------------------------------------------------------------


def _json_lines(text: io.TextIOWrapper, form: Form) -> Iterator[Line]:
    keys = {name: name for name in FIELDS if name not in form.constants} | dict(form.columns)
    converter = Converter(form)
    for number, line in enumerate(text, 1):
        if not line.strip(_BLANK):
            continue
        try:
            document = _object(line)
            values = {field: _found(document, key) for field, key in keys.items()}
            yield Line(number, number, converter.reading(values, number))
        except Refused as refusal:
            yield Line(number, number, None, str(refusal))


def _object(line: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Refused("not a JSON object")
    return document


def _found(document: dict[str, Any], key: str) -> Any:
    if key in document:
        return document[key]
    found: Any = document
    for name in key.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
