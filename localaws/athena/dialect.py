"""Trino's functions and operators, as DuckDB has them.

sqlglot translates most. Here is what it does not, or what DuckDB answers otherwise: by a macro of functions.sql where
the arguments say enough, by a rewrite of the tree where they do not. A function that is known neither there nor here is
refused, so that a query that runs here runs in Athena. https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlglot import ErrorLevel, exp
from sqlglot.errors import UnsupportedError

from localaws.athena import decimals
from localaws.athena.failures import Failed
from localaws.athena.java_time import strftime

_FUNCTIONS = Path(__file__).with_name("functions.sql").read_text()

PRELUDE = f"""
SET TimeZone = 'UTC';
SET integer_division = true;
SET default_null_order = 'nulls_last';
{_FUNCTIONS}
"""
"""What makes DuckDB answer what translate() returns as Trino does."""

# Functions that sqlglot has no class for, and DuckDB has under this name and with Trino's meaning.
_SAME = {
    "acos", "asin", "atan", "atan2", "cbrt", "concat_ws", "corr", "cos", "cosh", "cume_dist", "degrees", "entropy",
    "from_base64", "geometric_mean", "histogram", "hour", "kurtosis", "map_concat", "map_entries", "map_from_entries",
    "map_keys", "map_values", "pi", "radians", "regr_intercept", "regr_slope", "sin", "sinh", "skewness", "tan",
    "tanh", "to_base64",
}  # fmt: skip
# Trino's other names for what DuckDB has.
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
    """Return Trino's *tree* as DuckDB's SQL; *types* are the known types of expressions, by their ``number``.

    Raise Failed for what is not known here.
    """
    rewritten = _rewrite(tree.copy(), types)
    try:
        return str(rewritten.sql("duckdb", unsupported_level=ErrorLevel.RAISE))
    except UnsupportedError as error:
        raise Failed(f"NOT_SUPPORTED: {error}") from None


def _rewrite(node: Tree, types: Types) -> Tree:
    """From the leaves up, so that a rewrite finds its operands rewritten."""
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
        rewritten.meta["number"] = node.meta["number"]  # its type is still known
    return rewritten


def _is(node: Tree | None, types: Types, *kinds: exp.DType) -> bool:
    known = types.get(node.meta.get("number", -1)) if node else None
    return known is not None and known.this in kinds


def _macro(name: str, *arguments: Tree | None) -> Tree:
    return exp.Anonymous(this=f"athena_{name}", expressions=[argument for argument in arguments if argument])


def _call(name: str, *arguments: Tree | None) -> Tree:
    return exp.Anonymous(this=name, expressions=[argument for argument in arguments if argument])


def _to_macro(name: str, *keys: str) -> _Rewrite:
    """A rewrite of a class of sqlglot to the macro, with these arguments of the class."""
    return lambda node, types: _macro(name, *(node.args.get(key) for key in keys))


def _anonymous(node: Tree, types: Types) -> Tree:
    name = str(node.this).lower()
    arguments = node.expressions
    if name in _BY_NAME:
        return _BY_NAME[name](arguments)
    if name in _CONSTANTS:
        return exp.maybe_parse(_CONSTANTS[name], dialect="duckdb")
    if name in _MACROS:
        return _macro(name, *arguments)
    if name in _SAME or name in _RENAMED:
        return _call(_RENAMED.get(name, name), *arguments)
    raise Failed(f"FUNCTION_NOT_FOUND: Function '{name}' not registered")


def _matching(arguments: list[Tree], negated: bool = False) -> Tree:
    items, test = arguments
    if negated:
        test = exp.Lambda(this=exp.not_(exp.paren(test.this)), expressions=test.expressions)
    return _call("len", _call("list_filter", items, test))


def _of_entries(arguments: list[Tree], function: str, entry: Callable[[Tree], Tree]) -> Tree:
    """A function of a map's keys and values as one of its entries."""
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
    """Java's pattern of a time, a literal, as strftime's."""
    if not pattern.is_string:
        raise Failed("NOT_SUPPORTED: in the sandbox the pattern of a time is a literal")
    return exp.Literal.string(strftime(pattern.name))


