"""Checks the properties of a resource against the schema of its type, as CloudFormation does.

It converts as CloudFormation does: a string that holds a number or a Boolean is one, and a number is a string. A value
that is known only after another resource exists is `UNKNOWN`, which fits everywhere. A schema's other keywords and its
patterns of Unicode classes are not checked.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-type-schemas.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

UNKNOWN = object()

type Schema = dict[str, Any]
type Error = tuple[str, str]
"""The path of a value, such as `/Tags/0`, and what is wrong with it."""

_NAMES = {dict: "JSONObject", list: "JSONArray", str: "String", bool: "Boolean", int: "Integer", float: "Number"}
_EXPECTED = {
    "object": "JSONObject",
    "array": "JSONArray",
    "string": "String",
    "boolean": "Boolean",
    "integer": "Integer",
    "number": "Number",
}


def errors(value: Any, schema: Schema, root: Schema, path: str = "") -> Iterator[Error]:
    """Yield what is wrong with *value*; *root* is the document that `$ref` points into."""
    schema = resolved(schema, root)
    if value is UNKNOWN or not schema:
        return
    expected = schema.get("type")
    kinds = [expected] if isinstance(expected, str) else expected or []
    if kinds and not any(_fits(value, kind) for kind in kinds):
        yield path, f"expected type: {_EXPECTED[kinds[0]]}, found: {_NAMES.get(type(value), 'Null')}"
        return
    if isinstance(value, dict):
        yield from _object_errors(value, schema, root, path)
    elif isinstance(value, list):
        yield from _array_errors(value, schema, root, path)
    else:
        yield from _scalar_errors(value, schema, kinds, path)
    yield from _combination_errors(value, schema, root, path)


def resolved(schema: Any, root: Schema) -> Schema:
    """Return a schema, or the one that it refers to."""
    while isinstance(schema, dict) and "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target.get(part, {})
        schema = target
    return schema if isinstance(schema, dict) else {}


def _fits(value: Any, kind: str) -> bool:
    if isinstance(value, dict):
        return kind == "object"
    if isinstance(value, list):
        return kind == "array"
    if kind == "string":
        return value is not None
    if kind == "boolean":
        return isinstance(value, bool) or str(value).lower() in ("true", "false")
    if kind in ("integer", "number"):
        return not isinstance(value, bool) and _number(value) is not None
    return kind == "object" and isinstance(value, str) and _is_json_object(value)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _object_errors(value: dict[str, Any], schema: Schema, root: Schema, path: str) -> Iterator[Error]:
    properties = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield path, f"required key [{name}] not found"
    for name, item in value.items():
        matching = [inner for pattern, inner in patterns.items() if _matches(pattern, str(name))]
        if name in properties:
            yield from errors(item, properties[name], root, f"{path}/{name}")
        elif matching:
            for inner in matching:
                yield from errors(item, inner, root, f"{path}/{name}")
        elif schema.get("additionalProperties") is False and (properties or patterns):
            yield path, f"extraneous key [{name}] is not permitted"
    yield from _dependency_errors(value, schema, path)


def _dependency_errors(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Error]:
    for name, other in _pairs(value, schema.get("dependentRequired", {})):
        if other not in value:
            yield path, f"property [{other}] is required because property [{name}] is present"
    for name, other in _pairs(value, schema.get("dependentExcluded", {})):
        if other in value and name < other:
            yield path, f"properties [{name}] and [{other}] are mutually exclusive"
    if (choice := schema.get("requiredXor")) and sum(name in value for name in choice) != 1:
        yield path, f"exactly one of {choice} is required"
    if (choice := schema.get("requiredOr")) and not any(name in value for name in choice):
        yield path, f"one of {choice} is required"


def _pairs(value: dict[str, Any], dependencies: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    return ((name, other) for name, others in dependencies.items() if name in value for other in others)


def _array_errors(value: list[Any], schema: Schema, root: Schema, path: str) -> Iterator[Error]:
    if len(value) < schema.get("minItems", 0) and UNKNOWN not in value:
        yield path, f"expected minimum item count: {schema['minItems']}, found: {len(value)}"
    if len(value) > schema.get("maxItems", len(value)):
        yield path, f"expected maximum item count: {schema['maxItems']}, found: {len(value)}"
    if schema.get("uniqueItems") and any(item in value[:i] for i, item in enumerate(value) if item is not UNKNOWN):
        yield path, "array items are not unique"
    for index, item in enumerate(value):
        yield from errors(item, schema.get("items", {}), root, f"{path}/{index}")


def _scalar_errors(value: Any, schema: Schema, kinds: list[str], path: str) -> Iterator[Error]:
    text = _text(value)
    allowed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if allowed is not None and text not in [_text(item) for item in allowed]:
        yield path, f"{text} is not a valid enum value"
    if "string" in kinds:
        yield from _string_errors(text, schema, path)
    elif (number := _number(value)) is not None:
        if number < schema.get("minimum", number):
            yield path, f"{text} is not greater or equal to {schema['minimum']}"
        if number > schema.get("maximum", number):
            yield path, f"{text} is not less or equal to {schema['maximum']}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _string_errors(text: str, schema: Schema, path: str) -> Iterator[Error]:
    if len(text) < schema.get("minLength", 0):
        yield path, f"expected minLength: {schema['minLength']}, actual: {len(text)}"
    if len(text) > schema.get("maxLength", len(text)):
        yield path, f"expected maxLength: {schema['maxLength']}, actual: {len(text)}"
    if not _matches(schema.get("pattern", ""), text):
        yield path, "failed validation constraint for keyword [pattern]"


def _combination_errors(value: Any, schema: Schema, root: Schema, path: str) -> Iterator[Error]:
    for part in schema.get("allOf", []):
        yield from errors(value, part, root, path)
    if _contains_unknown(value):
        return
    for keyword in schema.keys() & {"anyOf", "oneOf"}:
        matching = sum(not any(errors(value, part, root, path)) for part in schema[keyword])
        if matching == 0 or (matching > 1 and keyword == "oneOf"):
            yield path, f"{matching} subschemas of [{keyword}] matched"


def _contains_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_contains_unknown(item) for item in value)
    return value is UNKNOWN


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern)(text)


@cache
def _compiled(pattern: str) -> Callable[[str], bool]:
    """Return the test of a pattern. One that Python cannot compile, such as `\\p{L}`, lets everything pass."""
    try:
        search = re.compile(pattern).search
    except re.error:
        return lambda text: True
    return lambda text: search(text) is not None
