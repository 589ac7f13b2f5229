"""Runs a statement as its caller, and writes what it answers to the result's location."""

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
from localaws.athena.catalogue import Catalogue
from localaws.athena.engine import Columns, Engine
from localaws.athena.objects import Objects
from localaws.athena.query import Query
from localaws.athena.statements import Statement, literals, read
from localaws.athena.words import Words

_SESSION = botocore.session.Session()
_CLIENTS = 32  # that are kept, since one takes a while to make
_TEXT_COLUMN: Columns = [("result", "VARCHAR")]


class Request(msgspec.Struct):
    """A query that the emulator accepted, and who asked for it."""

    id: str
    sql: str
    parameters: list[str]
    database: str
    workgroup: str
    output: str
    """Where the result goes, without a suffix."""
    limit: int | None
    """The most bytes that may be scanned."""
    enforced: bool
    """Whether the workgroup's settings win over the query's."""
    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None


@dataclass
class Outcome:
    """What a statement came to, and what it took."""

    columns: list[dict[str, object]] = field(default_factory=list)
    scanned: int = 0
    planning_millis: int = 0
    update_count: int = 0
    manifest: str | None = None


class Run:
    """One statement on its way."""

    def __init__(self, request: Request, folder: Path) -> None:
        self.outcome = Outcome()
        self._request = request
        self._folder = folder
        self._engine = Engine(folder)
        keys = (request.access_key_id, request.secret_access_key, request.session_token)
        self._client = partial(_client, region=request.region, endpoint=request.endpoint, keys=keys)
        self._objects = Objects(self._client("s3"), Credentials(*keys), request.endpoint, request.region)
        self._query = Query(
            catalogue=Catalogue(self._client("glue")),
            objects=self._objects,
            engine=self._engine,
            folder=folder,
            database=request.database,
            limit=request.limit,
        )

    def stop(self) -> None:
        """End it as soon as may be."""
        self._engine.stop()

    def close(self) -> None:
        """Forget everything."""
        self._engine.close()

    def run(self, statement: Statement) -> None:
        """Run the statement to its end; raise Failed or Cancelled."""
        try:
            self._run(statement)
        finally:
            self.outcome.scanned = self._query.scanned
            self.outcome.planning_millis = self._query.planning_millis

    def _run(self, statement: Statement) -> None:
        match statement.substatement:
            case "EXECUTE":
                self._run(self._prepared(statement))
            case "PREPARE" | "DEALLOCATE":
                self._keep_prepared(statement)
                self._write_lines([])
            case "SELECT":
                assert statement.tree is not None
                sql = self._query.prepare(statement.tree)
                self._write_rows(sql, self._engine.columns(sql))
            case "CREATE_TABLE_AS_SELECT" | "INSERT" | "UNLOAD":
                self._write_manifest(self._write_data(statement))
            case _:
                self._write_lines(ddl.run(self._query, statement))

    def _write_data(self, statement: Statement) -> writes.Written:
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

    def _write_manifest(self, written: writes.Written) -> None:
        self.outcome.update_count = written.rows
        self.outcome.columns = [types.column_info("rows", "BIGINT")]
        self.outcome.manifest = f"{self._request.output}-manifest.csv"
        self._objects.write(self.outcome.manifest, "".join(f"{uri}\n" for uri in written.objects).encode())
        self._objects.write(f"{self._request.output}.metadata", self._metadata())

    def _write(self, suffix: str, content: bytes | Path) -> None:
        self._objects.write(self._request.output + suffix, content)
        self._objects.write(f"{self._request.output}{suffix}.metadata", self._metadata())

    def _metadata(self) -> bytes:
        """AWS's is in a form that it does not document; nobody reads it."""
        return msgspec.json.encode(self.outcome.columns)

    # --- prepared statements ---

    def _keep_prepared(self, statement: Statement) -> None:
        """https://docs.aws.amazon.com/athena/latest/ug/sql-prepare.html"""
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

    def _prepared(self, statement: Statement) -> Statement:
        words = Words(statement.sql)
        words.expect("EXECUTE")
        name = words.name()
        given = literals(words.rest()) if words.accept("USING") else self._request.parameters
        kept = self._client("athena").get_prepared_statement(StatementName=name, WorkGroup=self._request.workgroup)
        return read(kept["PreparedStatement"]["QueryStatement"], given)


@lru_cache(_CLIENTS)
def _client(service: str, region: str, endpoint: str, keys: tuple[str, str, str | None]) -> Any:
    """A client of the emulator, or of AWS, with a caller's keys."""
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
