"""The reference of an API as Markdown, from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

type Document = dict[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")


def reference(document: Document) -> str:
    """Return the page of an API: each request with its parameters, body and responses, and then each type."""
    schemas = document.get("components", {}).get("schemas", {})
    parts = [f"# {document['info']['title']}\n", document["info"].get("description", "")]
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                parts.extend(_operation(document, method.upper(), path, operations[method]))
    parts.append("\n## Types\n")
    for name, schema in schemas.items():
        parts.extend(_type(name, schema))
    return "\n".join(parts) + "\n"


def _operation(document: Document, method: str, path: str, operation: Document) -> Iterator[str]:
    yield f"\n## {method} {path}\n"
    yield operation.get("summary", "")
    if operation.get("security"):
        schemes = [name for each in operation["security"] for name in each]
        yield f"\nNeeds: {', '.join(f'`{name}`' for name in schemes)}."
    parameters = [_resolved(document, each) for each in operation.get("parameters", [])]
    if parameters:
        yield "\n| parameter | in | type |\n|---|---|---|"
        for each in parameters:
            required = " (required)" if each.get("required") else ""
            yield f"| `{each['name']}`{required} | {each['in']} | {_shown(each.get('schema', {}))} |"
    if "requestBody" in operation:
        content = _resolved(document, operation["requestBody"])["content"]
        yield f"\nBody: {', '.join(_shown(each.get('schema', {})) for each in content.values())}"
    yield "\n| response | what | body |\n|---|---|---|"
    for status, response in operation["responses"].items():
        each = _resolved(document, response)
        bodies = ", ".join(_shown(media.get("schema", {})) for media in each.get("content", {}).values())
        yield f"| {status} | {_cell(each.get('description', ''))} | {bodies} |"


def _type(name: str, schema: Document) -> Iterator[str]:
    yield f"\n### {name}\n"
    yield schema.get("description", "").replace("``", "`")
    if schema.get("properties"):
        yield "\n| field | type |\n|---|---|"
        for field, each in schema["properties"].items():
            required = " (required)" if field in schema.get("required", []) else ""
            yield f"| `{field}`{required} | {_shown(each)} |"


def _shown(schema: Document) -> str:
    """Return a type in words, with a link if it has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(_shown(each) for each in choices)
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_shown(schema.get('items', {}))}{_limits(schema)}"
    kind = schema.get("type", "any")
    return (" or ".join(kind) if isinstance(kind, list) else str(kind)) + _limits(schema)


def _limits(schema: Document) -> str:
    names = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "default", "format")
    given = [f"{name} `{_cell(str(schema[name]))}`" for name in names if name in schema]
    return f", {', '.join(given)}" if given else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _resolved(document: Document, part: Document) -> Document:
    """Return what *part* refers to, or itself."""
    if "$ref" not in part:
        return part
    found: Any = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)
