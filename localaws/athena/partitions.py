"""Which partitions of a table a query reads: those loaded in the catalogue, or projected by the table's properties.

https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
from sqlglot import exp

from localaws.athena.catalogue import Catalogue, Partition, Table, folder
from localaws.athena.dialect import Types, translate
from localaws.athena.engine import quoted
from localaws.athena.failures import Failed
from localaws.athena.java_time import finest, strftime
from localaws.athena.types import duckdb_type

_MOST = 1_000_000
_RELATIVE = re.compile(r"NOW(?:\s*([+-])\s*(\d+)\s*([A-Z]+?)S?)?", re.IGNORECASE)
_UNITS = ("seconds", "minutes", "hours", "days", "weeks", "months", "years")

type Values = tuple[str | None, ...]


def to_read(
    table: Table,
    conditions: Sequence[exp.Expr],
    types: Types,
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
) -> list[Partition]:
    """Return the partitions with rows for which all of *conditions*, of the table's columns, may hold."""
    if not table.partition_keys:
        return [Partition((), table.location)]
    pruning = Pruning(table, conditions, types, connection)
    if table.parameters.get("projection.enabled", "").lower() == "true":
        return [Partition(values, location(table, values)) for values in pruning.kept_of(*_projected(table, pruning))]
    loaded = catalogue.partitions(table)
    kept = set(pruning.kept([partition.values for partition in loaded]))
    return [partition for partition in loaded if partition.values in kept]


def location(table: Table, values: Values) -> str:
    """Return where a projected partition is: by the table's template, or as Hive names folders."""
    template = table.parameters.get("storage.location.template")
    if not template:
        return f"{table.location}{folder(table, values)}/"
    for key, value in zip(table.partition_keys, values, strict=True):
        template = template.replace(f"${{{key}}}", value or "")
    return template.rstrip("/") + "/"


class Pruning:
    """The conditions of a query that mention only partition keys, asked of values by DuckDB itself."""

    def __init__(
        self, table: Table, conditions: Sequence[exp.Expr], types: Types, connection: duckdb.DuckDBPyConnection
    ) -> None:
        self._table = table
        self._types = types
        self._connection = connection
        keys = table.partition_keys
        mentions = [(condition, {column.name for column in condition.find_all(exp.Column)}) for condition in conditions]
        self._conditions = [(_bare(condition), names) for condition, names in mentions if names and names <= set(keys)]

    def kept(self, values: list[Values]) -> list[Values]:
        """Return those of the partitions' values that may have rows."""
        return self._asked(list(self._table.partition_keys), values)

    def kept_of(self, *columns: list[str]) -> list[Values]:
        """Return the combinations, of each key's values, that may have rows."""
        names = self._table.partition_keys
        alone = [
            [value for (value,) in self._asked([name], [(value,) for value in values])]
            for name, values in zip(names, columns, strict=True)
        ]
        count = math.prod(map(len, alone))
        if count > _MOST:
            raise Failed(f"HIVE_EXCEEDED_PARTITION_LIMIT: '{self._table.name}' can read {count} partitions")
        return self.kept(list(itertools.product(*alone)))

    def equal_to(self, name: str) -> list[str]:
        """Return the values that a condition of equality gives the key."""
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

    def _asked(self, names: list[str], values: list[Values]) -> list[Values]:
        conditions = [condition for condition, mentioned in self._conditions if mentioned <= set(names)]
        if not conditions or not values:
            return values
        typed = ", ".join(
            f"TRY_CAST(c{at} AS {duckdb_type(self._table.partition_keys[name])}) AS {quoted(name)}"
            for at, name in enumerate(names)
        )
        columns = ", ".join(f"unnest($c{at}::VARCHAR[]) AS c{at}" for at in range(len(names)))
        for condition in conditions:
            numbered = f"(SELECT {columns}, unnest(range({len(values)})) AS place)"
            asked = (
                f"FROM (SELECT place, {typed} FROM {numbered}) SELECT place WHERE {translate(condition, self._types)}"
            )
            given = {f"c{at}": [value[at] for value in values] for at in range(len(names))}
            try:
                values = [values[place] for (place,) in self._connection.execute(asked, given).fetchall()]
            except duckdb.Error:
                continue  # the query itself will say what is wrong with it
        return values


def _bare(condition: exp.Expr) -> exp.Expr:
    bare = condition.copy()
    for column in bare.find_all(exp.Column):
        column.set("table", None)
        column.this.set("quoted", True)
    return bare


def _projected(table: Table, pruning: Pruning) -> list[list[str]]:
    """Return all values of each partition key."""
    return [list(_values(table, key, pruning)) for key in table.partition_keys]


def _values(table: Table, key: str, pruning: Pruning) -> Iterator[str]:
    def given(name: str, default: str | None = None) -> str:
        value = table.parameters.get(f"projection.{key}.{name}", default)
        if value is None:
            raise Failed(
                f"INVALID_TABLE_PROPERTY: Table {table.database}.{table.name} is configured for partition projection, "
                f"but the following required property is missing: projection.{key}.{name}"
            )
        return value

    kind = given("type").lower()
    if kind == "enum":
        yield from (value.strip() for value in given("values").split(","))
    elif kind == "integer":
        first, last = (int(bound) for bound in given("range").split(","))
        digits = int(given("digits", "0"))
        yield from (f"{value:0{digits}d}" for value in range(first, last + 1, int(given("interval", "1"))))
    elif kind == "date":
        yield from _dates(given)
    elif kind == "injected":
        yield from pruning.equal_to(key)
    else:
        raise Failed(f"INVALID_TABLE_PROPERTY: projection.{key}.type is none of enum, integer, date, injected: {kind}")


def _dates(given: Any) -> Iterator[str]:
    pattern = given("format")
    written = strftime(pattern).replace("%g", "%f")
    now = datetime.now(UTC).replace(tzinfo=None)
    first, last = (_bound(bound.strip(), written, now) for bound in given("range").split(","))
    smallest = finest(pattern)
    # The interval may be left out where the pattern shows days or months.
    unit = given("interval.unit", smallest if smallest in ("days", "months") else None).lower().rstrip("s") + "s"
    interval = int(given("interval", "1" if smallest in ("days", "months") else None))
    if unit not in _UNITS:
        raise Failed(f"INVALID_TABLE_PROPERTY: no unit of time: {unit}")
    moment = first
    for step in itertools.count(1):
        if moment > last:
            return
        yield moment.strftime(written)
        moment = later(first, step * interval, unit)


def _bound(written: str, pattern: str, now: datetime) -> datetime:
    relative = _RELATIVE.fullmatch(written)
    if not relative:
        try:
            return datetime.strptime(written, pattern)
        except ValueError:
            raise Failed(f"INVALID_TABLE_PROPERTY: projection range {written} is not of its format") from None
    sign, count, unit = relative.groups()
    moved = later(now, int(f"{sign}{count}"), unit.lower() + "s") if count else now
    return datetime.strptime(moved.strftime(pattern), pattern)


def later(moment: datetime, count: int, unit: str) -> datetime:
    """Return the moment so many units later; the end of a month stays one."""
    if unit not in ("months", "years"):
        return moment + timedelta(**{unit: count})
    months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "years" else 1)
    year, month = divmod(months, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, (following - timedelta(days=1)).day))
