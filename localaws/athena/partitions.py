"""Partition pruning: the partitions that a query reads, from the catalog or from partition projection.

https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import duckdb
from sqlglot import exp

from localaws.athena.catalog import Catalog, Partition, Table, partition_name
from localaws.athena.dialect import Types, translate
from localaws.athena.engine import quote_identifier
from localaws.athena.failures import Failed
from localaws.athena.java_time import smallest_unit, strftime
from localaws.athena.types import duckdb_type

_MAX_PARTITIONS = 1_000_000
_RELATIVE = re.compile(r"NOW(?:\s*([+-])\s*(\d+)\s*([A-Z]+?)S?)?", re.IGNORECASE)
_CACHED_RANGES = 4
_UNITS = ("seconds", "minutes", "hours", "days", "weeks", "months", "years")

type Values = tuple[str | None, ...]


def prune(
    table: Table,
    conditions: Sequence[exp.Expr],
    types: Types,
    catalog: Catalog,
    connection: duckdb.DuckDBPyConnection,
) -> list[Partition]:
    """Return the partitions that can have rows that satisfy all *conditions* on the table's columns."""
    if not table.partition_keys:
        return [Partition((), table.location)]
    pruning = Pruning(table, conditions, types, connection)
    if table.parameters.get("projection.enabled", "").lower() == "true":
        return [
            Partition(values, location(table, values))
            for values in pruning.matching_combinations(*_projected(table, pruning))
        ]
    loaded = catalog.partitions(table)
    kept = set(pruning.matching([partition.values for partition in loaded]))
    return [partition for partition in loaded if partition.values in kept]


def location(table: Table, values: Values) -> str:
    """Return the location of a projected partition, from the storage.location.template or the Hive partition name."""
    template = table.parameters.get("storage.location.template")
    if not template:
        return f"{table.location}{partition_name(table, values)}/"
    for key, value in zip(table.partition_keys, values, strict=True):
        template = template.replace(f"${{{key}}}", value or "")
    return template.rstrip("/") + "/"


class Pruning:
    """The conditions of a query that contain only partition keys. DuckDB evaluates them for partition values."""

    def __init__(
        self, table: Table, conditions: Sequence[exp.Expr], types: Types, connection: duckdb.DuckDBPyConnection
    ) -> None:
        self._table = table
        self._types = types
        self._connection = connection
        keys = table.partition_keys
        columns_by_condition = [
            (condition, {column.name for column in condition.find_all(exp.Column)}) for condition in conditions
        ]
        self._conditions = [
            (_unqualified(condition), names)
            for condition, names in columns_by_condition
            if names and names <= set(keys)
        ]

    def matching(self, values: list[Values]) -> list[Values]:
        """Return the partition values that satisfy the conditions."""
        return self._filter(list(self._table.partition_keys), values)

    def matching_combinations(self, *columns: list[str]) -> list[Values]:
        """Return the combinations of the values of each key that satisfy the conditions."""
        names = self._table.partition_keys
        candidates = [
            [value for (value,) in self._filter([name], [(value,) for value in values])]
            for name, values in zip(names, columns, strict=True)
        ]
        count = math.prod(map(len, candidates))
        if count > _MAX_PARTITIONS:
            raise Failed(f"HIVE_EXCEEDED_PARTITION_LIMIT: '{self._table.name}' can read {count} partitions")
        return self.matching(list(itertools.product(*candidates)))

    def equal_to(self, name: str) -> list[str]:
        """Return the values that an equality condition allows for the key, or raise Failed."""
        for condition, names in self._conditions:
            if names == {name} and isinstance(condition, exp.EQ | exp.In):
                given = condition.expressions or [condition.expression, condition.this]
                literals = [value.name for value in given if isinstance(value, exp.Literal)]
                if literals:
                    return literals
        raise Failed(
            f"CONSTRAINT_VIOLATION: For the injected projected partition column {name}, the WHERE clause must contain "
            "only static equality conditions, and at least one such condition must be present."
        )

    def texts(self, name: str) -> list[str] | None:
        """Return the only texts that a condition such as ``day IN ('a', 'b')`` allows for a key of type string.

        None if there is no such condition.
        """
        allowed = (self._allowed(condition) for condition, names in self._conditions if names == {name})
        return next(filter(None, allowed), None)

    def _allowed(self, condition: exp.Expr) -> list[str] | None:
        """Return the texts that *condition* allows for a key of type string, or None if it is another condition."""
        match condition:
            case exp.In(this=exp.Column(name=column), expressions=given) if given:
                pass
            case exp.EQ(this=exp.Column(name=column), expression=text):
                given = [text]
            case _:
                return None
        is_text = self._table.partition_keys[column] == "string"
        if not is_text or not all(isinstance(text, exp.Literal) and text.is_string for text in given):
            return None
        return list(dict.fromkeys(text.name for text in given))

    def _filter(self, names: list[str], values: list[Values]) -> list[Values]:
        conditions = []
        for condition, (name, *others) in self._conditions:
            if not {name, *others} <= set(names):
                continue
            if (allowed := self._allowed(condition)) is None:
                conditions.append(condition)
            else:  # DuckDB would take a millisecond for it
                at = names.index(name)
                values = [value for value in values if value[at] in allowed]
        if not conditions or not values:
            return values
        typed = ", ".join(
            f"TRY_CAST(c{at} AS {duckdb_type(self._table.partition_keys[name])}) AS {quote_identifier(name)}"
            for at, name in enumerate(names)
        )
        columns = ", ".join(f"unnest($c{at}::VARCHAR[]) AS c{at}" for at in range(len(names)))
        for condition in conditions:
            numbered = f"(SELECT {columns}, unnest(range({len(values)})) AS ordinal)"
            where = translate(condition, self._types)
            sql = f"FROM (SELECT ordinal, {typed} FROM {numbered}) SELECT ordinal WHERE {where}"
            parameters = {f"c{at}": [value[at] for value in values] for at in range(len(names))}
            try:
                values = [values[ordinal] for (ordinal,) in self._connection.execute(sql, parameters).fetchall()]
            except duckdb.Error:
                continue  # the query itself fails with the error
        return values