_BY_NAME: dict[str, Callable[[list[Tree]], Tree]] = {
    "all_match": lambda given: exp.EQ(this=_matching(given, negated=True), expression=exp.Literal.number(0)),
    "any_match": lambda given: exp.GT(this=_matching(given), expression=exp.Literal.number(0)),
    "none_match": lambda given: exp.EQ(this=_matching(given), expression=exp.Literal.number(0)),
    "at_timezone": lambda given: _in_zone(*given),
    "format_datetime": lambda given: _call("strftime", given[0], _java_pattern(given[1])),
    "map_agg": lambda given: _macro("map_agg", *(_call("list", argument) for argument in given)),
    "map_filter": lambda given: _of_entries(given, "list_filter", lambda body: body),
    "millisecond": lambda given: exp.Mod(this=_call("millisecond", *given), expression=exp.Literal.number(1000)),
    "regexp_split": lambda given: _call("string_split_regex", *given),
    "to_base": lambda given: exp.Lower(this=_call("to_base", *given)),
    "transform_keys": lambda given: _of_entries(given, "list_transform", _entry("body", "value")),
    "transform_values": lambda given: _of_entries(given, "list_transform", _entry("key", "body")),
    "with_timezone": lambda given: exp.AtTimeZone(this=exp.cast(given[0], "TIMESTAMP"), zone=given[1]),
}


def _in_zone(moment: Tree, zone: Tree) -> Tree:
    """The local time there, which Athena shows with the zone's name behind it."""
    return exp.AtTimeZone(this=exp.cast(moment, "TIMESTAMPTZ"), zone=zone)


def _filter(node: Tree, types: Types) -> Tree:
    """A macro over aggregates takes its filter into each of them."""
    macro = node.this
    if isinstance(macro, exp.Anonymous) and macro.name == "athena_map_agg":
        filtered = [exp.Filter(this=item, expression=node.expression.copy()) for item in macro.expressions]
        return _macro("map_agg", *filtered)
    return node


_TEXTS = (exp.DType.VARCHAR, exp.DType.TEXT, exp.DType.CHAR)
_WHOLE = (exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT)
_FLOATING = (exp.DType.DOUBLE, exp.DType.FLOAT)
_NUMBERS = (*_WHOLE, *_FLOATING, exp.DType.DECIMAL)
_TIMES = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ)


def _arithmetic(node: Tree, types: Types) -> Tree:
    if decimal := decimals.result(node, types):
        precision, scale = decimal
        if isinstance(node, exp.Div):  # DuckDB's of decimals is a double
            node = exp.Div(this=exp.cast(node.this, "DOUBLE"), expression=node.expression)
        return exp.cast(node, f"DECIMAL({precision}, {scale})")
    if isinstance(node, exp.Div) and (_is(node.this, types, *_FLOATING) or _is(node.expression, types, *_FLOATING)):
        return _macro("divide", node.this, node.expression)
    return node


def _compared(node: Tree, types: Types) -> Tree:
    """DuckDB would convert a text to what it is compared with; Trino does not."""
    others = [node.args.get(key) for key in ("expression", "low", "high")] + node.expressions
    for other in filter(None, others):
        for one, two in ((node.this, other), (other, node.this)):
            if _is(one, types, *_TEXTS) and _is(two, types, *_NUMBERS, *_TIMES, exp.DType.BOOLEAN):
                left, right = (types[side.meta["number"]].sql("trino").lower() for side in (node.this, other))
                raise Failed(f"TYPE_MISMATCH: Cannot compare {left} with {right}: {node.sql('trino')}")
    return node


def _cast(node: Tree, types: Types) -> Tree:
    to, value = node.args["to"], node.this
    if to.this in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
        to.set("expressions", [])  # DuckDB keeps microseconds whatever the precision
    if to.is_type(exp.DType.DECIMAL) and not to.expressions:
        whole, _, fraction = value.name.lstrip("+-").partition(".") if value.is_string else ("0" * 38, "", "")
        sizes = len(whole + fraction), len(fraction)
        to.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(size)) for size in sizes])
    if to.is_type(exp.DType.JSON):
        return _call("to_json", value)
    if to.this in _WHOLE and _is(value, types, *_FLOATING):
        node.set("this", exp.Round(this=value))  # a half goes up, not to the even number
    return _cast_to_text(node, types) if to.this in _TEXTS else node


def _cast_to_text(node: Tree, types: Types) -> Tree:
    value, size = node.this, node.args["to"].expressions
    if _is(value, types, exp.DType.TIMESTAMP):
        return _call("strftime", value, exp.Literal.string("%Y-%m-%d %H:%M:%S.%g"))
    if _is(value, types, exp.DType.JSON):
        return exp.maybe_parse(f"{value.sql('duckdb')} ->> '$'", dialect="duckdb")
    if size and type(node) is exp.Cast:
        return _call("substr", exp.cast(value, "VARCHAR"), exp.Literal.number(1), size[0])
    return node


def _to_date(node: Tree, types: Types) -> Tree:
    """A date stays one when days are added to it or it is truncated; DuckDB makes it a timestamp."""
    return exp.cast(node, "DATE") if _is(node.this, types, exp.DType.DATE) else node


