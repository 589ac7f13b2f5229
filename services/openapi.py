"""Generates the OpenAPI document of an app from its routes and the source of its handlers.

The return annotation of a handler is its response (`rest.Created[Todo]`). The functions of `rest` that it calls are its
request (`rest.body(app, NewTodo)`, `rest.if_match(app)`). Its docstring lists the errors that only this handler raises
("Raises NotEntitled."). https://spec.openapis.org/oas/v3.1.1
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import os
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from chalice.app import Chalice, CognitoUserPoolAuthorizer, IAMAuthorizer

from common import errors, rest
from deploy.apps import ROOT

type Fields = dict[str, Any]

_ALWAYS = ("TooManyRequests", "ServiceUnavailable")
_BY_CALL = {
    "body": ("InvalidInput", "PayloadTooLarge", "UnsupportedMediaType"),
    "raw_body": ("PayloadTooLarge", "UnsupportedMediaType"),
    "query": ("InvalidInput",),
    "idempotency_key": ("InvalidInput", "Conflict", "IdempotencyKeyReused"),
    "if_match": ("InvalidInput", "PreconditionFailed"),
}
_OF_THE_GATEWAY = {
    "TooManyRequests": (429, "Too many requests; try again after a second."),
    "UnsupportedMediaType": (415, "This operation does not accept the media type of the body."),
    "Forbidden": (403, "The signature is missing or wrong, or the caller is not authorized."),
}
_HEADERS = {
    "idempotency_key": ("Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
    "if_match": ("If-Match", {"type": "string"}),
}
_STATUS = {
    rest.Answer: 200,
    rest.NoStore: 200,
    rest.Created: 201,
    rest.Changed: 200,
    rest.Accepted: 202,
    rest.NoContent: 204,
    rest.SeeOther: 303,
}
_ETAG = {"ETag": {"description": "The version of the representation.", "schema": {"type": "string"}}}
_LOCATION = {
    "Location": {"description": "The address of the new resource, relative to this URL.", "schema": {"type": "string"}}
}
_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
_REF = "#/components/schemas/{name}"


class UnresolvedType(Exception):
    """The type of a request or response cannot be read from a handler; the message names the handler."""


def write(app: str) -> Path:
    """Write ``<app>/openapi.json`` from the app's code, and return it. Raises UnresolvedType."""
    file = ROOT / app / "openapi.json"
    file.write_text(text(app))
    return file


def text(app: str) -> str:
    """Return the document of an app as JSON. A process can do this for one app only, because it imports it as `app`.

    Raises UnresolvedType.
    """
    return json.dumps(document(_imported(app)), indent=1, ensure_ascii=False) + "\n"


def _imported(app: str) -> Chalice:
    """Import the app with made-up settings: most are the names of a stage's resources."""
    folder = ROOT / app
    sys.path[:0] = [str(folder), str(folder / "vendor")]
    settings: Any = importlib.import_module("chalicelib.wiring").Settings
    types = typing.get_type_hints(settings)
    values = {field.name: _made_up(field.name, types[field.name]) for field in dataclasses.fields(settings)}
    os.environ |= {"STAGE": "openapi", **{name.upper(): value for name, value in values.items()}}
    chalice: Chalice = importlib.import_module("app").app
    return chalice


def _made_up(name: str, type_: Any) -> str:
    """Return a value that a setting of this type may have: of a choice the first, which is the default of a stage."""
    if typing.get_origin(type_) is typing.Literal:
        return str(typing.get_args(type_)[0])
    return "1" if type_ is int else name


def document(app: Chalice) -> Fields:
    """Return the OpenAPI 3.1 document of *app*. Raises UnresolvedType."""
    operations = [_Operation(app, route) for methods in app.routes.values() for route in methods.values()]
    types = dict.fromkeys(type_ for operation in operations for type_ in operation.types())
    schemas, components = msgspec.json.schema_components(list(types), ref_template=_REF)
    by_type = {type_: _portable(schema) for type_, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Fields] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = operation.described(by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": app.app_name, "version": "1"},
        "servers": [{"url": "/api", "description": "The stage `api` of the deployed API."}],
        "paths": paths,
        "components": {
            "schemas": {**_portable(components), "Error": _ERROR},
            "securitySchemes": {name: scheme for op in operations for name, scheme in op.security().items()},
        },
    }


_ERROR = {
    "type": "object",
    "required": ["Code", "Message"],
    "properties": {"Code": {"type": "string"}, "Message": {"type": "string", "description": "Names what is wrong."}},
}


