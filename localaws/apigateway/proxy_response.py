"""Gap: an invalid answer of a function is passed to the client, and the response has none of AWS's own headers.

A proxy integration accepts only the members `statusCode`, `headers`, `multiValueHeaders`, `body` and
`isBase64Encoded`. Scalar header values become text. Headers that API Gateway sets itself are renamed to
`x-amzn-Remapped-…`. A body in base64 is decoded if the first media type in `Accept` is a binary one of the API.
A function that cannot be invoked, because it is throttled or the integration uses another method than POST, is an
integration failure: 500.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html
No longer needed when an answer with the member `status` gets 502, and responses have the header `x-amz-apigw-id`.
"""

import json
import secrets
import time
from typing import Any
from wsgiref.handlers import format_date_time

from ministack import app
from ministack.services import apigateway_v1 as gateway

from localaws.apigateway.proxy_event import exchange

MAX_ANSWER_BYTES = 6 * 1024 * 1024
MEMBERS = frozenset(("statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"))
REMAPPED_HEADERS = frozenset(
    (
        "authorization",
        "connection",
        "content-length",
        "content-md5",
        "date",
        "expect",
        "host",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "trailer",
        "upgrade",
        "user-agent",
        "www-authenticate",
    )
)
DROPPED_HEADERS = frozenset(("te", "transfer-encoding"))


ERROR_TYPES = {
    "INTEGRATION_FAILURE": "InternalServerErrorException",
    "INTEGRATION_TIMEOUT": "InternalServerErrorException",
    "INVALID_API_KEY": "ForbiddenException",
    "QUOTA_EXCEEDED": "LimitExceededException",
    "UNSUPPORTED_MEDIA_TYPE": "BadRequestException",
}
"""Values of the header x-amzn-ErrorType."""


class MalformedProxyResponse(Exception):
    """The function failed, or API Gateway cannot convert its answer to a response."""


class IntegrationFailure(Exception):
    """The function cannot be invoked."""


def parse(result: dict[str, Any]) -> dict[str, Any]:
    """Return the function's answer. Raises MalformedProxyResponse."""
    answer: Any = result.get("body")
    if isinstance(answer, str | bytes):
        if len(answer) > MAX_ANSWER_BYTES:
            raise MalformedProxyResponse
        try:
            answer = json.loads(answer)
        except ValueError as error:
            raise MalformedProxyResponse from error
    elif isinstance(answer, dict) and len(json.dumps(answer, ensure_ascii=False).encode()) > MAX_ANSWER_BYTES:
        raise MalformedProxyResponse
    if result.get("error") or not is_valid(answer):
        raise MalformedProxyResponse
    valid: dict[str, Any] = answer
    return valid


def is_valid(answer: Any) -> bool:
    if not isinstance(answer, dict) or not answer.keys() <= MEMBERS:
        return False
    headers, lists = answer.get("headers"), answer.get("multiValueHeaders")
    return (
        is_status(answer.get("statusCode") or 200)
        and isinstance(answer.get("body"), str | None)
        and isinstance(headers, dict | None)
        and all(isinstance(value, str | bool | int | float) for value in (headers or {}).values())
        and isinstance(lists, dict | None)
        and all(isinstance(values, list) for values in (lists or {}).values())
    )


def is_status(status: Any) -> bool:
    return isinstance(status, str | int) and str(status).isdigit() and 100 <= int(status) <= 599


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def response_headers(answer: dict[str, Any]) -> dict[str, list[str]]:
    """Return the values of each header. Those of `multiValueHeaders` come first and give the name its spelling."""
    headers: dict[str, tuple[str, list[str]]] = {}
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = name, [text(value) for value in values]
    for name, value in (answer.get("headers") or {}).items():
        _, values = headers.setdefault(name.lower(), (name, []))
        if text(value) not in values:
            values.append(text(value))
    return {
        f"x-amzn-Remapped-{name}" if lower in REMAPPED_HEADERS else name: values
        for lower, (name, values) in headers.items()
        if lower not in DROPPED_HEADERS
    }


