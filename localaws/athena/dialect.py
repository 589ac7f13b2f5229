"""The translation of Trino's functions and operators to DuckDB.

sqlglot translates most of them. This module translates the others, and those with a different meaning in DuckDB. It
uses a macro of functions.sql where possible and rewrites the tree otherwise. Unknown functions fail, so that a query
that works here also works in Athena.
https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlglot import ErrorLevel, exp
from sqlglot.errors import UnsupportedError

from localaws.athena import decimals, zones
from localaws.athena.failures import Failed
from localaws.athena.java_time import strftime

_FUNCTIONS = Path(__file__).with_name("functions.sql").read_text()

PRELUDE = f"""
SET TimeZone = 'UTC';
SET integer_division = true;
SET default_null_order = 'nulls_last';
{_FUNCTIONS}
"""
"""The settings and macros that the result of translate() requires."""

# Functions without a sqlglot class that have the same name and meaning in DuckDB.
_UNCHANGED = {
    "acos", "asin", "atan", "atan2", "cbrt", "concat_ws", "corr", "cos", "cosh", "cume_dist", "degrees", "entropy",
    "from_base64", "geometric_mean", "histogram", "hour", "kurtosis", "map_concat", "map_entries", "map_from_entries",
    "map_keys", "map_values", "pi", "radians", "regr_intercept", "regr_slope", "sin", "sinh", "skewness", "tan",
    "tanh", "to_base64",
}  # fmt: skip
# Functions that have another name in DuckDB.
_RENAMED = {
    "arrays_overlap": "list_has_any",
    "codepoint": "unicode",
    "every": "bool_and",
    "hamming_distance": "hamming",
    "is_finite": "isfinite",
    "is_infinite": "isinf",
    "zip": "list_zip",
}
_CONSTANTS = {"e": "exp(1)", "infinity": "CAST('inf' AS DOUBLE)", "nan": "CAST('nan' AS DOUBLE)"}
_MACROS = set(re.findall(r"^CREATE MACRO athena_(\w+)", _FUNCTIONS, re.MULTILINE))

type Types = dict[int, exp.DataType]
type Tree = exp.Expr


def translate(tree: Tree, types: Types) -> str:
    """Return the Trino *tree* as DuckDB SQL. *types* are the known types of expressions by their ``number``.

    Raise Failed for unsupported functions.
    """
    rewritten = zones.with_names(_rewrite(tree.copy(), types))
    try:
        return str(rewritten.sql("duckdb", unsupported_level=ErrorLevel.RAISE))
    except UnsupportedError as error:
        raise Failed(f"NOT_SUPPORTED: {error}") from None


def _rewrite(node: Tree, types: Types) -> Tree:
    """Rewrite the tree bottom-up, so that the operands of a node are rewritten first."""
    for key, value in list(node.args.items()):
        if isinstance(value, exp.Expr):
            node.set(key, _rewrite(value, types))
        elif isinstance(value, list):
            node.set(key, [_rewrite(item, types) if isinstance(item, exp.Expr) else item for item in value])
    rewrite = _REWRITES.get(type(node))
    if rewrite is None:
        return node
    rewritten = rewrite(node, types)
    if "number" in node.meta:
        rewritten.meta["number"] = node.meta["number"]  # keeps its type
    return rewritten


def _has_type(node: Tree | None, types: Types, *kinds: exp.DType) -> bool:
    known = types.get(node.meta.get("number", -1)) if node else None
    return known is not None and known.this in kinds


def _macro(name: str, *arguments: Tree | None) -> Tree:
    return exp.Anonymous(this=f"athena_{name}", expressions=[argument for argument in arguments if argument])


def _call(name: str, *arguments: Tree | None) -> Tree:
    return exp.Anonymous(this=name, expressions=[argument for argument in arguments if argument])


def _to_macro(name: str, *keys: str) -> _Rewrite:
    """Return a rewrite of a sqlglot expression to a macro call with the given arguments of the expression."""
    return lambda node, types: _macro(name, *(node.args.get(key) for key in keys))


def _anonymous(node: Tree, types: Types) -> Tree:
    name = str(node.this).lower()
    arguments = node.expressions
    if name in _FUNCTION_REWRITES:
        return _FUNCTION_REWRITES[name](arguments)
    if name in _CONSTANTS:
        return exp.maybe_parse(_CONSTANTS[name], dialect="duckdb")
    if name in _MACROS:
        return _macro(name, *arguments)
    if name in _UNCHANGED or name in _RENAMED:
        return _call(_RENAMED.get(name, name), *arguments)
    raise Failed(f"FUNCTION_NOT_FOUND: Function '{name}' not registered")


def _count_matching(arguments: list[Tree], negated: bool = False) -> Tree:
    items, test = arguments
    if negated:
        test = exp.Lambda(this=exp.not_(exp.paren(test.this)), expressions=test.expressions)
    return _call("len", _call("list_filter", items, test))


def _of_entries(arguments: list[Tree], function: str, entry: Callable[[Tree], Tree]) -> Tree:
    """Call a list function on the entries of a map, with a lambda of key and value converted to one of an entry."""
    entries, body = arguments
    names = {name.name.lower(): field for name, field in zip(body.expressions, ("key", "value"), strict=True)}

    def of_entry(node: Tree) -> Tree:
        inside = isinstance(node, exp.Identifier) and not isinstance(node.parent, exp.Column | exp.Dot)
        column = node if isinstance(node, exp.Column) and not node.table else None
        name = node.name.lower() if inside or column else ""
        return _field(names[name]) if name in names else node

    applied = entry(body.this.transform(of_entry))
    function_of_entry = exp.Lambda(this=applied, expressions=[exp.to_identifier("entry")])
    return _call("map_from_entries", _call(function, _call("map_entries", entries), function_of_entry))


def _entry(key: str, value: str) -> Callable[[Tree], Tree]:
    def entry(body: Tree) -> Tree:
        fields = {"body": body, "key": _field("key"), "value": _field("value")}
        return exp.Struct(
            expressions=[
                exp.PropertyEQ(this=exp.to_identifier("k"), expression=fields[key]),
                exp.PropertyEQ(this=exp.to_identifier("v"), expression=fields[value]),
            ]
        )

    return entry


def _field(name: str) -> Tree:
    return exp.Dot(this=exp.to_identifier("entry"), expression=exp.to_identifier(name))


def _java_pattern(pattern: Tree) -> Tree:
    """Convert a literal Java date pattern to a strftime format, or raise Failed."""
    if not pattern.is_string:
        raise Failed("NOT_SUPPORTED: localaws supports only literal date patterns")
    return exp.Literal.string(strftime(pattern.name))


_FUNCTION_REWRITES: dict[str, Callable[[list[Tree]], Tree]] = {
    "all_match": lambda arguments: exp.EQ(
        this=_count_matching(arguments, negated=True), expression=exp.Literal.number(0)
    ),
    "any_match": lambda arguments: exp.GT(this=_count_matching(arguments), expression=exp.Literal.number(0)),
    "none_match": lambda arguments: exp.EQ(this=_count_matching(arguments), expression=exp.Literal.number(0)),
    "at_timezone": lambda arguments: zones.in_zone(*arguments),
    "format_datetime": lambda arguments: _call("strftime", arguments[0], _java_pattern(arguments[1])),
    "map_agg": lambda arguments: _macro("map_agg", *(_call("list", argument) for argument in arguments)),
    "map_filter": lambda arguments: _of_entries(arguments, "list_filter", lambda body: body),
    "millisecond": lambda arguments: exp.Mod(
        this=_call("millisecond", *arguments), expression=exp.Literal.number(1000)
    ),
    "regexp_split": lambda arguments: _call("string_split_regex", *arguments),
    "to_base": lambda arguments: exp.Lower(this=_call("to_base", *arguments)),
    "transform_keys": lambda arguments: _of_entries(arguments, "list_transform", _entry("body", "value")),
    "transform_values": lambda arguments: _of_entries(arguments, "list_transform", _entry("key", "body")),
    "timezone_hour": lambda arguments: _offset(arguments[0], "// 60"),
    "timezone_minute": lambda arguments: _offset(arguments[0], "% 60"),
    "to_iso8601": lambda arguments: _to_iso8601(arguments[0]),
    "with_timezone": lambda arguments: zones.local(*arguments),
}


def _offset(moment: Tree, part: str) -> Tree:
    """Return the hours or minutes of the offset of a moment, which is in UTC without a zone."""
    zoned = zones.zoned(moment)
    return exp.maybe_parse(f"{zones.offset(zoned).sql('duckdb')} {part}" if zoned else "0", dialect="duckdb")


def _to_iso8601(moment: Tree) -> Tree:
    zoned = zones.zoned(moment)
    return (
        _macro("to_iso8601_in_zone", exp.paren(zoned), zones.offset(zoned)) if zoned else _macro("to_iso8601", moment)
    )


def _from_unix(node: Tree, types: Types) -> Tree:
    zone, hours, minutes = (node.args.pop(key, None) for key in ("zone", "hours", "minutes"))
    if hours and minutes:
        zone = zones.of_offset(hours, minutes)
    return zones.in_zone(node, zone) if zone else node


def _to_unix(node: Tree, types: Types) -> Tree:
    node.set("this", zones.instant(node.this))
    return node


def _filter(node: Tree, types: Types) -> Tree:
    """Move the FILTER of a macro that consists of aggregates to each aggregate."""
    macro = node.this
    if isinstance(macro, exp.Anonymous) and macro.name == "athena_map_agg":
        filtered = [exp.Filter(this=item, expression=node.expression.copy()) for item in macro.expressions]
        return _macro("map_agg", *filtered)
    return node


_TEXT_TYPES = (exp.DType.VARCHAR, exp.DType.TEXT, exp.DType.CHAR)
_INTEGER_TYPES = (exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT)
_FLOATING_TYPES = (exp.DType.DOUBLE, exp.DType.FLOAT)
_NUMERIC_TYPES = (*_INTEGER_TYPES, *_FLOATING_TYPES, exp.DType.DECIMAL)
_TIME_TYPES = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ)


_TIME_UNITS = ("HOUR", "MINUTE", "SECOND", "MILLISECOND")


def _arithmetic(node: Tree, types: Types) -> Tree:
    if isinstance(node.expression, exp.Interval) and (zoned := zones.zoned(node.this)):
        unit = node.expression.text("unit").upper()
        return zones.added(zoned, node, "HOUR" if unit == "DAY" else unit)  # an interval of a day is 24 hours
    for moment, interval in ((node.this, node.expression), (node.expression, node.this)):
        if isinstance(interval, exp.Interval) and _has_type(moment, types, exp.DType.DATE):
            if interval.text("unit").upper() in _TIME_UNITS:
                raise Failed("INVALID_FUNCTION_ARGUMENT: Cannot add hour, minutes or seconds to a date")
            return exp.cast(node, "DATE")  # DuckDB returns a timestamp
    if decimal := decimals.result(node, types):
        precision, scale = decimal
        if isinstance(node, exp.Div):  # DuckDB divides decimals as doubles
            node = exp.Div(this=exp.cast(node.this, "DOUBLE"), expression=node.expression)
        return exp.cast(node, f"DECIMAL({precision}, {scale})")
    if isinstance(node, exp.Div) and (
        _has_type(node.this, types, *_FLOATING_TYPES) or _has_type(node.expression, types, *_FLOATING_TYPES)
    ):
        return _macro("divide", node.this, node.expression)
    return node


def _comparison(node: Tree, types: Types) -> Tree:
    """Compare instants, not local times of zones. Raise Failed if a string is compared with another type.

    DuckDB converts the string, Trino does not.
    """
    others = [node.args.get(key) for key in ("expression", "low", "high")] + node.expressions
    for other in filter(None, others):
        for one, two in ((node.this, other), (other, node.this)):
            if _has_type(one, types, *_TEXT_TYPES) and _has_type(
                two, types, *_NUMERIC_TYPES, *_TIME_TYPES, exp.DType.BOOLEAN
            ):
                left, right = (types[side.meta["number"]].sql("trino").lower() for side in (node.this, other))
                raise Failed(f"TYPE_MISMATCH: Cannot compare {left} with {right}: {node.sql('trino')}")
    for key in ("this", "expression", "low", "high"):
        if side := node.args.get(key):
            node.set(key, zones.instant(side))
    if node.expressions:
        node.set("expressions", [zones.instant(each) for each in node.expressions])
    return node


# Functions whose type sqlglot does not know, after their rewrite.
_ARRAY_FUNCTIONS = {
    "athena_array_distinct", "athena_array_intersect", "athena_array_union", "list_filter", "list_transform",
    "list_zip", "map_entries", "map_keys", "map_values", "string_split_regex",
}  # fmt: skip
_ARRAY_EXPRESSIONS = (
    exp.Array,
    exp.ArrayFilter,
    exp.MapKeys,
    exp.RegexpExtractAll,
    exp.RegexpSplit,
    exp.Split,
    exp.Transform,
)
_MAP_FUNCTIONS = {"athena_map_agg", "athena_split_to_map", "histogram", "map_concat", "map_from_entries"}


def _is_array(node: Tree, types: Types) -> bool:
    known = isinstance(node, _ARRAY_EXPRESSIONS) or _has_type(node, types, exp.DType.ARRAY, exp.DType.LIST)
    return known or (isinstance(node, exp.Anonymous) and node.name.lower() in _ARRAY_FUNCTIONS)


def _is_map(node: Tree, types: Types) -> bool:
    known = _has_type(node, types, exp.DType.MAP)
    return known or (isinstance(node, exp.Anonymous) and node.name.lower() in _MAP_FUNCTIONS)


def _bracket(node: Tree, types: Types) -> Tree:
    """Fail for an element that does not exist. DuckDB returns NULL, as element_at does."""
    if node.args.get("safe"):
        return node
    (key,) = node.expressions
    if key.find(exp.Column) is None:
        (key,) = exp.apply_index_offset(node.this, [key], 1)  # sqlglot counts constants from 0
    if _is_map(node.this, types):
        return _macro("map_value", node.this, key)
    return _macro("array_element", node.this, key) if _is_array(node.this, types) else node


def _cast(node: Tree, types: Types) -> Tree:
    to, value = node.args["to"], node.this
    if to.this in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
        to.set("expressions", [])  # DuckDB ignores the precision and stores microseconds
        if to.this == exp.DType.TIMESTAMPTZ:
            return zones.written(value, node)
    if to.is_type(exp.DType.DECIMAL) and not to.expressions:
        integer, _, fraction = value.name.lstrip("+-").partition(".") if value.is_string else ("0" * 38, "", "")
        sizes = len(integer + fraction), len(fraction)
        to.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(size)) for size in sizes])
    if to.is_type(exp.DType.JSON):
        return _call("to_json", value)
    if to.this in _INTEGER_TYPES and _has_type(value, types, *_FLOATING_TYPES):
        node.set("this", exp.Round(this=value))  # Trino rounds half up, DuckDB half to even
    return _cast_to_text(node, types) if to.this in _TEXT_TYPES else node


def _cast_to_text(node: Tree, types: Types) -> Tree:
    value, size = node.this, node.args["to"].expressions
    if zoned := zones.zoned(value):
        return _macro("time_as_text", exp.paren(zoned), zones.name(zoned))
    if _has_type(value, types, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
        return _macro("time_as_text", value)
    if _has_type(value, types, exp.DType.JSON):
        return exp.maybe_parse(f"{value.sql('duckdb')} ->> '$'", dialect="duckdb")
    if size and type(node) is exp.Cast:
        return _call("substr", exp.cast(value, "VARCHAR"), exp.Literal.number(1), size[0])
    return node


def _date_add(node: Tree, types: Types) -> Tree:
    zoned = zones.zoned(node.this)
    return zones.added(zoned, node, node.text("unit")) if zoned else _to_date(node, types)


def _date_trunc(node: Tree, types: Types) -> Tree:
    zoned = zones.zoned(node.this)
    return zones.local(node, zoned.args["zone"]) if zoned else _to_date(node, types)


def _to_date(node: Tree, types: Types) -> Tree:
    """Cast the result of date arithmetic on a date to a date. DuckDB returns a timestamp."""
    return exp.cast(node, "DATE") if _has_type(node.this, types, exp.DType.DATE) else node


def _date_diff(node: Tree, types: Types) -> Tree:
    """Use date_sub, which counts complete units like Trino. DuckDB's date_diff counts unit boundaries."""
    first, last = zones.instant(node.expression), zones.instant(node.this)
    return _call("date_sub", exp.Literal.string(node.text("unit").lower()), first, last)


