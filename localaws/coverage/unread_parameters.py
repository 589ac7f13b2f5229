"""Gap: a parameter that no code reads is accepted in every operation, and has no effect.

With this module, a request with such a parameter gets the error `NotImplemented` with the status 501, before anything
changes. `coverage/unread_parameters.jsonl` has the parameters; `coverage/parameters.toml` lists those that are accepted
all the same, with the consequence.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
No longer needed when Kinesis answers an error to PutRecord with the parameter DryRun.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ministack import app
from ministack.services import ses_v2

from localaws.coverage.parameters import refused, unread

HANDLERS = {"cloudwatch": "monitoring", "elbv2": "elasticloadbalancing"}
"""By service of botocore: the emulator's name of it, where that differs."""

ACTION = re.compile(rb"(?:^|&)Action=(\w+)")


class Request(NamedTuple):
    """A request as the emulator hands it to a service. The names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, Any]


class Operation(NamedTuple):
    """An operation with the parameters that are refused: by location and name in the request, the parameter."""

    name: str
    method: str
    path: re.Pattern[str]
    parameters: dict[tuple[str, str], str]


@cache
def operations(service: str) -> dict[str, Operation]:
    """Return the operations of a service that have a parameter which is refused, by name."""
    found = {}
    for refusal in refused(service):
        path = re.sub(r"\\{\w+(\\\+)?\\}", lambda match: ".+" if match[1] else "[^/]+", re.escape(refusal["path"]))
        parameters = {(location, wire): parameter for parameter, (location, wire) in refusal["parameters"].items()}
        name = refusal["operation"]
        found[name] = Operation(name, refusal["method"], re.compile(path + "/?$"), parameters)
    return found


@cache
def names(service: str, location: str) -> set[str]:
    """Return the names at a location of requests that one of the operations refuses."""
    places = [place for operation in operations(service).values() for place in operation.parameters]
    return {wire.lower() if location == "header" else wire for at, wire in places if at == location}


def of_json(service: str, request: Request) -> Iterator[tuple[str, str]]:
    """Yield operation and parameter of what is refused in a request of a JSON protocol."""
    name = request.headers.get("x-amz-target", "").rpartition(".")[2]
    if operation := operations(service).get(name):
        yield from ((name, parameter) for parameter in in_body(operation, request.body))


def of_query(service: str, request: Request) -> Iterator[tuple[str, str]]:
    """Yield operation and parameter of what is refused in a request of the Query protocol."""
    action = ACTION.search(request.body)
    operation = operations(service).get(action[1].decode()) if action else None
    if operation is None:
        return
    given = {name.partition(".")[0] for name in parse_qs(request.body.decode(), keep_blank_values=True)}
    for (_, wire), parameter in operation.parameters.items():
        if wire in given:
            yield operation.name, parameter


def of_rest(service: str, request: Request) -> Iterator[tuple[str, str]]:
    """Yield operation and parameter of what is refused in a request of a REST protocol."""
    headers, query, members = (names(service, location) for location in ("header", "querystring", "body"))
    if headers.isdisjoint(request.headers) and query.isdisjoint(request.query) and not (members and request.body):
        return
    for operation in operations(service).values():
        if operation.method == request.method and operation.path.match(request.path):
            found = [*in_headers(operation, request), *in_body(operation, request.body)]
            yield from ((operation.name, parameter) for parameter in found)


def in_headers(operation: Operation, request: Request) -> Iterator[str]:
    for (location, wire), parameter in operation.parameters.items():
        if location == "header" and wire.lower() in request.headers:
            yield parameter
        if location == "querystring" and wire in request.query:
            yield parameter


def in_body(operation: Operation, body: bytes) -> Iterator[str]:
    """Yield the parameters in a JSON object. Most bodies have none of the names, and are not parsed."""
    possible = {
        wire: parameter
        for (location, wire), parameter in operation.parameters.items()
        if location == "body" and f'"{wire}"'.encode() in body
    }
    if possible:
        document = json.loads(body)
        yield from (parameter for wire, parameter in possible.items() if wire in document)


PROTOCOLS: dict[str, Callable[[str, Request], Iterator[tuple[str, str]]]] = {
    "json": of_json,
    "query": of_query,
    "rest-json": of_rest,
    "rest-xml": of_rest,
    "smithy-rpc-v2-cbor": of_json,  # botocore speaks JSON to CloudWatch
}


def answer(protocol: str, operation: str, parameter: str) -> tuple[int, dict[str, str], bytes]:
    """Return the error in the form of the protocol."""
    message = f"{operation}: the parameter {parameter} has no effect here"
    if protocol in ("query", "rest-xml"):
        error = f"<Code>NotImplemented</Code><Message>{escape(message)}</Message>"
        text = f"<Error>{error}</Error>"
        if protocol == "query":
            text = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"
        return 501, {"Content-Type": "application/xml"}, text.encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": "NotImplemented"}
    return 501, headers, json.dumps({"__type": "NotImplemented", "message": message}).encode()


def checked(service: str, protocol: str, handle: Any) -> Any:
    """Wrap the handler of a service to refuse its unread parameters."""

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], **options: Any
    ) -> Any:
        for operation, parameter in PROTOCOLS[protocol](service, Request(method, path, headers, body, query)):
            return answer(protocol, operation, parameter)
        return await handle(method, path, headers, body, query, **options)

    return handle_request


def apply() -> None:
    protocols = {operation["service"]: operation["protocol"] for operation in unread()}
    for service, protocol in protocols.items():
        if service == "sesv2":
            ses_v2.handle_request = checked(service, protocol, ses_v2.handle_request)
        else:
            key = HANDLERS.get(service, service)
            app.SERVICE_HANDLERS[key] = checked(service, protocol, app.SERVICE_HANDLERS[key])
