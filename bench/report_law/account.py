"""What the reports reach in an AWS account, in one process: buckets, tables, and the local Athena without its API."""

from __future__ import annotations

import contextlib
import io
import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from botocore.credentials import Credentials

from deploy import stacks
from localaws.athena import results, writes
from localaws.athena.catalog import Catalog
from localaws.athena.engine import Engine
from localaws.athena.objects import Contents, Object, Objects
from localaws.athena.query import Query
from localaws.athena.statements import read
from sandbox.settings import ROOT

DATABASE = "law"
INGESTION, REPORTING = "ingestion", "reporting"


class S3:
    """The buckets: the operations of an S3 client that the app and the local Athena call."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self._lock = Lock()

    def put_object(self, Bucket: str, Key: str, Body: Any, **_: str) -> None:
        content = Body if isinstance(Body, bytes) else Body.read()
        with self._lock:
            self.objects[Bucket, Key] = content

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}

    def copy_object(self, Bucket: str, Key: str, CopySource: Mapping[str, str]) -> None:
        self.put_object(Bucket, Key, self.objects[CopySource["Bucket"], CopySource["Key"]])

    def delete_object(self, Bucket: str, Key: str) -> None:
        with self._lock:
            self.objects.pop((Bucket, Key), None)

    def list_objects_v2(self, Bucket: str, Prefix: str, **_: Any) -> dict[str, Any]:
        with self._lock:
            found = [(key, content) for (bucket, key), content in self.objects.items() if bucket == Bucket]
        listed = [
            {"Key": key, "Size": len(content), "ETag": ""} for key, content in sorted(found) if key.startswith(Prefix)
        ]
        return {"KeyCount": len(listed), "Contents": listed}

    def get_paginator(self, _: str) -> Any:
        class Pages:
            def paginate(pages, **request: Any) -> list[dict[str, Any]]:
                return [self.list_objects_v2(**request)]

        return Pages()


class _Objects(Objects):
    """Objects of the buckets, which are read without HTTP."""

    def __init__(self, s3: S3) -> None:
        super().__init__(s3, Credentials("", ""), "", "", Contents(0))
        self._buckets = s3

    def _get(self, s3_object: Object) -> bytes:
        return self._buckets.objects[s3_object.bucket, s3_object.key]


class _Glue:
    """The tables of pipeline-app: the operations of a Glue client that a statement calls."""

    def __init__(self) -> None:
        self._tables = {table["Name"]: table | {"DatabaseName": DATABASE} for table in tables()}
        self.exceptions = type("Exceptions", (), {"EntityNotFoundException": LookupError})

    def get_table(self, DatabaseName: str, Name: str) -> dict[str, Any]:
        return {"Table": self._tables[Name]}


def tables() -> list[dict[str, Any]]:
    """Return the TableInput of each table of pipeline-app."""
    resources = stacks.read((ROOT / "pipeline-app" / "resources.yaml").read_text())["Resources"].values()
    return [_resolved(each["Properties"]["TableInput"]) for each in resources if each["Type"] == "AWS::Glue::Table"]


def _resolved(value: Any) -> Any:
    """Return a part of a template with the names of the buckets."""
    match value:
        case {"Fn::Sub": str(text)}:
            return text.replace("${Ingestion}", INGESTION).replace("${Reporting}", REPORTING).replace("${!", "${")
        case dict():
            return {key: _resolved(each) for key, each in value.items()}
        case list():
            return [_resolved(each) for each in value]
    return value


@dataclass(frozen=True)
class Execution:
    """A statement that succeeded: `chalicelib.runs.QueryResult`."""

    token: str
    submitted_at: int
    ms: int
    bytes_scanned: int
    location: str


class Athena:
    """Runs statements, one at a time: `chalicelib.runs.QueryEngine`. *now* returns milliseconds since 1970."""

    def __init__(self, s3: S3, now: Callable[[], int]) -> None:
        self.executions: dict[str, Execution] = {}
        self.scanned = self.opened = 0
        """The bytes and the files that all statements read."""
        self._now = now
        self._objects = _Objects(s3)
        self._s3 = s3
        self._catalog = Catalog(_Glue())
        self._folder = tempfile.TemporaryDirectory()
        self._engine = Engine(Path(self._folder.name))
        self._numbers = itertools.count()
        self._last = 0
        self._lock = Lock()

    def run(self, name: str, statement: Callable[[str], str], parameters: Sequence[str], _: float) -> Execution:
        """Return the result of the statement. The same *name* is the same statement."""
        with self._lock:
            if name not in self.executions:
                token = f"{next(self._numbers):064d}"
                self._last = max(self._last + 1, self._now())
                self.executions[name] = self._run(token, statement(token), parameters)
            return self.executions[name]

    def _run(self, token: str, sql: str, parameters: Sequence[str]) -> Execution:
        with self._query() as query:
            statement = read(sql, parameters)
            location = f"s3://{REPORTING}/athena/{token}.csv"
            if statement.tree is None:
                writes.unload(query, statement)
            else:
                prepared = query.prepare(statement.tree)
                columns = self._engine.columns(prepared)
                lines = itertools.chain([[name for name, _ in columns]], self._engine.rows(prepared, columns))
                self._objects.write(location, "".join(results.csv_lines(lines)).encode())
            self.scanned += query.scanned
            self.opened += sum(1 for _ in query.folder.glob("*/*.parquet"))
            return Execution(token, self._last, 0, query.scanned, location)

    @contextlib.contextmanager
    def _query(self) -> Iterator[Query]:
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            yield Query(self._catalog, self._objects, self._engine, Path(folder), DATABASE, None)
        self._engine.clear()