def _extract(node: Tree, types: Types) -> Tree:
    if node.name.upper() in ("DOW", "DAY_OF_WEEK", "DAYOFWEEK"):
        node.set("this", exp.var("ISODOW"))
    return node


def _format(node: Tree, types: Types) -> Tree:
    return _call("printf", node.this, *node.expressions)


def _json_path(path: Tree) -> Tree:
    """Convert bracketed names in a JSON path to dotted names, which DuckDB requires."""
    return exp.Literal.string(re.sub(r"\[[\"']([^\"']+)[\"']\]", r'."\1"', path.name)) if path.is_string else path


def _json_extract(name: str) -> _Rewrite:
    return lambda node, types: _macro(name, node.this, _json_path(node.expression))


def _parse_datetime(node: Tree, types: Types) -> Tree:
    return exp.cast(_call("strptime", node.this, _java_pattern(node.args["format"])), "TIMESTAMPTZ")


def _random(node: Tree, types: Types) -> Tree:
    low = node.this
    if low is None:
        return _call("random")
    drawn = exp.Floor(this=exp.Mul(this=_call("random"), expression=exp.paren(low)))
    return exp.cast(drawn, "BIGINT")


def _reduce(node: Tree, types: Types) -> Tree:
    reduced = _call("list_reduce", node.this, node.args["merge"], node.args["initial"])
    finish = node.args["finish"]
    (state,) = (name.name.lower() for name in finish.expressions)
    if finish.this.name.lower() == state and not finish.this.find(exp.Binary):
        return reduced
    return _call("list_first", _call("list_transform", exp.Array(expressions=[reduced]), finish))


