"""Gap: a REST API enforces no payload limit and no integration timeout, and passes a function's errors to the client.

The limits are 10 MB for a request, 6 MB for a Lambda payload, and the integration's timeout. A failed function, or a
malformed proxy response, is a 502 with `Internal server error`.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/handle-errors-in-lambda-integration.html
No longer needed when a request of 11 MB gets 413, and a function that raises gets 502 with `Internal server error`.
"""

import asyncio
import json
from typing import Any

from ministack.services import apigateway_v1 as gateway

MAX_REQUEST_BYTES = 10 * 1024 * 1024
MAX_LAMBDA_PAYLOAD_BYTES = 6 * 1024 * 1024


class PayloadTooLarge(Exception):
    """The event exceeds Lambda's payload limit."""


class MalformedProxyResponse(Exception):
    """The function failed, or API Gateway cannot convert its result to a response."""


def request_too_large() -> Any:
    return gateway._gw_error("REQUEST_TOO_LARGE", "Request Too Long")


def bad_gateway(request: dict[str, Any]) -> Any:
    error = gateway._gw_error("DEFAULT_5XX", "Internal server error")
    status, headers, body = gateway._gateway_error_response(error, request)
    return 502 if status == 500 else status, headers, body


def is_proxy_response(payload: Any) -> bool:
    if isinstance(payload, str | bytes):
        try:
            payload = json.loads(payload)
        except ValueError:
            return False
    if not isinstance(payload, dict) or size(payload) > MAX_LAMBDA_PAYLOAD_BYTES:
        return False
    return (
        str(payload.get("statusCode")).isdigit()
        and isinstance(payload.get("body"), str | None)
        and isinstance(payload.get("headers"), dict | None)
    )


def size(payload: dict[str, Any]) -> int:
    return len(json.dumps(payload, ensure_ascii=False).encode())


def with_request_limit(execute: Any) -> Any:
    async def respond(request: dict[str, Any], api_id: str, stage_name: str, *call: Any) -> Any:
        body = call[3]
        stage = gateway._stages_v1.get(api_id, {}).get(stage_name)
        if stage and len(body or b"") > MAX_REQUEST_BYTES:
            request["stage"] = stage
            return request_too_large()
        try:
            return await execute(request, api_id, stage_name, *call)
        except PayloadTooLarge:
            return request_too_large()
        except MalformedProxyResponse:
            return bad_gateway(request)

    return respond


def with_payload_limit(call_lambda: Any) -> Any:
    async def call(function: str, event: dict[str, Any], **scope: Any) -> Any:
        if size(event) > MAX_LAMBDA_PAYLOAD_BYTES:
            raise PayloadTooLarge
        return await call_lambda(function, event, **scope)

    return call


def with_timeout(invoke: Any) -> Any:
    async def respond(integration: dict[str, Any], *call: Any, **context: Any) -> Any:
        response = asyncio.ensure_future(invoke(integration, *call, **context))
        seconds = (integration.get("timeoutInMillis") or 29_000) / 1000
        await asyncio.wait({response}, timeout=seconds)
        if not response.done():  # the function keeps running, as on AWS
            return gateway._gw_error("INTEGRATION_TIMEOUT", "Endpoint request timed out")
        return response.result()

    return respond


def with_proxy_response_check(proxy_response: Any) -> Any:
    def respond(result: dict[str, Any]) -> Any:
        failed = result.get("error") or not is_proxy_response(result.get("body"))
        if failed and not result.get("throttle"):
            raise MalformedProxyResponse
        return proxy_response(result)

    return respond


def apply() -> None:
    gateway._execute_in_scope = with_request_limit(gateway._execute_in_scope)
    gateway._call_lambda_raw = with_payload_limit(gateway._call_lambda_raw)
    gateway._invoke_lambda_proxy_v1 = with_timeout(gateway._invoke_lambda_proxy_v1)
    gateway._lambda_proxy_response = with_proxy_response_check(gateway._lambda_proxy_response)
