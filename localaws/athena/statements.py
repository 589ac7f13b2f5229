"""Parsing of a submitted statement: its type, its syntax tree, and its parameters.

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
# The SubstatementType and StatementType by the first words of the statement.
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
_WITH_TREE = (
    "SELECT", "INSERT", "CREATE_TABLE", "CREATE_VIEW", "CREATE_DATABASE", "DROP_VIEW", "DROP_DATABASE", "DROP_TABLE"
)  # fmt: skip
_MAX_QUERY_BYTES = 262_144
_PLACEHOLDER = "p"


@dataclass(frozen=True)
class Statement:
    """A parsed statement."""

    sql: str
    """The SQL, in which each question mark is replaced by a named placeholder: ``:p0``, ``:p1``, …"""
    substatement: str
    """For example ``SELECT``, ``CREATE_TABLE_AS_SELECT`` or ``SHOW``."""
    kind: str
    """``DML``, ``DDL`` or ``UTILITY``."""
    tree: exp.Expr | None
    """The syntax tree with bound parameters. None if sqlglot does not support the grammar."""
    parameters: tuple[exp.Expr, ...]

    @property
    def writes_text(self) -> bool:
        """Whether the result is lines of text instead of CSV."""
        return self.kind != "DML"

    @property
    def writes_data(self) -> bool:
        """Whether the statement writes data to S3, so that the result is a manifest."""
        return self.substatement in ("CREATE_TABLE_AS_SELECT", "INSERT", "UNLOAD")

    def query(self, sql: str) -> exp.Expr:
        """Return the tree of a query inside this statement, with bound parameters."""
        return bind(parse(sql), self.parameters)


def read(sql: str, parameters: Sequence[str]) -> Statement:
    """Parse the single statement in *sql* and bind *parameters* to its question marks, or raise Malformed."""
    if not sql.strip():
        raise Malformed("Query string is empty")
    if len(sql.encode()) > _MAX_QUERY_BYTES:
        raise Malformed(f"Query string is longer than {_MAX_QUERY_BYTES} bytes")
    opening = _COMMENTS.sub("", sql, count=1)[:200].upper().replace("(", "( ").split()
    found = next((kind for words, kind in _KINDS.items() if f"{' '.join(opening)} ".startswith(f"{words} ")), None)
    if found is None:
        raise Words(sql).unexpected()
    substatement, kind = found
    values = tuple(literal(parameter) for parameter in parameters)
    if substatement != "PREPARE":
        sql, count = _name_placeholders(sql)
        if count != len(values) and substatement != "EXECUTE":
            raise Malformed(f"Incorrect number of parameters: expected {count} but found {len(values)}")
    if substatement in _WITH_TREE:
        tree = bind(parse(sql), values)
        if substatement == "CREATE_TABLE":
            substatement, kind = _create_table_kind(tree)
        return Statement(sql, substatement, kind, tree, values)
    return Statement(sql, substatement, kind, None, values)


def parse(sql: str) -> exp.Expr:
    """Return the tree of the single statement in *sql*, or raise Malformed with the position of the error."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="athena") if tree]
    except TokenError as error:
        raise Malformed(str(error)) from None
    except ParseError as error:
        details = error.errors[0] if error.errors else {}
        column = max(int(details.get("col") or 1) - len(details.get("highlight") or "") + 1, 1)
        position = f"line {details.get('line') or 1}:{column}"
        raise Malformed(f"{position}: mismatched input '{details.get('highlight') or '<EOF>'}'") from None
    if len(trees) != 1:
        raise Malformed(f"Only one sql statement is allowed. Got: {sql}")
    if isinstance(trees[0], exp.Command):
        raise Words(sql).unexpected()
    if any(not select.expressions for select in trees[0].find_all(exp.Select)):
        raise Malformed("mismatched input 'FROM': SELECT without columns")
    return trees[0]


def _name_placeholders(sql: str) -> tuple[str, int]:
    """Return *sql* with named placeholders instead of question marks, and their number."""
    try:
        question_marks = [token for token in Trino().tokenize(sql) if token.token_type == TokenType.PLACEHOLDER]
    except TokenError:
        return sql, 0  # only Trino SQL can have parameters
    for position, question_mark in reversed(list(enumerate(question_marks))):
        sql = f"{sql[: question_mark.start]}:{_PLACEHOLDER}{position}{sql[question_mark.end + 1 :]}"
    return sql, len(question_marks)


def bind(tree: exp.Expr, values: Sequence[exp.Expr]) -> exp.Expr:
    """Replace each placeholder in the tree by its value. Values are never parsed as part of the statement.

    Raises Malformed for a placeholder that is not in a WHERE clause. AWS documents the rule, but not its message.
    https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
    """
    for placeholder in list(tree.find_all(exp.Placeholder)):
        if not isinstance(placeholder.find_ancestor(exp.Where, exp.Select), exp.Where):
            raise Malformed("Execution parameters can be placed only in the WHERE clause")
        position = placeholder.name.removeprefix(_PLACEHOLDER)
        if not position.isdigit() or int(position) >= len(values):
            raise Malformed(f"Incorrect number of parameters: found {len(values)}")
        placeholder.replace(values[int(position)].copy())
    return tree


def literal(sql: str) -> exp.Expr:
    """Parse a single SQL literal, or raise Malformed. Strings must be quoted."""
    error = Malformed(f"Execution parameter is not a literal. Put strings in single quotes, for example 'it''s': {sql}")
    try:
        (tree,) = sqlglot.parse(f"SELECT {sql}", read="trino")
        (value,) = tree.selects if isinstance(tree, exp.Select) else [None]
    except (ParseError, TokenError, ValueError):
        raise error from None
    if value is None or tree != exp.select(value.copy()) or not _is_literal(value):
        raise error
    return value


def _create_table_kind(tree: exp.Expr) -> tuple[str, str]:
    if isinstance(tree.args.get("expression"), exp.Query):
        return "CREATE_TABLE_AS_SELECT", "DML"
    if not tree.find(exp.ExternalProperty):
        raise Malformed("External keyword required for table type HIVE")
    return "CREATE_TABLE", "DDL"


def literals(sql: str) -> list[str]:
    """Return the literals of a comma-separated list, or raise Malformed."""
    try:
        (tree,) = sqlglot.parse(f"SELECT {sql}", read="trino")
    except (ParseError, TokenError, ValueError):
        raise Malformed(f"mismatched input '{sql}'") from None
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
