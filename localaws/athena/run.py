"""Runs a statement with the permissions of its caller, and writes the result to the output location."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
from botocore.config import Config
from botocore.credentials import Credentials

from localaws.athena import ddl, results, types, writes
from localaws.athena.catalog import Catalog
from localaws.athena.engine import Columns, Engine
from localaws.athena.objects import Contents, Objects
from localaws.athena.query import Query
from localaws.athena.statements import Statement, literals, read
from localaws.athena.words import Words

_SESSION = botocore.session.Session()
_CACHED_CLIENTS = 32  # creating a client is slow
_CONTENTS = Contents(64 * 2**20)
_TEXT_COLUMN: Columns = [("result", "VARCHAR")]


class Request(msgspec.Struct):
    """A query and the credentials of its caller, as the emulator sends it."""

    id: str
    sql: str
    parameters: list[str]
    database: str
    workgroup: str
    output: str
    """The S3 URI of the result, without a file extension."""
    limit: int | None
    """The maximum number of bytes to scan, or None."""
    enforced: bool
    """Whether the workgroup enforces its configuration."""
    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None


@dataclass
class Outcome:
    """The result and the statistics of a statement."""

    columns: list[dict[str, object]] = field(default_factory=list)
    scanned: int = 0
    planning_millis: int = 0
    update_count: int = 0
    manifest: str | None = None


class Run:
    """The execution of one statement by *engine*, whose folder has *folder*."""

    def __init__(self, request: Request, engine: Engine, folder: Path) -> None:
        self.outcome = Outcome()
        self._request = request
        self._folder = folder
        self._engine = engine
        keys = (request.access_key_id, request.secret_access_key, request.session_token)
        self._client = partial(_client, region=request.region, endpoint=request.endpoint, keys=keys)
        self._objects = Objects(self._client("s3"), Credentials(*keys), request.endpoint, request.region, _CONTENTS)
        self._query = Query(
            catalog=Catalog(self._client("glue")),
            objects=self._objects,
            engine=self._engine,
            folder=folder,
            database=request.database,
            limit=request.limit,
        )

    def stop(self) -> None:
        """Interrupt the statement."""
        self._engine.stop()

    def run(self, statement: Statement) -> None:
        """Run the statement to completion. Raise Failed or Cancelled."""
        try:
            self._query.catalog.check_default()
            self._run(statement)
        finally:
            self.outcome.scanned = self._query.scanned
            self.outcome.planning_millis = self._query.planning_millis

    def _run(self, statement: Statement) -> None:
        match statement.substatement:
            case "EXECUTE":
                self._run(self._load_prepared(statement))
            case "PREPARE" | "DEALLOCATE":
                self._prepare(statement)
                self._write_lines([])
            case "SELECT":
                assert statement.tree is not None
                sql = self._query.prepare(statement.tree)
                self._write_rows(sql, self._engine.columns(sql))
            case "CREATE_TABLE_AS_SELECT" | "INSERT" | "UNLOAD":
                self._write_manifest(self._write_data(statement))
            case _:
                self._write_lines(ddl.run(self._query, statement))

    def _write_data(self, statement: Statement) -> writes.WriteResult:
        if statement.tree is None:
            return writes.unload(self._query, statement)
        if statement.substatement == "INSERT":
            return writes.insert(self._query, statement.tree)
        return writes.create_table_as(self._query, statement.tree, self._request.output, self._request.enforced)

    def _write_rows(self, sql: str, columns: Columns) -> None:
        self.outcome.columns = [types.column_info(name, kind) for name, kind in columns]
        path = self._folder / "result.csv"
        with path.open("w", newline="") as file:
            file.writelines(results.csv_lines([[name for name, _ in columns]]))
            file.writelines(results.csv_lines(self._engine.rows(sql, columns)))
        self._write(".csv", path)

    def _write_lines(self, lines: Iterable[str]) -> None:
        self.outcome.columns = [types.column_info(name, kind) for name, kind in _TEXT_COLUMN]
        self._write(".txt", "".join(f"{line}\n" for line in lines).encode())

    def _write_manifest(self, written: writes.WriteResult) -> None:
        self.outcome.update_count = written.rows
        self.outcome.columns = [types.column_info("rows", "BIGINT")]
        self.outcome.manifest = f"{self._request.output}-manifest.csv"
        self._objects.write(self.outcome.manifest, "".join(f"{uri}\n" for uri in written.objects).encode())
        self._objects.write(f"{self._request.output}.metadata", self._metadata())

    def _write(self, suffix: str, content: bytes | Path) -> None:
        self._objects.write(self._request.output + suffix, content)
        self._objects.write(f"{self._request.output}{suffix}.metadata", self._metadata())

    def _metadata(self) -> bytes:
        """Return the content of the .metadata object. AWS does not document its format, so this is JSON."""
        return msgspec.json.encode(self.outcome.columns)

    # --- prepared statements ---

    def _prepare(self, statement: Statement) -> None:
        """Run PREPARE or DEALLOCATE: https://docs.aws.amazon.com/athena/latest/ug/sql-prepare.html"""
        words, athena = Words(statement.sql), self._client("athena")
        if words.accept("DEALLOCATE"):
            words.expect("PREPARE")
            athena.delete_prepared_statement(StatementName=words.name(), WorkGroup=self._request.workgroup)
            return
        words.expect("PREPARE")
        name = words.name()
        words.expect("FROM")
        athena.create_prepared_statement(
            StatementName=name, WorkGroup=self._request.workgroup, QueryStatement=words.rest().rstrip(";")
        )

    def _load_prepared(self, statement: Statement) -> Statement:
        words = Words(statement.sql)
        words.expect("EXECUTE")
        name = words.name()
        parameters = literals(words.rest()) if words.accept("USING") else self._request.parameters
        prepared = self._client("athena").get_prepared_statement(StatementName=name, WorkGroup=self._request.workgroup)
        return read(prepared["PreparedStatement"]["QueryStatement"], parameters)


@lru_cache(_CACHED_CLIENTS)
def _client(service: str, region: str, endpoint: str, keys: tuple[str, str, str | None]) -> Any:
    """Return a client of the emulator with the credentials of the caller."""
    key_id, secret, token = keys
    return _SESSION.create_client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(max_pool_connections=16, retries={"total_max_attempts": 2}, s3={"addressing_style": "path"}),
    )