def _unqualified(condition: exp.Expr) -> exp.Expr:
    unqualified = condition.copy()
    for column in unqualified.find_all(exp.Column):
        column.set("table", None)
        column.this.set("quoted", True)
    return unqualified


def _projected(table: Table, pruning: Pruning) -> list[list[str]]:
    """Return all values of each partition key."""
    return [list(_values(table, key, pruning)) for key in table.partition_keys]


def _values(table: Table, key: str, pruning: Pruning) -> Iterator[str]:
    def read_property(name: str, default: str | None = None) -> str:
        value = table.parameters.get(f"projection.{key}.{name}", default)
        if value is None:
            raise Failed(
                f"INVALID_TABLE_PROPERTY: Table {table.database}.{table.name} is configured for partition projection, "
                f"but the following required property is missing: projection.{key}.{name}"
            )
        return value

    kind = read_property("type").lower()
    if kind == "enum":
        yield from (value.strip() for value in read_property("values").split(","))
    elif kind == "integer":
        first, last = (int(bound) for bound in read_property("range").split(","))
        digits = int(read_property("digits", "0"))
        yield from (f"{value:0{digits}d}" for value in range(first, last + 1, int(read_property("interval", "1"))))
    elif kind == "date":
        dates = _dates(read_property)
        yield from dates if (texts := pruning.texts(key)) is None else (text for text in texts if text in dates)
    elif kind == "injected":
        yield from pruning.equal_to(key)
    else:
        raise Failed(
            f"INVALID_TABLE_PROPERTY: projection.{key}.type must be enum, integer, date or injected, not {kind}"
        )


def _dates(read_property: Any) -> dict[str, None]:
    pattern = read_property("format")
    date_format = strftime(pattern).replace("%g", "%f")
    now = datetime.now(UTC).replace(tzinfo=None)
    first, last = (_bound(bound.strip(), date_format, now) for bound in read_property("range").split(","))
    unit_of_pattern = smallest_unit(pattern)
    # The interval is optional if the smallest unit of the format is days or months.
    default = unit_of_pattern if unit_of_pattern in ("days", "months") else None
    unit = read_property("interval.unit", default).lower().rstrip("s") + "s"
    interval = int(read_property("interval", "1" if default else None))
    if unit not in _UNITS:
        raise Failed(f"INVALID_TABLE_PROPERTY: unknown interval unit: {unit}")
    return _moments(first, last, interval, unit, date_format)


@lru_cache(_CACHED_RANGES)
def _moments(first: datetime, last: datetime, interval: int, unit: str, date_format: str) -> dict[str, None]:
    """Return the moments from *first* to *last* in their order, as text. A range of fifty years has 20,000 days."""
    moments: dict[str, None] = {}
    for step in itertools.count():
        moment = add_time(first, step * interval, unit)
        if moment > last:
            break
        moments[moment.strftime(date_format)] = None
    return moments


def _bound(bound: str, pattern: str, now: datetime) -> datetime:
    relative = _RELATIVE.fullmatch(bound)
    if not relative:
        try:
            return datetime.strptime(bound, pattern)
        except ValueError:
            raise Failed(f"INVALID_TABLE_PROPERTY: projection range {bound} does not match its format") from None
    sign, count, unit = relative.groups()
    moved = add_time(now, int(f"{sign}{count}"), unit.lower() + "s") if count else now
    return datetime.strptime(moved.strftime(pattern), pattern)


def add_time(moment: datetime, count: int, unit: str) -> datetime:
    """Return *moment* plus *count* units. A day that the target month does not have becomes its last day."""
    if unit not in ("months", "years"):
        return moment + timedelta(**{unit: count})
    months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "years" else 1)
    year, month = divmod(months, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, (following - timedelta(days=1)).day))