def _regexp_extract(node: Tree, types: Types) -> Tree:
    return _macro("regexp_extract", node.this, node.expression, node.args.get("group") or exp.Literal.number(0))


def _regexp_replace(node: Tree, types: Types) -> Tree:
    """Convert group references from ``$1`` (Java) to ``\\1`` (DuckDB)."""
    replacement = node.args.get("replacement")
    if replacement is not None and replacement.is_string:
        node.set("replacement", exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", replacement.name)))
    return node


def _reverse(node: Tree, types: Types) -> Tree:
    is_array = isinstance(node.this, exp.Array) or _has_type(node.this, types, exp.DType.ARRAY, exp.DType.LIST)
    return _call("list_reverse", node.this) if is_array else node


def _sequence(node: Tree, types: Types) -> Tree:
    start, end, step = (node.args.get(key) for key in ("start", "end", "step"))
    if not _has_type(start, types, exp.DType.DATE):
        return _call("generate_series", start, end, step) if step else _macro("sequence", start, end)
    step = step or exp.Interval(this=exp.Literal.string("1"), unit=exp.var("DAY"))
    return exp.cast(_call("generate_series", start, end, step), "DATE[]")


def _sha2(node: Tree, types: Types) -> Tree:
    if node.text("length") != "256":
        raise Failed(f"NOT_SUPPORTED: localaws does not support sha{node.text('length')}")
    return node


def _typeof(node: Tree, types: Types) -> Tree:
    if node.this.is_string:
        return exp.Literal.string(f"varchar({len(node.this.name)})")
    if zones.zoned(node.this):
        return exp.Literal.string("timestamp(3) with time zone")
    return _macro("typeof", node.this)


def _unnest(node: Tree, types: Types) -> Tree:
    """Rewrite UNNEST of arrays, a map, or an array of rows to a lateral subquery with named columns."""
    alias, arrays = node.args.get("alias"), node.expressions
    names = list(alias.columns) if alias else []
    ordinality = node.args.get("offset")
    if isinstance(ordinality, exp.Identifier):
        names.append(ordinality)
    columns = len(names) - bool(ordinality)
    if columns > len(arrays) == 1:
        arrays = _unnested_fields(arrays[0], types, columns)
    values = [exp.alias_(_call("unnest", array), name) for array, name in zip(arrays, names, strict=False)]
    values += [_call("unnest", array) for array in arrays[len(values) :]]
    if ordinality:
        longest = exp.Greatest(this=_call("len", arrays[0]), expressions=[_call("len", array) for array in arrays[1:]])
        count = _call("len", arrays[0]) if len(arrays) == 1 else longest
        series = _call("unnest", _call("generate_series", exp.Literal.number(1), count))
        values.append(exp.alias_(series, names[-1] if names else "ordinality"))
    name = exp.TableAlias(this=alias.this) if alias and alias.this else None
    return exp.Lateral(this=exp.Subquery(this=exp.select(*values)), alias=name)


def _unnested_fields(of: Tree, types: Types, columns: int) -> list[Tree]:
    known = types.get(of.meta.get("number", -1))
    if known is not None and known.this in (exp.DType.ARRAY, exp.DType.LIST):
        row = exp.to_identifier("entry")
        positions = (exp.Literal.number(position) for position in range(1, columns + 1))
        return [
            _call("list_transform", of.copy(), exp.Lambda(this=_call("struct_extract_at", row, at), expressions=[row]))
            for at in positions
        ]
    return [_call("map_keys", of), _call("map_values", of.copy())]


type _Rewrite = Callable[[Any, Types], Tree]
_REWRITES: dict[type[Tree], _Rewrite] = {
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Avg), _arithmetic),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In), _comparison),
    exp.Anonymous: _anonymous,
    exp.ApproxDistinct: lambda node, types: exp.ApproxDistinct(this=node.this),
    exp.ArrayDistinct: _to_macro("array_distinct", "this"),
    exp.ArrayIntersect: lambda node, types: _macro("array_intersect", *node.expressions),
    exp.ArrayPosition: _to_macro("array_position", "this", "expression"),
    exp.ArraySize: lambda node, types: _call("cardinality", node.this),
    exp.ArraySlice: _to_macro("slice", "this", "start", "end"),
    exp.AtTimeZone: lambda node, types: zones.in_zone(node.this, node.args["zone"]),
    exp.Bracket: _bracket,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    **dict.fromkeys((exp.Coalesce, exp.Greatest, exp.Least), lambda node, types: zones.chosen(node)),
    exp.CurrentTimezone: lambda node, types: exp.Literal.string("UTC"),
    exp.DateAdd: _date_add,
    exp.DateDiff: _date_diff,
    exp.DateTrunc: _date_trunc,
    exp.Extract: _extract,
    exp.Filter: _filter,
    exp.Format: _format,
    exp.FromISO8601Timestamp: lambda node, types: zones.written(node.this, node),
    exp.FromBase: _to_macro("from_base", "this", "expression"),
    exp.GenerateSeries: _sequence,
    exp.JSONExtract: _json_extract("json_extract"),
    exp.JSONExtractScalar: _json_extract("json_extract_scalar"),
    exp.JSONArrayContains: lambda node, types: _macro("json_array_contains", node.this, node.expression),
    exp.Normalize: lambda node, types: _call("nfc_normalize", node.this),
    exp.ParseDatetime: _parse_datetime,
    exp.Rand: _random,
    exp.Reduce: _reduce,
    exp.RegexpExtract: _regexp_extract,
    exp.RegexpReplace: _regexp_replace,
    exp.Repeat: _to_macro("repeat", "this", "times"),
    exp.Reverse: _reverse,
    exp.SHA2Digest: _sha2,
    exp.SplitPart: _to_macro("split_part", "this", "delimiter", "part_index"),
    exp.StrToMap: _to_macro("split_to_map", "this", "pair_delim", "key_value_delim"),
    exp.Substring: _to_macro("substr", "this", "start", "length"),
    exp.TimeToUnix: _to_unix,
    exp.TimestampTrunc: _date_trunc,
    exp.Typeof: _typeof,
    exp.UnixToTime: _from_unix,
    exp.Unnest: _unnest,
    exp.Uuid: lambda node, types: exp.cast(_call("uuid"), "VARCHAR"),
    exp.WidthBucket: _to_macro("width_bucket", "this", "min_value", "max_value", "num_buckets"),
}
