"""The catalogue, Glue's, through the caller's own rights."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from botocore.exceptions import ClientError

from localaws.athena.failures import Failed

_VIEW = "/* Presto View: "
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_BATCH = 100  # of BatchCreatePartition

type Columns = dict[str, str]
"""Hive's types by name."""


@dataclass(frozen=True)
class Table:
    """A table or view of the catalogue."""

    database: str
    name: str
    columns: Columns
    partition_keys: Columns = field(default_factory=dict)
    location: str = ""
    serde: str = ""
    input_format: str = ""
    serde_parameters: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    view: str | None = None
    """A view's query, as JSON of ``originalSql`` and ``schema``."""

    @property
    def all_columns(self) -> Columns:
        """The columns and, behind them, the partition keys."""
        return self.columns | self.partition_keys


@dataclass(frozen=True)
class Partition:
    """The values of the table's partition keys, and where its objects are."""

    values: tuple[str | None, ...]
    location: str
    """With a closing slash."""


class Catalogue:
    """Databases, tables and partitions."""

    def __init__(self, glue: Any) -> None:
        self._glue = glue

    def table(self, database: str, name: str) -> Table:
        """Return a table or view, or raise Failed."""
        with _allowed():
            try:
                found = self._glue.get_table(DatabaseName=database, Name=name)["Table"]
            except self._glue.exceptions.EntityNotFoundException:
                raise Failed(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{name}' does not exist") from None
        return _table(found)

    def has_table(self, database: str, name: str) -> bool:
        """Tell whether there is such a table or view."""
        try:
            self.table(database, name)
        except Failed as failure:
            if str(failure).startswith("TABLE_NOT_FOUND"):
                return False
            raise
        return True

    def tables(self, database: str) -> list[Table]:
        """Return all tables and views of a database, by name."""
        pages = self._glue.get_paginator("get_tables").paginate(DatabaseName=database)
        with _allowed():
            return sorted(
                (_table(table) for page in pages for table in page["TableList"]), key=lambda table: table.name
            )

    def databases(self) -> list[str]:
        """Return the names of all databases, sorted."""
        with _allowed():
            pages = self._glue.get_paginator("get_databases").paginate()
            return sorted(database["Name"] for page in pages for database in page["DatabaseList"])

    def partitions(self, table: Table) -> list[Partition]:
        """Return the loaded partitions."""
        pages = self._glue.get_paginator("get_partitions").paginate(DatabaseName=table.database, TableName=table.name)
        with _allowed():
            return [
                Partition(
                    tuple(None if value == _NULL_PARTITION else value for value in found["Values"]),
                    (found.get("StorageDescriptor", {}).get("Location") or "").rstrip("/") + "/",
                )
                for page in pages
                for found in page["Partitions"]
            ]

    def create_table(self, table: Table, output_format: str = "") -> None:
        """Create the table or view, or raise Failed."""
        with _allowed():
            self._glue.create_table(DatabaseName=table.database, TableInput=_table_input(table, output_format))

    def replace_view(self, view: Table) -> None:
        """Replace the view by another query."""
        with _allowed():
            self._glue.update_table(DatabaseName=view.database, TableInput=_table_input(view))

    def update_table(self, database: str, name: str, change: dict[str, Any]) -> None:
        """Change members of the table's input."""
        with _allowed():
            stored = self._glue.get_table(DatabaseName=database, Name=name)["Table"]
            members = ("Name", "Description", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")
            unchanged = {member: stored[member] for member in members if stored.get(member)}
            self._glue.update_table(DatabaseName=database, TableInput=unchanged | change)

    def storage(self, database: str, name: str) -> dict[str, Any]:
        """Return the table's StorageDescriptor."""
        with _allowed():
            return dict(self._glue.get_table(DatabaseName=database, Name=name)["Table"].get("StorageDescriptor") or {})

    def drop_table(self, database: str, name: str) -> None:
        """Drop the table or view; its objects stay."""
        with _allowed():
            self._glue.delete_table(DatabaseName=database, Name=name)

    def create_database(self, name: str, comment: str, location: str) -> None:
        """Create a database, or raise Failed."""
        given = {"Name": name, "Description": comment, "LocationUri": location}
        with _allowed():
            self._glue.create_database(DatabaseInput={key: value for key, value in given.items() if value})

    def drop_database(self, name: str) -> None:
        """Drop a database."""
        with _allowed():
            self._glue.delete_database(Name=name)

    def add_partitions(self, table: Table, partitions: list[Partition]) -> list[tuple[str, ...]]:
        """Load partitions and return the values of those that were loaded already."""
        storage = self.storage(table.database, table.name)
        known: list[tuple[str, ...]] = []
        for start in range(0, len(partitions), _BATCH):
            inputs = [
                {
                    "Values": [_NULL_PARTITION if value is None else value for value in partition.values],
                    "StorageDescriptor": storage | {"Location": partition.location},
                }
                for partition in partitions[start : start + _BATCH]
            ]
            with _allowed():
                answer = self._glue.batch_create_partition(
                    DatabaseName=table.database, TableName=table.name, PartitionInputList=inputs
                )
            for error in answer.get("Errors", []):
                if error["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException":
                    raise Failed(error["ErrorDetail"]["ErrorMessage"])
                known.append(tuple(error["PartitionValues"]))
        return known

    def drop_partition(self, table: Table, values: list[str]) -> None:
        """Unload a partition; its objects stay."""
        with _allowed():
            self._glue.delete_partition(DatabaseName=table.database, TableName=table.name, PartitionValues=values)


def folder(table: Table, values: tuple[str | None, ...]) -> str:
    """Return Hive's name of a partition's folder, as ``day=2024-01-01/hour=3``."""
    pairs = zip(table.partition_keys, values, strict=True)
    return "/".join(f"{key}={_NULL_PARTITION if value is None else quote(value, safe=' ')}" for key, value in pairs)


def values_of(table: Table, below: str) -> tuple[str | None, ...] | None:
    """Return what *below*, a path below the table's location, says of the partition keys, or None if not all."""
    parts = [part.partition("=") for part in below.split("/")[: len(table.partition_keys)]]
    if [key.lower() for key, _, _ in parts] != list(table.partition_keys):
        return None
    return tuple(None if value == _NULL_PARTITION else unquote(value) for _, _, value in parts)


def view_text(sql: str, database: str, columns: Columns) -> str:
    """Return a view's query as Athena keeps it."""
    described = {
        "originalSql": sql,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": name, "type": kind} for name, kind in columns.items()],
    }
    return f"{_VIEW}{base64.b64encode(json.dumps(described).encode()).decode()} */"


def view_query(view: Table) -> tuple[str, str]:
    """Return a view's query, and the database of the names in it."""
    text = view.view or ""
    if not text.startswith(_VIEW):
        return text, view.database
    described = json.loads(base64.b64decode(text.removeprefix(_VIEW).removesuffix("*/").strip()))
    return described["originalSql"], described.get("schema") or view.database


@contextmanager
def _allowed() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code.startswith("AccessDenied"):
            raise Failed(f"Insufficient permissions to execute the query. {message}") from None
        raise Failed(f"FAILED: {code}: {message}") from None


def _table(stored: dict[str, Any]) -> Table:
    storage = stored.get("StorageDescriptor") or {}
    serde = storage.get("SerdeInfo") or {}
    return Table(
        database=stored["DatabaseName"],
        name=stored["Name"],
        columns=_columns(storage.get("Columns")),
        partition_keys=_columns(stored.get("PartitionKeys")),
        location=(storage.get("Location") or "").rstrip("/") + "/",
        serde=serde.get("SerializationLibrary") or "",
        input_format=storage.get("InputFormat") or "",
        serde_parameters=serde.get("Parameters") or {},
        parameters={key: str(value) for key, value in (stored.get("Parameters") or {}).items()},
        view=stored.get("ViewOriginalText") if stored.get("TableType") == "VIRTUAL_VIEW" else None,
    )


def _columns(listed: list[dict[str, str]] | None) -> Columns:
    return {column["Name"].lower(): column.get("Type", "string").lower() for column in listed or []}


def _listed(columns: Columns) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in columns.items()]


def _table_input(table: Table, output_format: str = "") -> dict[str, Any]:
    storage: dict[str, Any] = {"Columns": _listed(table.columns)}
    if table.view is not None:
        view = {"TableType": "VIRTUAL_VIEW", "ViewOriginalText": table.view, "ViewExpandedText": "/* Presto View */"}
        return {"Name": table.name, "Parameters": {"presto_view": "true"}, "StorageDescriptor": storage} | view
    storage |= {
        "Location": table.location,
        "InputFormat": table.input_format,
        "OutputFormat": output_format,
        "SerdeInfo": {"SerializationLibrary": table.serde, "Parameters": table.serde_parameters},
    }
    return {
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE"} | table.parameters,
        "PartitionKeys": _listed(table.partition_keys),
        "StorageDescriptor": storage,
    }
