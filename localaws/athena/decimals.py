"""Result types of decimal arithmetic in Trino, which differ from DuckDB's. ``100.0 / 3`` has one decimal digit.

https://trino.io/docs/current/functions/decimal.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

_MAX_PRECISION = 38
_DIGITS = {exp.DType.TINYINT: 3, exp.DType.SMALLINT: 5, exp.DType.INT: 10, exp.DType.BIGINT: 19}

type Decimal = tuple[int, int]
"""Precision and scale of a decimal type."""


def _sum(p: int, s: int, other_p: int, other_s: int) -> Decimal:
    scale = max(s, other_s)
    return max(p - s, other_p - other_s) + scale + 1, scale


def _quotient(p: int, s: int, other_p: int, other_s: int) -> Decimal:
    return p + other_s + max(0, other_s - s), max(s, other_s)


_OPERATIONS: dict[type[exp.Expr], Callable[[int, int, int, int], Decimal]] = {
    exp.Add: _sum,
    exp.Sub: _sum,
    exp.Mul: lambda p, s, other_p, other_s: (p + other_p, s + other_s),
    exp.Div: _quotient,
}


def result(operation: exp.Expr, types: Mapping[int, exp.DataType]) -> Decimal | None:
    """Return the type of an operation or average, or None if it is not known to be a decimal."""
    if isinstance(operation, exp.Avg):
        return _decimal(operation.this)
    left, right = operation.this, operation.expression
    if not (_decimal(left) or _decimal(right)):
        return None
    first, second = (_decimal(side) or _integer_as_decimal(side, types) for side in (left, right))
    if first is None or second is None:
        return None
    precision, scale = _OPERATIONS[type(operation)](*first, *second)
    return min(precision, _MAX_PRECISION), scale


def _decimal(value: exp.Expr) -> Decimal | None:
    match value:
        case exp.Paren() | exp.Neg():
            return _decimal(value.this)
        case exp.Literal() if not value.is_string and "." in value.name and "e" not in value.name.lower():
            integer, _, fraction = value.name.partition(".")
            return len(integer.lstrip("0") + fraction) or 1, len(fraction)
        case exp.Cast() if value.to.is_type(exp.DType.DECIMAL) and value.to.expressions:
            sizes = [int(size.name) for size in value.to.expressions]
            return sizes[0], sizes[1] if len(sizes) > 1 else 0
    return None


def _integer_as_decimal(value: exp.Expr, types: Mapping[int, exp.DataType]) -> Decimal | None:
    """Return the decimal type to which an integer is converted, or None."""
    if isinstance(value, exp.Paren | exp.Neg):
        return _integer_as_decimal(value.this, types)
    if isinstance(value, exp.Literal) and not value.is_string and value.name.isdigit():
        return 10 if int(value.name) < 2**31 else 19, 0
    known = types.get(value.meta.get("number", -1))
    digits = _DIGITS.get(known.this) if known else None
    return (digits, 0) if digits else None
