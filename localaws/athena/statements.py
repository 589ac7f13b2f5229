"""A statement as it is submitted: what kind it is, whether it can be read, and its parameters put in.

https://docs.aws.amazon.com/athena/latest/ug/ddl-sql-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.dialects import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import TokenType

from localaws.athena.failures import Malformed
from localaws.athena.words import Words

_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
# By its first words, each statement's name and its type.
_KINDS = {
    "CREATE VIEW": ("CREATE_VIEW", "DDL"),
    "CREATE OR REPLACE VIEW": ("CREATE_VIEW", "DDL"),
    "CREATE DATABASE": ("CREATE_DATABASE", "DDL"),
    "CREATE SCHEMA": ("CREATE_DATABASE", "DDL"),
    "CREATE": ("CREATE_TABLE", "DDL"),
    "DROP VIEW": ("DROP_VIEW", "DDL"),
    "DROP DATABASE": ("DROP_DATABASE", "DDL"),
    "DROP SCHEMA": ("DROP_DATABASE", "DDL"),
    "DROP": ("DROP_TABLE", "DDL"),
    "ALTER": ("ALTER_TABLE", "DDL"),
    "MSCK": ("MSCK_REPAIR", "DDL"),
    "SHOW": ("SHOW", "UTILITY"),
    "DESCRIBE": ("DESCRIBE", "UTILITY"),
    "DESC": ("DESCRIBE", "UTILITY"),
    "EXPLAIN": ("EXPLAIN", "UTILITY"),
    "PREPARE": ("PREPARE", "UTILITY"),
    "DEALLOCATE": ("DEALLOCATE", "UTILITY"),
    "EXECUTE": ("EXECUTE", "DML"),
    "INSERT": ("INSERT", "DML"),
    "UNLOAD": ("UNLOAD", "DML"),
    "SELECT": ("SELECT", "DML"),
    "WITH": ("SELECT", "DML"),
    "VALUES": ("SELECT", "DML"),
    "TABLE": ("SELECT", "DML"),
    "(": ("SELECT", "DML"),
}
_BY_TREE = (
    "SELECT", "INSERT", "CREATE_TABLE", "CREATE_VIEW", "CREATE_DATABASE", "DROP_VIEW", "DROP_DATABASE", "DROP_TABLE"
)  # fmt: skip
_LONGEST_QUERY = 262_144
_MARK = "p"


@dataclass(frozen=True)
class Statement:
    """What was submitted, and what it does."""

    sql: str
    """Its question marks are named here, ``:p0``, ``:p1``, …"""
    substatement: str
    """As ``SELECT``, ``CREATE_TABLE_AS_SELECT``, ``SHOW``."""
    kind: str
    """``DML``, ``DDL`` or ``UTILITY``."""
    tree: exp.Expr | None
    """With its parameters; None where sqlglot does not know the grammar."""
    parameters: tuple[exp.Expr, ...]

    @property
    def writes_text(self) -> bool:
        """Whether the result is lines of text and no CSV."""
        return self.kind != "DML"

    @property
    def writes_data(self) -> bool:
        """Whether the rows go to a place of their own, and the result is a manifest."""
        return self.substatement in ("CREATE_TABLE_AS_SELECT", "INSERT", "UNLOAD")

    def query(self, sql: str) -> exp.Expr:
        """Return the tree of a query that is part of this statement, with the statement's parameters."""
        return fill(parse(sql), self.parameters)


def read(sql: str, parameters: Sequence[str]) -> Statement:
    """Return the one statement in *sql*, whose question marks stand for *parameters*, or raise Malformed."""
    if not sql.strip():
        raise Malformed("Query string is empty")
    if len(sql.encode()) > _LONGEST_QUERY:
        raise Malformed(f"Query string is longer than {_LONGEST_QUERY} bytes")
    opening = _COMMENTS.sub("", sql, count=1)[:200].upper().replace("(", "( ").split()
    found = next((kind for words, kind in _KINDS.items() if f"{' '.join(opening)} ".startswith(f"{words} ")), None)
    if found is None:
        raise Words(sql).unexpected()
    substatement, kind = found
    values = tuple(literal(parameter) for parameter in parameters)
    if substatement != "PREPARE":
        sql, marks = _named(sql)
        if marks != len(values) and substatement != "EXECUTE":
            raise Malformed(f"Incorrect number of parameters: expected {marks} but found {len(values)}")
    if substatement in _BY_TREE:
        tree = fill(parse(sql), values)
        if substatement == "CREATE_TABLE":
            substatement, kind = _created(tree)
        return Statement(sql, substatement, kind, tree, values)
    return Statement(sql, substatement, kind, None, values)