def _date_diff(node: Tree, types: Types) -> Tree:
    """Trino counts units that have passed, DuckDB's date_diff boundaries; its date_sub is Trino's."""
    return _call("date_sub", exp.Literal.string(node.text("unit").lower()), node.expression, node.this)


def _extract(node: Tree, types: Types) -> Tree:
    if node.name.upper() in ("DOW", "DAY_OF_WEEK", "DAYOFWEEK"):
        node.set("this", exp.var("ISODOW"))
    return node


def _format(node: Tree, types: Types) -> Tree:
    return _call("printf", node.this, *node.expressions)


def _json_path(path: Tree) -> Tree:
    """DuckDB's JSON path has no names in brackets."""
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
    """Java names a group ``$1``, DuckDB ``\\1``."""
    replacement = node.args.get("replacement")
    if replacement is not None and replacement.is_string:
        node.set("replacement", exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", replacement.name)))
    return node


def _reverse(node: Tree, types: Types) -> Tree:
    is_array = isinstance(node.this, exp.Array) or _is(node.this, types, exp.DType.ARRAY, exp.DType.LIST)
    return _call("list_reverse", node.this) if is_array else node


def _sequence(node: Tree, types: Types) -> Tree:
    start, end, step = (node.args.get(key) for key in ("start", "end", "step"))
    if not _is(start, types, exp.DType.DATE):
        return _call("generate_series", start, end, step) if step else _macro("sequence", start, end)
    step = step or exp.Interval(this=exp.Literal.string("1"), unit=exp.var("DAY"))
    return exp.cast(_call("generate_series", start, end, step), "DATE[]")


def _sha2(node: Tree, types: Types) -> Tree:
    if node.text("length") != "256":
        raise Failed(f"NOT_SUPPORTED: sha{node.text('length')} is not in the sandbox")
    return node


def _typeof(node: Tree, types: Types) -> Tree:
    if node.this.is_string:
        return exp.Literal.string(f"varchar({len(node.this.name)})")
    return _macro("typeof", node.this)


def _unnest(node: Tree, types: Types) -> Tree:
    """UNNEST of arrays side by side, of a map, or of an array of rows, with names for all that comes out."""
    alias, arrays = node.args.get("alias"), node.expressions
    names = list(alias.columns) if alias else []
    ordinality = node.args.get("offset")
    if isinstance(ordinality, exp.Identifier):
        names.append(ordinality)
    columns = len(names) - bool(ordinality)
    if columns > len(arrays) == 1:
        arrays = _fields(arrays[0], types, columns)
    values = [exp.alias_(_call("unnest", array), name) for array, name in zip(arrays, names, strict=False)]
    values += [_call("unnest", array) for array in arrays[len(values) :]]
    if ordinality:
        longest = exp.Greatest(this=_call("len", arrays[0]), expressions=[_call("len", array) for array in arrays[1:]])
        count = _call("len", arrays[0]) if len(arrays) == 1 else longest
        series = _call("unnest", _call("generate_series", exp.Literal.number(1), count))
        values.append(exp.alias_(series, names[-1] if names else "ordinality"))
    name = exp.TableAlias(this=alias.this) if alias and alias.this else None
    return exp.Lateral(this=exp.Subquery(this=exp.select(*values)), alias=name)


def _fields(of: Tree, types: Types, columns: int) -> list[Tree]:
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
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In), _compared),
    exp.Anonymous: _anonymous,
    exp.ApproxDistinct: lambda node, types: exp.ApproxDistinct(this=node.this),
    exp.ArrayDistinct: _to_macro("array_distinct", "this"),
    exp.ArrayIntersect: lambda node, types: _macro("array_intersect", *node.expressions),
    exp.ArrayPosition: _to_macro("array_position", "this", "expression"),
    exp.ArraySize: lambda node, types: _call("cardinality", node.this),
    exp.ArraySlice: _to_macro("slice", "this", "start", "end"),
    exp.AtTimeZone: lambda node, types: _in_zone(node.this, node.args["zone"]),
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.DateAdd: _to_date,
    exp.DateDiff: _date_diff,
    exp.DateTrunc: _to_date,
    exp.Extract: _extract,
    exp.Filter: _filter,
    exp.Format: _format,
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
    exp.TimestampTrunc: _to_date,
    exp.Typeof: _typeof,
    exp.Unnest: _unnest,
    exp.Uuid: lambda node, types: exp.cast(_call("uuid"), "VARCHAR"),
    exp.WidthBucket: _to_macro("width_bucket", "this", "min_value", "max_value", "num_buckets"),
}
