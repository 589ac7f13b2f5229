"""The translation of a query to DuckDB SQL: resolves tables, expands views, and copies objects from S3."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from localaws.athena import partitions, types
from localaws.athena.catalog import Catalog, Partition, Table, view_query
from localaws.athena.dialect import Types, translate
from localaws.athena.engine import UNNAMED, Engine
from localaws.athena.failures import Cancelled, Failed
from localaws.athena.files import Files
from localaws.athena.objects import Object, Objects
from localaws.athena.plan import PATH, Scan, number, plan, relation_name
from localaws.athena.statements import parse

_MAX_LISTINGS = 16
"""Up to this many partitions are listed separately. More are listed together, by their common prefix."""
_TABLE = "table"  # the key of the Table in the meta of a table reference


@dataclass
class Query:
    """The context of one query: what it reads from, and its limits and statistics."""

    catalog: Catalog
    objects: Objects
    engine: Engine
    folder: Path
    database: str
    limit: int | None
    """The maximum number of bytes to scan, or None."""
    scanned: int = 0
    planning_millis: int = 0

    def prepare(self, tree: exp.Expr, with_rows: bool = True) -> str:
        """Create the relations that the query *tree* reads, and return the query as DuckDB SQL.

        Without rows the relations are empty and nothing is read from S3. This is sufficient to determine the columns of
        the query. Raise Failed or Cancelled.
        """
        started = time.monotonic()
        tree = tree.copy()
        _alias_unnamed_columns(tree)
        tree = self._resolve(tree, self.database)
        number(tree)
        references = {
            found.meta["number"]: found.meta[_TABLE] for found in tree.find_all(exp.Table) if _TABLE in found.meta
        }
        with_path = any(found.name == PATH for found in tree.find_all(exp.Identifier))
        planned = plan(tree, {at: _trino_columns(table, with_path) for at, table in references.items()})
        expression_types = planned.types if planned else {}
        self.planning_millis = round((time.monotonic() - started) * 1000)
        for at, table in references.items():
            files = Files(relation_name(at), table, self.folder)
            if with_rows:
                self._read(files, table, planned.scans[at] if planned else None, expression_types)
            files.create(self.engine, with_path)
        return translate(_use_relations(tree, with_path), expression_types)

    def table_name(self, reference: exp.Expr) -> tuple[str, str]:
        """Return the database and the name of the table that a statement defines or changes."""
        table = reference.this if isinstance(reference, exp.Schema) else reference
        return (table.text("db") or self.database).lower(), table.name.lower()

    def _resolve(self, tree: exp.Expr, database: str) -> exp.Expr:
        """Find the table of each table reference, and replace views by their queries."""
        references = _table_references(tree)
        _unqualify_columns(
            tree, {((reference.db or database).lower(), reference.alias_or_name.lower()) for reference in references}
        )
        for reference in references:
            table = self._table(reference, database)
            if table.view is None:
                reference.meta[_TABLE] = table
                continue
            sql, inner_database = view_query(table)
            inner = exp.Subquery(this=self._resolve(parse(sql), inner_database), alias=_alias(reference))
            reference.replace(inner)
        return tree

    def _table(self, reference: exp.Table, database: str) -> Table:
        if not isinstance(reference.this, exp.Identifier):
            raise Failed(f"FUNCTION_NOT_FOUND: Table function '{reference.this.name}' not registered")
        if reference.catalog.lower() not in ("", "awsdatacatalog"):
            raise Failed(f"CATALOG_NOT_FOUND: Catalog '{reference.catalog}' does not exist")
        return self.catalog.table((reference.db or database).lower(), reference.name.lower())

    def _read(self, files: Files, table: Table, scan: Scan | None, expression_types: Types) -> None:
        conditions = scan.conditions if scan else []
        selected = partitions.prune(table, conditions, expression_types, self.catalog, self.engine.connection)
        found = self._objects_of(selected)
        files.copy(found, self.objects.read([one for one, _ in found], self.engine.is_stopped))
        self.engine.raise_if_stopped()
        self.scanned += files.bytes_scanned(self.engine, scan.columns if scan else None)
        if self.limit and self.scanned > self.limit:
            raise Cancelled("Query cancelled! : Bytes scanned limit was exceeded")

    def _objects_of(self, selected: list[Partition]) -> list[tuple[Object, Partition]]:
        if len(selected) > _MAX_LISTINGS:
            return list(self._list_by_common_prefix(selected))
        listed = self.objects.list_each(partition.location for partition in selected)
        return [(one, partition) for partition, some in zip(selected, listed, strict=True) for one in some]

    def _list_by_common_prefix(self, selected: list[Partition]) -> Iterator[tuple[Object, Partition]]:
        by_location = {partition.location: partition for partition in selected}
        common_prefix = "s3://" + commonpath([location.removeprefix("s3://") for location in by_location]) + "/"
        for one in self.objects.list_objects(common_prefix):
            folder = one.uri
            while len(folder) > len(common_prefix):
                folder = folder.rstrip("/").rpartition("/")[0] + "/"
                if folder in by_location:
                    yield one, by_location[folder]
                    break


def _table_references(tree: exp.Expr) -> list[exp.Table]:
    """Return the table references of a query, except those to names defined by WITH."""
    sources = [source for scope in traverse_scope(tree) for source in scope.sources.values()]
    return list({id(source): source for source in sources if isinstance(source, exp.Table)}.values())


def _unqualify_columns(tree: exp.Expr, tables: set[tuple[str, str]]) -> None:
    """Remove the database from ``database.table.column``. Other names with three parts are fields of a row."""
    for column in list(tree.find_all(exp.Column)):
        if column.db and (column.db.lower(), column.table.lower()) in tables:
            column.set("db", None)
            column.set("catalog", None)
        elif column.db:
            column.replace(column.to_dot())


def _trino_columns(table: Table, with_path: bool) -> dict[str, str]:
    columns = {name: types.trino_type(kind) for name, kind in table.all_columns.items()}
    return columns | ({PATH: "varchar"} if with_path else {})


def _alias(reference: exp.Table) -> exp.TableAlias:
    return reference.args.get("alias") or exp.TableAlias(this=exp.to_identifier(reference.name, quoted=True))


def _alias_unnamed_columns(tree: exp.Expr) -> None:
    """Give unnamed result columns the alias UNNAMED. Athena names them by their position."""
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    for value in tree.selects if isinstance(tree, exp.Select) else []:
        if not isinstance(value, exp.Alias | exp.Column | exp.Star):
            name = value.name if isinstance(value, exp.Dot) else UNNAMED  # a field of a row keeps its name
            alias = exp.Alias(alias=exp.to_identifier(name, quoted=True))
            value.replace(alias)
            alias.set("this", value)


def _use_relations(tree: exp.Expr, with_path: bool) -> exp.Expr:
    """Replace each table by its relation."""
    for select in tree.find_all(exp.Select) if with_path else ():
        source = select.args.get("from_") or select.args.get("from")
        if source and _TABLE in source.this.meta:
            for star in (value for value in select.selects if isinstance(value, exp.Star)):
                star.set("except_", [exp.to_identifier(PATH, quoted=True)])
    for reference in list(tree.find_all(exp.Table)):
        if _TABLE in reference.meta:
            name = exp.to_identifier(relation_name(reference.meta["number"]))
            reference.replace(exp.Table(this=name, alias=_alias(reference), joins=reference.args.get("joins")))
    return tree
