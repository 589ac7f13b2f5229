"""From the tree of a query to SQL that DuckDB runs: its tables found, its views unfolded, its objects copied."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from localaws.athena import partitions, types
from localaws.athena.catalogue import Catalogue, Partition, Table, view_query
from localaws.athena.dialect import Types, translate
from localaws.athena.engine import UNNAMED, Engine
from localaws.athena.failures import Cancelled, Failed
from localaws.athena.files import Files
from localaws.athena.objects import Object, Objects
from localaws.athena.plan import PATH, Needs, mention_name, number, plan
from localaws.athena.statements import parse

_LISTED_APART = 16
"""More partitions than these are found by one listing of all that is above them."""
_TABLE = "table"  # in the meta of a mention


@dataclass
class Query:
    """Makes queries ready to run."""

    catalogue: Catalogue
    objects: Objects
    engine: Engine
    folder: Path
    database: str
    limit: int | None
    """The most bytes that may be scanned."""
    scanned: int = 0
    planning_millis: int = 0

    def prepare(self, tree: exp.Expr, with_rows: bool = True) -> str:
        """Return *tree*, a query, as DuckDB's SQL, and make the relations that it reads; raise Failed or Cancelled.

        Without rows nothing is read of S3, which is enough to know the columns.
        """
        began = time.monotonic()
        tree = tree.copy()
        _name_nameless(tree)
        tree = self._unfolded(tree, self.database)
        number(tree)
        mentions = {
            found.meta["number"]: found.meta[_TABLE] for found in tree.find_all(exp.Table) if _TABLE in found.meta
        }
        with_path = any(found.name == PATH for found in tree.find_all(exp.Identifier))
        planned = plan(tree, {at: _trino_columns(table, with_path) for at, table in mentions.items()})
        known = planned.types if planned else {}
        self.planning_millis = round((time.monotonic() - began) * 1000)
        for at, table in mentions.items():
            files = Files(mention_name(at), table, self.folder)
            if with_rows:
                self._read(files, table, planned.needs[at] if planned else None, known)
            files.create(self.engine, with_path)
        return translate(_on_relations(tree, with_path), known)

    def named(self, mention: exp.Expr) -> tuple[str, str]:
        """Return database and name of a table that a statement defines or changes."""
        table = mention.this if isinstance(mention, exp.Schema) else mention
        return (table.text("db") or self.database).lower(), table.name.lower()

    def _unfolded(self, tree: exp.Expr, database: str) -> exp.Expr:
        """Find each table that is mentioned, and put the query of a view in its place."""
        mentions = _mentions(tree)
        _shorten(tree, {((mention.db or database).lower(), mention.alias_or_name.lower()) for mention in mentions})
        for mention in mentions:
            table = self._table(mention, database)
            if table.view is None:
                mention.meta[_TABLE] = table
                continue
            sql, inner_database = view_query(table)
            inner = exp.Subquery(this=self._unfolded(parse(sql), inner_database), alias=_alias(mention))
            mention.replace(inner)
        return tree

    def _table(self, mention: exp.Table, database: str) -> Table:
        if not isinstance(mention.this, exp.Identifier):
            raise Failed(f"FUNCTION_NOT_FOUND: Table function '{mention.this.name}' not registered")
        if mention.catalog.lower() not in ("", "awsdatacatalog"):
            raise Failed(f"CATALOG_NOT_FOUND: Catalog '{mention.catalog}' does not exist")
        return self.catalogue.table((mention.db or database).lower(), mention.name.lower())

    def _read(self, files: Files, table: Table, needs: Needs | None, known: Types) -> None:
        conditions = needs.conditions if needs else []
        read = partitions.to_read(table, conditions, known, self.catalogue, self.engine.connection)
        found = self._objects_of(read)
        files.copy(found, self.objects.read([one for one, _ in found], self.engine.is_stopped))
        self.engine.raise_if_stopped()
        self.scanned += files.scanned(self.engine, needs.columns if needs else None)
        if self.limit and self.scanned > self.limit:
            raise Cancelled("Query cancelled! : Bytes scanned limit was exceeded")

    def _objects_of(self, read: list[Partition]) -> list[tuple[Object, Partition]]:
        if len(read) > _LISTED_APART:
            return list(self._listed_together(read))
        with ThreadPoolExecutor(_LISTED_APART) as pool:
            listed = pool.map(self.objects.below, [partition.location for partition in read])
            return [(one, partition) for partition, some in zip(read, listed, strict=True) for one in some]

    def _listed_together(self, read: list[Partition]) -> Iterator[tuple[Object, Partition]]:
        by_location = {partition.location: partition for partition in read}
        above = "s3://" + commonpath([location.removeprefix("s3://") for location in by_location]) + "/"
        for one in self.objects.below(above):
            folder = one.uri
            while len(folder) > len(above):
                folder = folder.rstrip("/").rpartition("/")[0] + "/"
                if folder in by_location:
                    yield one, by_location[folder]
                    break


def _mentions(tree: exp.Expr) -> list[exp.Table]:
    """Return the tables that a query mentions, and no name of a WITH."""
    sources = [source for scope in traverse_scope(tree) for source in scope.sources.values()]
    return list({id(source): source for source in sources if isinstance(source, exp.Table)}.values())


def _shorten(tree: exp.Expr, tables: set[tuple[str, str]]) -> None:
    """Leave of ``database.table.column`` the last two; where the first is no database, they are fields of a row."""
    for column in list(tree.find_all(exp.Column)):
        if column.db and (column.db.lower(), column.table.lower()) in tables:
            column.set("db", None)
            column.set("catalog", None)
        elif column.db:
            column.replace(column.to_dot())


def _trino_columns(table: Table, with_path: bool) -> dict[str, str]:
    columns = {name: types.trino_type(kind) for name, kind in table.all_columns.items()}
    return columns | ({PATH: "varchar"} if with_path else {})


def _alias(mention: exp.Table) -> exp.TableAlias:
    return mention.args.get("alias") or exp.TableAlias(this=exp.to_identifier(mention.name, quoted=True))


def _name_nameless(tree: exp.Expr) -> None:
    """Mark the columns of the answer that have no name, which Athena names by their place."""
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    for value in tree.selects if isinstance(tree, exp.Select) else []:
        if not isinstance(value, exp.Alias | exp.Column | exp.Star):
            name = value.name if isinstance(value, exp.Dot) else UNNAMED  # a row's field keeps its name
            alias = exp.Alias(alias=exp.to_identifier(name, quoted=True))
            value.replace(alias)
            alias.set("this", value)


def _on_relations(tree: exp.Expr, with_path: bool) -> exp.Expr:
    """Put each relation in the place of its table."""
    for select in tree.find_all(exp.Select) if with_path else ():
        source = select.args.get("from_") or select.args.get("from")
        if source and _TABLE in source.this.meta:
            for star in (value for value in select.selects if isinstance(value, exp.Star)):
                star.set("except_", [exp.to_identifier(PATH, quoted=True)])
    for mention in list(tree.find_all(exp.Table)):
        if _TABLE in mention.meta:
            name = exp.to_identifier(mention_name(mention.meta["number"]))
            mention.replace(exp.Table(this=name, alias=_alias(mention), joins=mention.args.get("joins")))
    return tree
