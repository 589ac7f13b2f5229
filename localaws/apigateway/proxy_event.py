"""Gap: the event of a proxy integration has a decoded path, lowercase header names and none of AWS's own headers.

A REST API passes the path and its parameters as they were sent: percent-encoded, with double slashes. This module
builds the event of an endpoint that is reached at its own domain name. An edge-optimized endpoint capitalizes
`Authorization` and `User-Agent`; the other headers and the hop of its CloudFront distribution are missing.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
No longer needed when `pathParameters` of a request for `/a%20b` is `a%20b`, and `Accept` keeps its capital letter.
"""

import base64
import os
import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ministack import app
from ministack.core.responses import get_account_id, get_region, get_request_client_ip
from ministack.core.sigv4 import decode_header_value
from ministack.services import apigateway_v1 as gateway

from localaws import connections
from localaws.xray import header

DROPPED_HEADERS = frozenset(
    (
        "connection",
        "content-length",
        "content-md5",
        "expect",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    )
)
"""Headers of a request that do not reach the integration."""

IDENTITY = (
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)
"""Names of the caller's identity that are null without IAM authorization."""


@dataclass
class Exchange:
    """A request to a REST API, and the IDs of its response."""

    headers: list[tuple[str, str]]
    domain_name: str = ""
    request_id: str = ""
    resource_path: str = ""
    extended_request_id: str = field(default_factory=lambda: base64.b64encode(os.urandom(11)).decode())
    new_trace_id: str = field(default_factory=header.new_trace_id)
    """The id of the request's trace, unless the client sends one."""
    trace_id: str = ""
    user: str = ""
    """Who calls, as the authorizer knows them."""
    cache: str = ""
    """Whether the stage cache had the response: `hit` or `miss`. It is empty if that was not asked."""
    canary: bool | None = None


sent_headers: ContextVar[list[tuple[bytes, bytes]]] = ContextVar("sent_headers")
exchange: ContextVar[Exchange] = ContextVar("exchange")


def with_sent_headers(handle: Any) -> Any:
    """Wrap the emulator to keep the names of headers as they were sent. The emulator gets them in lowercase."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            sent_headers.set(scope["extensions"][connections.SENT_HEADERS])
        await handle(scope, receive, send)

    return serve


def with_sent_path(handle: Any) -> Any:
    """Wrap the handler of requests to APIs: a REST API gets the path as it was sent."""

    async def respond(
        host: str, path: str, method: str, *request: Any, raw_path: str | None = None, **more: Any
    ) -> Any:
        found = app._parse_execute_api_url(host, path)
        found = found or app._resolve_custom_domain_request(host, path)
        if found and raw_path and gateway.find_api_scope(found[0]):
            path = re.sub(r"^(/_aws/execute-api/[^/]+|)//+", r"\1/", raw_path)  # slashes before the stage do not count
            by_domain = not path.startswith(("/_aws/", "/restapis/"))
            headers = [(name.decode("latin-1"), decode_header_value(value)) for name, value in sent_headers.get()]
            exchange.set(Exchange(headers, domain_name=host.partition(":")[0] if by_domain else ""))
        return await handle(host, path, method, *request, raw_path=raw_path, **more)

    return respond


def with_request_id(execute: Any) -> Any:
    """Wrap the execution of a request to give the event, the response and gateway responses the same IDs."""

    async def respond(request: dict[str, Any], *call: Any) -> Any:
        current = exchange.get()
        current.request_id = request["request_id"]
        try:
            return await execute(request, *call)
        finally:
            current.resource_path = request["resource_path"]

    return respond


def invocation_headers(current: Exchange, domain_name: str, *, edge: bool) -> list[tuple[str, str]]:
    """Return the headers of the request that reach the integration, with those that API Gateway adds."""
    peer = get_request_client_ip()
    forwarded = []
    current.trace_id = f"Root={current.new_trace_id}"
    headers = []
    for name, value in current.headers:
        match name.lower():
            case "host":
                headers.append((name, domain_name))
            case "x-forwarded-for":
                forwarded.append(value)
            case "x-amzn-trace-id":
                current.trace_id = value
            case "x-forwarded-port" | "x-forwarded-proto":
                pass  # API Gateway sets its own
            case "authorization" | "user-agent" if edge:
                headers.append((name.title(), value))
            case lower if lower not in DROPPED_HEADERS:
                headers.append((name, value))
    return [
        *headers,
        ("X-Amzn-Trace-Id", current.trace_id),
        ("X-Forwarded-For", ", ".join([*forwarded, peer])),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ]


def user_of(authorizer: dict[str, Any] | None, identity: dict[str, Any] | None) -> str:
    """Return who calls: the email address or name in the claims, the principal of an authorizer, or the user of IAM."""
    known = authorizer or {}
    claims = known.get("claims") or {}
    name = claims.get("email") or claims.get("cognito:username") or known.get("principalId")
    return str(name or (identity or {}).get("userArn") or "")


def values_by_name(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return all values of each header. Names that differ in case only are one header, spelled as it came first."""
    spelled: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(spelled.setdefault(name.lower(), name), []).append(value)
    return values