def with_checked_answer(proxy_response: Any) -> Any:
    def respond(result: dict[str, Any]) -> Any:
        if result.get("throttle"):
            raise IntegrationFailure
        answer = parse(result)
        headers = response_headers(answer)
        return {
            "statusCode": int(answer.get("statusCode") or 200),
            "headers": {name: values[0] for name, values in headers.items() if len(values) == 1},
            "multiValueHeaders": {name: values for name, values in headers.items() if len(values) > 1},
            "body": answer.get("body") or "",
            "isBase64Encoded": answer.get("isBase64Encoded"),
        }, None

    return respond


def with_post_only(invoke: Any) -> Any:
    """Wrap the invocation of a function: Lambda's Invoke is a POST, so an integration with another method fails."""

    async def respond(integration: dict[str, Any], *call: Any, **context: Any) -> Any:
        if integration.get("httpMethod", "POST") != "POST":
            raise IntegrationFailure
        return await invoke(integration, *call, **context)

    return respond


def with_integration_errors(execute: Any) -> Any:
    async def respond(request: dict[str, Any], *call: Any) -> Any:
        try:
            return await execute(request, *call)
        except MalformedProxyResponse:
            return gateway_response(gateway._gw_error("DEFAULT_5XX", "Internal server error"), request, {500: 502})
        except IntegrationFailure:
            error = gateway._gw_error("INTEGRATION_FAILURE", "Internal server error")
            return gateway_response(error, request, {504: 500})
        except ValueError:  # the body is not base64
            return gateway._gw_error("DEFAULT_5XX", "Internal server error")

    return respond


def gateway_response(error: Any, request: dict[str, Any], statuses: dict[int, int]) -> Any:
    """Return the API's gateway response for *error*, with its default status replaced by that of *statuses*."""
    status, headers, body = gateway._gateway_error_response(error, request)
    return statuses.get(status, status), headers, body


def with_response_headers(execute: Any) -> Any:
    """Wrap the execution of a request to add the headers that a REST API adds to its response."""

    async def respond(*call: Any) -> Any:
        status, headers, body = await execute(*call)
        current = exchange.get()
        request_id = headers.pop("x-amzn-requestid", current.request_id)
        own = {"x-amzn-RequestId": request_id, "x-amz-apigw-id": current.extended_request_id}
        if current.trace_id and "x-amzn-ErrorType" not in headers:
            own["X-Amzn-Trace-Id"] = trace(current.trace_id)
        return status, headers | own | {"Connection": "keep-alive", "Date": format_date_time(time.time())}, body

    return respond


def trace(sent: str) -> str:
    """Return the trace ID of the response: its parts are those that the client sent, or new ones."""
    parts = dict(part.strip().split("=", 1) for part in sent.split(";") if "=" in part)
    sampled = parts.get("Sampled", "1" if "Parent" in parts else "0")
    return f"Root={parts.get('Root', '')};Parent={parts.get('Parent') or secrets.token_hex(8)};Sampled={sampled}"


def with_own_headers_only(add_headers: Any) -> Any:
    """Wrap the function that adds the emulator's headers to a response: a REST API sends no x-amz-request-id."""

    def respond(response: Any, *more: Any, **options: Any) -> Any:
        if response and "x-amz-apigw-id" in response[1]:
            return response
        return add_headers(response, *more, **options)

    return respond


def with_first_accepted_type(matches: Any) -> Any:
    """Wrap the check for a binary media type: only the first type of `Accept` counts, and `*/name` matches nothing."""

    def match(media_type: str | None, binary_types: list[str] | None) -> Any:
        possible = [one for one in binary_types or [] if one == "*/*" or not one.startswith("*/")]
        return matches((media_type or "").partition(",")[0], possible)

    return match


def apply() -> None:
    app._with_data_plane_headers = with_own_headers_only(app._with_data_plane_headers)
    gateway._media_type_matches = with_first_accepted_type(gateway._media_type_matches)
    gateway._lambda_proxy_response = with_checked_answer(gateway._lambda_proxy_response)
    gateway._invoke_lambda_proxy_v1 = with_post_only(gateway._invoke_lambda_proxy_v1)
    gateway._execute_in_scope = with_integration_errors(gateway._execute_in_scope)
    gateway._handle_execute_in_scope = with_response_headers(gateway._handle_execute_in_scope)
    gateway._GATEWAY_RESPONSE_ERROR_TYPES |= ERROR_TYPES
