"""The table scans of a query: the columns that it reads, and the conditions that apply to all rows of a table.

sqlglot's optimizer computes them from a copy of the query. The query itself runs unchanged.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.pushdown_predicates import pushdown_predicates
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

PATH = "$path"


@dataclass
class Scan:
    """The columns and conditions of one table reference."""

    columns: set[str] = field(default_factory=set)
    conditions: list[exp.Expr] = field(default_factory=list)


@dataclass
class Plan:
    """The scans of a query and the types of its expressions."""

    scans: dict[int, Scan]
    """By the number of the table reference."""
    types: dict[int, exp.DataType]
    """By the number of the expression. Expressions of unknown type are missing."""


def number(tree: exp.Expr) -> None:
    """Assign a number to every node. Copies of a node keep the number."""
    for position, node in enumerate(tree.walk()):
        node.meta["number"] = position


def relation_name(at: int) -> str:
    """Return the name of the relation that replaces a table reference."""
    return f"mention_{at}"


def plan(tree: exp.Expr, columns: dict[int, dict[str, str]]) -> Plan | None:
    """Return the plan of the numbered *tree*, or None if sqlglot cannot analyze it.

    *columns* are the columns of each table reference, with their Trino types.
    """
    marked = tree.copy()
    schema: dict[str, object] = {}
    references: dict[str, int] = {}
    for table in list(marked.find_all(exp.Table)):
        at = table.meta.get("number", -1)
        if at in columns:
            name = relation_name(at)
            references[name] = at
            schema[name] = columns[at] or {"": "unknown"}
            alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
            table.replace(exp.Table(this=exp.to_identifier(name), alias=alias, joins=table.args.get("joins")))
    try:
        qualified = qualify(marked, schema=schema, dialect="trino", quote_identifiers=False, isolate_tables=True)
        typed = annotate_types(qualified, schema=schema, dialect="trino")
        types = {node.meta["number"]: node.type for node in typed.walk() if "number" in node.meta and node.type}
        optimized = pushdown_predicates(_with_one_where(pushdown_projections(qualified)), dialect="duckdb")
    except SqlglotError:
        return None
    return Plan(_scans(optimized, references), types)


def _with_one_where(tree: exp.Expr) -> exp.Expr:
    """Copy the conditions of joins to WHERE if all joins are inner joins, which is equivalent."""
    for select in tree.find_all(exp.Select):
        joins = select.args.get("joins") or []
        if not any(join.side for join in joins):
            for join in joins:
                if condition := join.args.get("on"):
                    select.where(condition.copy(), copy=False)
    return tree


def _scans(optimized: exp.Expr, references: dict[str, int]) -> dict[int, Scan]:
    scans: dict[int, Scan] = defaultdict(Scan)
    for scope in traverse_scope(optimized):
        base = {alias: source.name for alias, source in scope.sources.items() if isinstance(source, exp.Table)}
        for column in scope.columns:
            if (source := base.get(column.table)) in references:
                scans[references[source]].columns.add(column.name)
        where = scope.expression.args.get("where")
        for condition in _conjuncts(where.this) if where else ():
            sources = {base.get(column.table) for column in condition.find_all(exp.Column)}
            if len(sources) == 1 and (source := sources.pop()) in references and not condition.find(exp.Query):
                scans[references[source]].conditions.append(condition)
    return scans


def _conjuncts(condition: exp.Expr) -> list[exp.Expr]:
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]