@cache
def greedy_pattern(resource_path: str) -> tuple[str, re.Pattern[str]] | None:
    """Return the name of a path's greedy parameter (`{proxy+}`) and the pattern of its value, or None."""
    *parts, last = resource_path.strip("/").split("/")
    if not last.endswith("+}"):
        return None
    return last[1:-2], re.compile("/+" + "[^/]+/+" * len(parts) + "(.*?)/*")


def path_parameters(resource_path: str, path: str, parameters: dict[str, str]) -> dict[str, str] | None:
    """Return the path's parameters. A greedy one keeps its double slashes."""
    if (greedy := greedy_pattern(resource_path)) and (found := greedy[1].fullmatch(path)):
        parameters = parameters | {greedy[0]: found[1]}
    return parameters or None


def lambda_event(
    api_id: str,
    stage_name: str,
    stage: dict[str, Any],
    resource: dict[str, Any],
    path: str,
    method: str,
    headers: Any,
    body: bytes,
    query: dict[str, list[str]] | None,
    parameters: dict[str, str],
    *,
    binary_media_types: Any = None,
    authorizer_context: dict[str, Any] | None = None,
    caller_identity: dict[str, Any] | None = None,
) -> dict[str, Any]:
    current = exchange.get()
    domain_name = current.domain_name or f"{api_id}.execute-api.{get_region()}.amazonaws.com"
    edge = "EDGE" in (gateway._rest_apis[api_id].get("endpointConfiguration") or {}).get("types", [])
    multi_headers = values_by_name(invocation_headers(current, domain_name, edge=edge))
    current.user = user_of(authorizer_context, caller_identity)
    binary = bool(body) and gateway._media_type_matches(headers.get("content-type"), binary_media_types)
    now = time.time()
    context = {
        "accountId": get_account_id(),
        "apiId": api_id,
        "deploymentId": stage.get("deploymentId"),
        "domainName": domain_name,
        "domainPrefix": domain_name.partition(".")[0],
        "extendedRequestId": current.extended_request_id,
        "httpMethod": method,
        "identity": dict.fromkeys(IDENTITY)
        | {"sourceIp": get_request_client_ip(), "userAgent": headers.get("user-agent")}
        | (caller_identity or {}),
        "path": f"/{stage_name}{path}",
        "protocol": "HTTP/1.1",
        "requestId": current.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": int(now * 1000),
        "resourceId": resource["id"],
        "resourcePath": resource["path"],
        "stage": stage_name,
    }
    if authorizer_context is not None:
        context["authorizer"] = authorizer_context
    return {
        "resource": resource["path"],
        "path": "/" + path.lstrip("/"),
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in multi_headers.items()},
        "multiValueHeaders": multi_headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": path_parameters(resource["path"], path, parameters),
        "stageVariables": stage.get("variables") or None,
        "requestContext": context,
        "body": (base64.b64encode(body).decode() if binary else body.decode(errors="replace")) if body else None,
        "isBase64Encoded": binary,
    }


def apply() -> None:
    app.app = with_sent_headers(app.app)
    app._handle_execute_api_request = with_sent_path(app._handle_execute_api_request)
    gateway._execute_in_scope = with_request_id(gateway._execute_in_scope)
    gateway._build_lambda_event_v1 = lambda_event
