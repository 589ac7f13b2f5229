"""The AWS Glue Data Catalog, accessed with the permissions of the caller."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from botocore.exceptions import ClientError

from localaws.athena.failures import Failed

_VIEW = "/* Presto View: "
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_MAX_BATCH = 100  # partitions per BatchCreatePartition

type Columns = dict[str, str]
"""Hive types by column name."""


@dataclass(frozen=True)
class Table:
    """A table or view in the catalog."""

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
    """The query of a view, in the format of view_text(). None for tables."""

    @property
    def all_columns(self) -> Columns:
        """The columns followed by the partition keys."""
        return self.columns | self.partition_keys


@dataclass(frozen=True)
class Partition:
    """The values of the partition keys, and the location of the objects."""

    values: tuple[str | None, ...]
    location: str
    """An S3 URI that ends with a slash."""


class Catalog:
    """The databases, tables and partitions of the catalog."""

    def __init__(self, glue: Any) -> None:
        self._glue = glue

    def check_default(self) -> None:
        """Raise Failed if the caller may not get the database `default`, which every statement needs.

        https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html
        """
        with _glue_errors(), suppress(self._glue.exceptions.EntityNotFoundException):
            self._glue.get_database(Name="default")

    def table(self, database: str, name: str) -> Table:
        """Return a table or view, or raise Failed if it does not exist."""
        with _glue_errors():
            try:
                found = self._glue.get_table(DatabaseName=database, Name=name)["Table"]
            except self._glue.exceptions.EntityNotFoundException:
                raise Failed(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{name}' does not exist") from None
        return _table(found)

    def has_table(self, database: str, name: str) -> bool:
        """Return whether the table or view exists."""
        try:
            self.table(database, name)
        except Failed as failure:
            if str(failure).startswith("TABLE_NOT_FOUND"):
                return False
            raise
        return True

    def tables(self, database: str) -> list[Table]:
        """Return all tables and views of a database, sorted by name."""
        pages = self._glue.get_paginator("get_tables").paginate(DatabaseName=database)
        with _glue_errors():
            return sorted(
                (_table(table) for page in pages for table in page["TableList"]), key=lambda table: table.name
            )

    def databases(self) -> list[str]:
        """Return the names of all databases, sorted."""
        with _glue_errors():
            pages = self._glue.get_paginator("get_databases").paginate()
            return sorted(database["Name"] for page in pages for database in page["DatabaseList"])

    def partitions(self, table: Table) -> list[Partition]:
        """Return the partitions in the catalog."""
        pages = self._glue.get_paginator("get_partitions").paginate(DatabaseName=table.database, TableName=table.name)
        with _glue_errors():
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
        with _glue_errors():
            self._glue.create_table(DatabaseName=table.database, TableInput=_table_input(table, output_format))

    def replace_view(self, view: Table) -> None:
        """Replace the query of a view."""
        with _glue_errors():
            self._glue.update_table(DatabaseName=view.database, TableInput=_table_input(view))

    def update_table(self, database: str, name: str, change: dict[str, Any]) -> None:
        """Change the given members of the TableInput."""
        with _glue_errors():
            stored = self._glue.get_table(DatabaseName=database, Name=name)["Table"]
            members = ("Name", "Description", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")
            unchanged = {member: stored[member] for member in members if stored.get(member)}
            self._glue.update_table(DatabaseName=database, TableInput=unchanged | change)

    def storage(self, database: str, name: str) -> dict[str, Any]:
        """Return the table's StorageDescriptor."""
        with _glue_errors():
            return dict(self._glue.get_table(DatabaseName=database, Name=name)["Table"].get("StorageDescriptor") or {})

    def drop_table(self, database: str, name: str) -> None:
        """Delete the table or view. The objects in S3 remain."""
        with _glue_errors():
            self._glue.delete_table(DatabaseName=database, Name=name)

    def create_database(self, name: str, comment: str, location: str) -> None:
        """Create a database, or raise Failed."""
        database = {"Name": name, "Description": comment, "LocationUri": location}
        with _glue_errors():
            self._glue.create_database(DatabaseInput={key: value for key, value in database.items() if value})

    def drop_database(self, name: str) -> None:
        """Delete a database."""
        with _glue_errors():
            self._glue.delete_database(Name=name)

    def add_partitions(self, table: Table, partitions: list[Partition]) -> list[tuple[str, ...]]:
        """Add partitions and return the values of those that already existed."""
        storage = self.storage(table.database, table.name)
        existing: list[tuple[str, ...]] = []
        for start in range(0, len(partitions), _MAX_BATCH):
            inputs = [
                {
                    "Values": [_NULL_PARTITION if value is None else value for value in partition.values],
                    "StorageDescriptor": storage | {"Location": partition.location},
                }
                for partition in partitions[start : start + _MAX_BATCH]
            ]
            with _glue_errors():
                answer = self._glue.batch_create_partition(
                    DatabaseName=table.database, TableName=table.name, PartitionInputList=inputs
                )
            for error in answer.get("Errors", []):
                if error["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException":
                    raise Failed(error["ErrorDetail"]["ErrorMessage"])
                existing.append(tuple(error["PartitionValues"]))
        return existing

    def drop_partition(self, table: Table, values: list[str]) -> None:
        """Delete a partition. The objects in S3 remain."""
        with _glue_errors():
            self._glue.delete_partition(DatabaseName=table.database, TableName=table.name, PartitionValues=values)


def partition_name(table: Table, values: tuple[str | None, ...]) -> str:
    """Return the Hive name of a partition, for example ``day=2024-01-01/hour=3``."""
    pairs = zip(table.partition_keys, values, strict=True)
    return "/".join(f"{key}={_NULL_PARTITION if value is None else quote(value, safe=' ')}" for key, value in pairs)


def partition_values(table: Table, path: str) -> tuple[str | None, ...] | None:
    """Return the partition values in *path*, relative to the table's location, or None if it lacks a partition key."""
    parts = [part.partition("=") for part in path.split("/")[: len(table.partition_keys)]]
    if [key.lower() for key, _, _ in parts] != list(table.partition_keys):
        return None
    return tuple(None if value == _NULL_PARTITION else unquote(value) for _, _, value in parts)


def view_text(sql: str, database: str, columns: Columns) -> str:
    """Return the query of a view in the format in which Athena stores it."""
    described = {
        "originalSql": sql,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": name, "type": kind} for name, kind in columns.items()],
    }
    return f"{_VIEW}{base64.b64encode(json.dumps(described).encode()).decode()} */"


def view_query(view: Table) -> tuple[str, str]:
    """Return the query of a view, and the database of its unqualified table names."""
    text = view.view or ""
    if not text.startswith(_VIEW):
        return text, view.database
    described = json.loads(base64.b64decode(text.removeprefix(_VIEW).removesuffix("*/").strip()))
    return described["originalSql"], described.get("schema") or view.database


@contextmanager
def _glue_errors() -> Iterator[None]:
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


def _columns(glue_columns: list[dict[str, str]] | None) -> Columns:
    return {column["Name"].lower(): column.get("Type", "string").lower() for column in glue_columns or []}


def _glue_columns(columns: Columns) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in columns.items()]


def _table_input(table: Table, output_format: str = "") -> dict[str, Any]:
    storage: dict[str, Any] = {"Columns": _glue_columns(table.columns)}
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
        "PartitionKeys": _glue_columns(table.partition_keys),
        "StorageDescriptor": storage,
    }
