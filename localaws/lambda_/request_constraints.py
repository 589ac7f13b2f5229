"""Gap: Lambda's API accepts values outside the ranges, lengths, patterns and sets that its model declares.

This module checks every request against the service model in botocore, with the messages of AWS. AWS declares a few
limits in its documentation only: see LIMITS. A template's properties are checked in the same way.
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
No longer needed when CreateFunction with a Timeout of 901 returns a ValidationException.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from botocore.model import OperationModel, Shape
from ministack.services import lambda_svc

from localaws.lambda_.error_responses import Answer, service_model

# The model has the limits of functions on managed instances, which the emulator does not run.
LIMITS: dict[str, dict[str, int]] = {
    "EphemeralStorageSize": {"max": 10240},
    "MemorySize": {"max": 10240},
    "Timeout": {"max": 900},
}
# AWS prints the values of a set in an order of its own.
PRINTED = {
    "EventSourcePosition": "[LATEST, AT_TIMESTAMP, TRIM_HORIZON]",
    "InvokeMode": "[RESPONSE_STREAM, BUFFERED]",
    "RecursiveLoop": "[Terminate, Allow]",
}
CHECKED_ELSEWHERE = {"Runtime"}  # in function_limits.py, as AWS answers with another error


def violations(operation: str, parameters: dict[str, Any]) -> list[str]:
    """Return a sentence for each value that the model of *operation* forbids, as AWS writes them."""
    shape = service_model().operation_model(operation).input_shape
    return [
        f"Value {_printed(value)} at '{path}' failed to satisfy constraint: {constraint}"
        for path, value, constraint in _structure(shape, parameters, "")
    ]


def validation_message(operation: str, parameters: dict[str, Any]) -> str | None:
    """Return the message of the ValidationException for a request, or None if the request is valid."""
    found = violations(operation, parameters)
    errors = "error" if len(found) == 1 else "errors"
    return f"{len(found)} validation {errors} detected: {'; '.join(found)}" if found else None


def _structure(shape: Any, given: dict[str, Any], path: str) -> Iterator[tuple[str, Any, str]]:
    for name, member in shape.members.items():
        at = f"{path}{'.' if path else ''}{name[0].lower()}{name[1:]}"
        if given.get(name) is not None:
            yield from _value(member, given[name], at)
        elif name in shape.required_members:
            yield at, None, "Member must not be null"


def _value(shape: Any, value: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    if shape.name in CHECKED_ELSEWHERE:
        return
    yield from ((path, value, constraint) for constraint in _constraints(shape) if _breaks(shape, constraint, value))
    if shape.type_name == "structure" and isinstance(value, dict):
        yield from _structure(shape, value, path)
    elif shape.type_name == "list" and isinstance(value, list):
        yield from _list(shape, value, path)
    elif shape.type_name == "map" and isinstance(value, dict):
        yield from _map(shape, value, path)


def _list(shape: Any, values: list[Any], path: str) -> Iterator[tuple[str, Any, str]]:
    if shape.member.type_name == "structure":
        for number, item in enumerate(values, start=1):
            yield from _value(shape.member, item, f"{path}.{number}.member")
    elif not all(_allows(shape.member, item) for item in values):
        yield path, values, f"Member must satisfy constraint: {_all_constraints(shape.member)}"


def _map(shape: Any, values: dict[str, Any], path: str) -> Iterator[tuple[str, Any, str]]:
    if not all(_allows(shape.key, key) for key in values):
        yield path, values, f"Map keys must satisfy constraint: {_all_constraints(shape.key)}"
    if not all(_allows(shape.value, item) for item in values.values()):
        yield path, values, f"Map value must satisfy constraint: {_all_constraints(shape.value)}"


def _allows(shape: Any, value: Any) -> bool:
    return not any(_breaks(shape, constraint, value) for constraint in _constraints(shape))


def _all_constraints(shape: Any) -> str:
    suffix = ["Member must not be null"] if shape.type_name != "string" or "enum" in shape.metadata else []
    return f"[{', '.join([*_constraints(shape), *suffix])}]"


@functools.cache
def _constraints(shape: Shape) -> dict[str, tuple[str, Any]]:
    """Return the constraints of a shape: the sentence of AWS, with the kind and the value of the constraint."""
    declared = shape.metadata | LIMITS.get(shape.name, {})
    size = "length" if shape.type_name in ("string", "list", "map") else "value"
    found: dict[str, tuple[str, Any]] = {}
    if "max" in declared:
        found[f"Member must have {size} less than or equal to {declared['max']}"] = ("max", declared["max"])
    if "min" in declared:
        found[f"Member must have {size} greater than or equal to {declared['min']}"] = ("min", declared["min"])
    if "pattern" in declared:
        expression = re.compile(declared["pattern"].replace(r"\p{L}\p{Z}\p{N}", r"\w\s"))
        found[f"Member must satisfy regular expression pattern: {declared['pattern']}"] = ("pattern", expression)
    if "enum" in declared:
        printed = PRINTED.get(shape.name) or f"[{', '.join(declared['enum'])}]"
        found[f"Member must satisfy enum value set: {printed}"] = ("enum", declared["enum"])
    return found


def _breaks(shape: Shape, constraint: str, value: Any) -> bool:
    kind, bound = _constraints(shape)[constraint]
    if kind == "enum":
        return value not in bound
    if kind == "pattern":
        return isinstance(value, str) and not bound.fullmatch(value)
    numeric = shape.type_name in ("integer", "long", "float", "double")
    if not isinstance(value, int | float if numeric else str | list | dict):
        return False  # a wrong type
    measured = value if isinstance(value, int | float) else len(value)
    return bool(measured > bound if kind == "max" else measured < bound)


def _printed(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"'[{', '.join(map(str, value))}]'"
    if isinstance(value, dict):
        return "'{" + ", ".join(f"{key}={item}" for key, item in value.items()) + "}'"
    return f"'{value}'"


@functools.cache
def _routes() -> tuple[tuple[str, re.Pattern[str], OperationModel], ...]:
    """Return the operations with their method and the pattern of their path."""
    model = service_model()
    operations = [model.operation_model(name) for name in model.operation_names]
    return tuple(
        (operation.http["method"], _path_pattern(operation.http["requestUri"].rstrip("/")), operation)
        for operation in operations
    )


def _path_pattern(uri: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)(\+?)\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", uri))


@functools.lru_cache(maxsize=1024)
def operation_of(method: str, path: str) -> tuple[OperationModel, Mapping[str, str]] | None:
    """Return the operation that a request addresses, and the parameters in its path."""
    for verb, pattern, operation in _routes():
        if verb == method and (match := pattern.fullmatch(path.rstrip("/"))):
            return operation, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def with_validation(handle_request: Any) -> Any:
    """Wrap the handler of Lambda's API."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
        found = operation_of(method, path)
        if found and (message := _request_error(*found, headers, body, query)):
            answer: Answer = lambda_svc.error_response_json("ValidationException", message)
            return answer
        return await handle_request(method, path, headers, body, query)  # type: ignore[no-any-return]

    return handle


def _request_error(
    operation: OperationModel, in_path: Mapping[str, str], headers: Any, body: bytes, query: Any
) -> str | None:
    shape = operation.input_shape
    if shape is None:
        return None
    try:
        given = json.loads(body) if body and "payload" not in shape.serialization else {}
    except ValueError:
        return None
    if not isinstance(given, dict):
        return None
    return validation_message(operation.name, given | dict(_parameters(shape, headers, query)) | dict(in_path))


def _parameters(shape: Any, headers: Any, query: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parameters in the query string and in the headers, with the types of the model."""
    for name, member in shape.members.items():
        location, key = member.serialization.get("location"), member.serialization.get("name", "")
        if location == "querystring" and key in query:
            value = query[key] if member.type_name == "list" else lambda_svc._qp_first(query, key)
            yield name, int(value) if member.type_name == "integer" and value.lstrip("-").isdecimal() else value
        elif location == "header" and key.lower() in headers:
            yield name, headers[key.lower()]


def apply() -> None:
    lambda_svc.handle_request = with_validation(lambda_svc.handle_request)
