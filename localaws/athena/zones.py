"""Times in a zone, as far as the zone is written in the query.

Trino's `timestamp with time zone` has an instant and a zone, DuckDB's only the instant. So a time in a zone is
translated to the local time, `instant AT TIME ZONE zone`, of which functions such as `hour` are right. What needs the
instant or the name of the zone takes it from that expression. A result column has the local time and the name of the
zone. A column of a subquery and an arm of CASE have only the local time.
https://trino.io/docs/current/functions/datetime.html
"""

from __future__ import annotations

import re

from sqlglot import exp

from localaws.athena.failures import Failed

type Tree = exp.Expr

RESULT_TYPE = "STRUCT(athena_time TIMESTAMP, athena_zone VARCHAR)"
"""The DuckDB type of a result column with times in zones."""

_NAMED = re.compile(r"\d ?([A-Za-z]+/[A-Za-z_/]+|[+-]\d\d:\d\d)$")
_TIME_UNITS = ("HOUR", "MINUTE", "SECOND", "MILLISECOND")


def in_zone(moment: Tree, zone: Tree) -> exp.AtTimeZone:
    """Return *moment*, an instant or a time in another zone, in *zone*."""
    return exp.AtTimeZone(this=exp.cast(instant(moment), "TIMESTAMPTZ"), zone=_known(zone))


def local(time: Tree, zone: Tree) -> exp.AtTimeZone:
    """Return the time in *zone* of which *time* is the local time."""
    there = exp.AtTimeZone(this=exp.paren(exp.cast(time, "TIMESTAMP")), zone=_known(zone))
    return in_zone(exp.paren(there), zone)


def zoned(node: Tree | None) -> exp.AtTimeZone | None:
    """Return *node* if it is a time in a zone, else None."""
    inner = node.unnest() if node else None
    return inner if isinstance(inner, exp.AtTimeZone) and isinstance(inner.this, exp.Cast) else None


def instant(moment: Tree) -> Tree:
    """Return the instant of *moment*, if it is a time in a zone."""
    found = zoned(moment)
    return found.this if found else moment


def of_offset(hours: Tree, minutes: Tree) -> Tree:
    """Return the zone of an offset. Raise Failed unless it is written as numbers."""
    try:
        offset = int(hours.sql()), int(minutes.sql())
    except ValueError:
        raise Failed("NOT_SUPPORTED: localaws supports only literal offsets of zones") from None
    sign = "-" if min(offset) < 0 else "+"
    return exp.Literal.string(f"{sign}{abs(offset[0]):02}:{abs(offset[1]):02}")


def written(text: Tree, moment: Tree) -> Tree:
    """Return *moment*, which is read from *text*, in the zone that a literal text names."""
    found = _NAMED.search(text.name) if text.is_string and ":" in text.name else None
    return in_zone(moment, exp.Literal.string(found[1])) if found else moment


def added(moment: exp.AtTimeZone, addition: exp.Expr, unit: str) -> Tree:
    """Return *moment* after *addition*, whose first operand is *moment*: hours are added to the instant, days to the
    date and time of the zone.
    """
    if unit.upper() in _TIME_UNITS:
        addition.set("this", moment.this)
        return in_zone(exp.paren(addition), moment.args["zone"])
    addition.set("this", exp.paren(moment))
    return local(addition, moment.args["zone"])


def name(moment: exp.AtTimeZone) -> Tree:
    """Return the name of the zone as Trino writes it: `Asia/Tokyo`, `+09:00`."""
    return exp.Anonymous(this="athena_zone_name", expressions=[moment.args["zone"].copy()])


def offset(moment: exp.AtTimeZone) -> Tree:
    """Return the minutes by which the local time is ahead of UTC."""
    return exp.Anonymous(this="athena_offset", expressions=[moment.this.copy(), exp.paren(moment.copy())])


def chosen(node: Tree) -> Tree:
    """Return a choice among values, such as COALESCE: of instants, in the zone that all of them have."""
    values = [node.this, *node.expressions]
    found = [moment for value in values if (moment := zoned(value))]
    node.set("this", instant(node.this))
    node.set("expressions", [instant(value) for value in node.expressions])
    names = {moment.args["zone"].sql() for moment in found}
    return in_zone(node, found[0].args["zone"]) if len(found) == len(values) and len(names) == 1 else node


def with_names(query: Tree) -> Tree:
    """Return *query* with the name of the zone in each result column whose values are times in a zone."""
    for column in query.selects if isinstance(query, exp.Select) else ():
        if isinstance(column, exp.Alias) and (moment := zoned(column.this)):
            fields = {"athena_time": moment, "athena_zone": name(moment)}
            named = [exp.PropertyEQ(this=exp.to_identifier(key), expression=value) for key, value in fields.items()]
            column.set("this", exp.Struct(expressions=named))
    return query


def _known(zone: Tree) -> Tree:
    """Return a zone as DuckDB names it: the offset `+09:00` is `GMT+09:00`."""
    if not zone.is_string:
        return exp.Anonymous(this="athena_zone", expressions=[zone]) if not isinstance(zone, exp.Anonymous) else zone
    return exp.Literal.string(re.sub(r"^(?=[+-]\d\d:\d\d$)", "GMT", zone.name))
