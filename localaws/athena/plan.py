"""What a query needs of its tables: which columns, and which conditions hold for all rows that it takes from each.

sqlglot's optimizer says so of a copy; the query itself runs as it was written.
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
class Needs:
    """Of one mention of a table."""

    columns: set[str] = field(default_factory=set)
    conditions: list[exp.Expr] = field(default_factory=list)


@dataclass
class Plan:
    needs: dict[int, Needs]
    """By the number of a table's mention."""
    types: dict[int, exp.DataType]
    """By the number of an expression, where its type is known."""


def number(tree: exp.Expr) -> None:
    """Give every node a number that stays with its copies."""
    for position, node in enumerate(tree.walk()):
        node.meta["number"] = position


def mention_name(at: int) -> str:
    """Return the name that stands for a mention of a table."""
    return f"mention_{at}"


def plan(tree: exp.Expr, columns: dict[int, dict[str, str]]) -> Plan | None:
    """Return what the numbered *tree* needs, or None if that cannot be told, so that it may need everything.

    *columns* are the columns, with their types in Trino's words, of each mention of a table.
    """
    marked = tree.copy()
    schema: dict[str, object] = {}
    mentions: dict[str, int] = {}
    for table in list(marked.find_all(exp.Table)):
        at = table.meta.get("number", -1)
        if at in columns:
            name = mention_name(at)
            mentions[name] = at
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
    return Plan(_needs(optimized, mentions), types)


def _with_one_where(tree: exp.Expr) -> exp.Expr:
    """Where all joins are inner ones, their conditions hold for all rows, as those of WHERE do."""
    for select in tree.find_all(exp.Select):
        joins = select.args.get("joins") or []
        if not any(join.side for join in joins):
            for join in joins:
                if condition := join.args.get("on"):
                    select.where(condition.copy(), copy=False)
    return tree


def _needs(optimized: exp.Expr, mentions: dict[str, int]) -> dict[int, Needs]:
    needs: dict[int, Needs] = defaultdict(Needs)
    for scope in traverse_scope(optimized):
        base = {alias: source.name for alias, source in scope.sources.items() if isinstance(source, exp.Table)}
        for column in scope.columns:
            if (source := base.get(column.table)) in mentions:
                needs[mentions[source]].columns.add(column.name)
        where = scope.expression.args.get("where")
        for condition in _conjuncts(where.this) if where else ():
            sources = {base.get(column.table) for column in condition.find_all(exp.Column)}
            if len(sources) == 1 and (source := sources.pop()) in mentions and not condition.find(exp.Query):
                needs[mentions[source]].conditions.append(condition)
    return needs


def _conjuncts(condition: exp.Expr) -> list[exp.Expr]:
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]