class _Operation:
    """A route, and what the source of its handler contains."""

    def __init__(self, app: Chalice, route: Any) -> None:
        self._route, self._view = route, route.view_function
        self.path, self.method = str(route.uri_pattern), str(route.method).lower()
        self._calls = dict(_calls(self._view))
        self._answer: Any = typing.get_type_hints(self._view).get("return")
        if self._answer is None:
            raise UnresolvedType(f"{self._view.__name__}: annotate what it returns, for example -> rest.Answer[Todo]")

    def types(self) -> Iterator[Any]:
        if "body" in self._calls:
            yield self._calls["body"]
        yield from self._answered()

    def security(self) -> Fields:
        """Return the scheme of its authorizer by name, if it has one."""
        match self._route.authorizer:
            case CognitoUserPoolAuthorizer():
                return {
                    "cognito": {"type": "apiKey", "in": "header", "name": "Authorization", "description": _ID_TOKEN}
                }
            case IAMAuthorizer():
                return {"iam": {"type": "apiKey", "in": "header", "name": "Authorization", **_SIGV4}}
        return {}

    def described(self, schemas: dict[Any, Fields]) -> Fields:
        text = inspect.getdoc(self._view) or self._view.__name__.replace("_", " ").capitalize() + "."
        description: Fields = {
            "operationId": self._route.view_name,
            "summary": text.partition("\n")[0],
            "security": [{name: []} for name in self.security()],
            "parameters": [*self._parameters(schemas)],
            "responses": {"200": {"description": "Done."}},
        }
        if "body" in self._calls or "raw_body" in self._calls:
            schema = schemas[self._calls["body"]] if "body" in self._calls else {}
            content = {kind: {"schema": schema} for kind in self._route.content_types}
            description["requestBody"] = {"required": True, "content": content}
        description["responses"] = {str(status): answer for status, answer in sorted(self._responses(schemas).items())}
        return description

    def _answered(self) -> tuple[Any, ...]:
        origin = typing.get_origin(self._answer)
        if origin in _STATUS:
            return typing.get_args(self._answer)
        return () if self._answer in _STATUS else (self._answer,)

    def _parameters(self, schemas: dict[Any, Fields]) -> Iterator[Fields]:
        for name in self._route.view_args:
            yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        if "query" in self._calls:
            yield from _query_parameters(self._calls["query"])
        for call, (name, schema) in _HEADERS.items():
            if call in self._calls:
                yield {"name": name, "in": "header", "required": False, "schema": schema}
        if typing.get_origin(self._answer) is rest.Answer:
            yield {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}

    def _responses(self, schemas: dict[Any, Fields]) -> dict[int, Fields]:
        kind = typing.get_origin(self._answer) or self._answer
        status = _STATUS.get(kind, 200)
        success: Fields = {"description": "Done."}
        for type_ in self._answered():
            success["content"] = {"application/json": {"schema": schemas[type_]}}
        if kind in (rest.Answer, rest.Created, rest.Changed):
            success["headers"] = _ETAG | (_LOCATION if kind is rest.Created else {})
        responses = {status: success}
        if kind is rest.Answer:
            responses[304] = {"description": "Not modified: If-None-Match names the current version.", "headers": _ETAG}
        by_status: dict[int, list[str]] = {}
        for name in self._raised():
            code, description = _error(name)
            by_status.setdefault(code, []).append(f"`{name}`: {description}")
        for code, descriptions in by_status.items():
            responses[code] = {
                "description": "\n".join(descriptions),
                "content": {"application/json": {"schema": {"$ref": _REF.format(name="Error")}}},
                **({"headers": _RETRY} if code in (429, 503) else {}),
            }
        return responses

    def _raised(self) -> list[str]:
        names = [name for call in self._calls for name in _BY_CALL.get(call, ())]
        names += {"cognito": ["Unauthorized"], "iam": ["Forbidden"]}.get(next(iter(self.security()), ""), [])
        names += ["NotFound"] if self._route.view_args else []
        for listed in re.findall(r"Raises ([\w, ]+)", inspect.getdoc(self._view) or ""):
            names += re.findall(r"\b[A-Z]\w+", listed)
        return list(dict.fromkeys([*names, *_ALWAYS]))


_ID_TOKEN = "A Cognito ID token."
_SIGV4 = {"description": "AWS Signature Version 4.", "x-amazon-apigateway-authtype": "awsSigv4"}


def _calls(view: Any) -> Iterator[tuple[str, Any]]:
    """Yield the functions of `rest` that a handler calls. `body` and `query` come with the type that they take."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(view)))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _name(node.func.value) == "rest":
            call = node.func.attr
            yield call, _type(view, node, call) if call in ("body", "query") else None


def _type(view: Any, node: ast.Call, call: str) -> Any:
    """Return the type that is the second argument. Raises UnresolvedType unless it is a global name of the module."""
    found = view.__globals__.get(_name(node.args[1])) if len(node.args) == 2 else None
    if found is None:
        written = ast.unparse(node)
        raise UnresolvedType(f"{view.__name__}: import the type by its own name, as in rest.{call}(app, T): {written}")
    return found


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _query_parameters(cls: type) -> Iterator[Fields]:
    (schema,), components = msgspec.json.schema_components([cls], ref_template=_REF)
    name = schema["$ref"].rpartition("/")[2]
    for field, property_schema in components[name]["properties"].items():
        required = field in components[name].get("required", ())
        yield {"name": field, "in": "query", "required": required, "schema": _portable(_present(property_schema))}


def _present(schema: Fields) -> Fields:
    """Return the schema without null: a parameter is sent or it is absent."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return options[0] if len(options) == 1 else {k: v for k, v in schema.items() if k != "default" or v is not None}


def _error(name: str) -> tuple[int, str]:
    if name in _OF_THE_GATEWAY:
        return _OF_THE_GATEWAY[name]
    cls = getattr(errors, name)
    return int(cls.STATUS_CODE), (inspect.getdoc(cls) or "").partition("\n")[0]


def _portable(schema: Any) -> Any:
    """Return the schema with patterns in ECMA-262's syntax, as JSON Schema requires: it has no \\A and \\Z."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"\A", "^").replace(r"\Z", "$") if key == "pattern" else _portable(value)
            for key, value in schema.items()
        }
    return [_portable(item) for item in schema] if isinstance(schema, list) else schema