def parse(sql: str) -> exp.Expr:
    """Return the tree of the one statement in *sql* or raise Malformed, with the place where it cannot be read."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="athena") if tree]
    except TokenError as error:
        raise Malformed(str(error)) from None
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        column = max(int(found.get("col") or 1) - len(found.get("highlight") or "") + 1, 1)
        place = f"line {found.get('line') or 1}:{column}"
        raise Malformed(f"{place}: mismatched input '{found.get('highlight') or '<EOF>'}'") from None
    if len(trees) != 1:
        raise Malformed(f"Only one sql statement is allowed. Got: {sql}")
    if isinstance(trees[0], exp.Command):
        raise Words(sql).unexpected()
    if any(not select.expressions for select in trees[0].find_all(exp.Select)):
        raise Malformed("mismatched input 'FROM': SELECT without columns")
    return trees[0]


def _named(sql: str) -> tuple[str, int]:
    """Return *sql* with its question marks named in their order, and how many there are."""
    try:
        marks = [token for token in Trino().tokenize(sql) if token.token_type == TokenType.PLACEHOLDER]
    except TokenError:
        return sql, 0  # not Trino's SQL, and only that has parameters
    for position, mark in reversed(list(enumerate(marks))):
        sql = f"{sql[: mark.start]}:{_MARK}{position}{sql[mark.end + 1 :]}"
    return sql, len(marks)


def fill(tree: exp.Expr, values: Sequence[exp.Expr]) -> exp.Expr:
    """Put each value into the tree, in the place of its mark. No value is ever read as part of the statement.

    https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
    """
    for mark in list(tree.find_all(exp.Placeholder)):
        position = mark.name.removeprefix(_MARK)
        if not position.isdigit() or int(position) >= len(values):
            raise Malformed(f"Incorrect number of parameters: found {len(values)}")
        mark.replace(values[int(position)].copy())
    return tree


def literal(written: str) -> exp.Expr:
    """Return the one literal that *written* is in SQL, a string in its quotes, or raise Malformed."""
    refusal = Malformed(f"Execution parameter is not a literal; a string needs its quotes, as in 'it''s': {written}")
    try:
        (tree,) = sqlglot.parse(f"SELECT {written}", read="trino")
        (value,) = tree.selects if isinstance(tree, exp.Select) else [None]
    except (ParseError, TokenError, ValueError):
        raise refusal from None
    if value is None or tree != exp.select(value.copy()) or not _is_literal(value):
        raise refusal
    return value


def _created(tree: exp.Expr) -> tuple[str, str]:
    if isinstance(tree.args.get("expression"), exp.Query):
        return "CREATE_TABLE_AS_SELECT", "DML"
    if not tree.find(exp.ExternalProperty):
        raise Malformed("External keyword required for table type HIVE")
    return "CREATE_TABLE", "DDL"


def literals(written: str) -> list[str]:
    """Return each of the literals in *written*, between commas, or raise Malformed."""
    try:
        (tree,) = sqlglot.parse(f"SELECT {written}", read="trino")
    except (ParseError, TokenError, ValueError):
        raise Malformed(f"mismatched input '{written}'") from None
    return [value.sql("trino") for value in tree.selects] if isinstance(tree, exp.Select) else []


def _is_literal(tree: exp.Expr) -> bool:
    match tree:
        case exp.Literal() | exp.Null() | exp.Boolean():
            return True
        case exp.Neg():
            return isinstance(tree.this, exp.Literal) and not tree.this.is_string
        case exp.Cast():  # DATE '2024-01-01', TIMESTAMP '…', DECIMAL '1.5'
            return isinstance(tree.this, exp.Literal) and tree.this.is_string
    return False
