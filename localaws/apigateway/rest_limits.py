"""Gap: API Gateway's limits are not kept (10 MB a request, 6 MB a Lambda payload, the integration's timeout),
and a failed function's error text, or an answer that is no proxy response, reaches the client.

AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html,
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html and, for the 502,
https://docs.aws.amazon.com/apigateway/latest/developerguide/handle-errors-in-lambda-integration.html
No longer needed when 11 MB get 413 and a function that raises gets 502 and `Internal server error`.
"""

import asyncio
import json
from typing import Any

from ministack.services import apigateway_v1 as gateway

MAX_REQUEST = 10 * 1024 * 1024
MAX_LAMBDA_PAYLOAD = 6 * 1024 * 1024


class TooLarge(Exception):
    """The event is more than a function may be called with."""


class NoProxyResponse(Exception):
    """The function failed, or answered what API Gateway cannot make a response of."""


def too_large() -> Any:
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
    if not isinstance(payload, dict) or size(payload) > MAX_LAMBDA_PAYLOAD:
        return False
    return (
        str(payload.get("statusCode")).isdigit()
        and isinstance(payload.get("body"), str | None)
        and isinstance(payload.get("headers"), dict | None)
    )


def size(payload: dict[str, Any]) -> int:
    return len(json.dumps(payload, ensure_ascii=False).encode())


def executed_within_limits(execute: Any) -> Any:
    async def respond(request: dict[str, Any], api_id: str, stage_name: str, *call: Any) -> Any:
        body = call[3]
        stage = gateway._stages_v1.get(api_id, {}).get(stage_name)
        if stage and len(body or b"") > MAX_REQUEST:
            request["stage"] = stage
            return too_large()
        try:
            return await execute(request, api_id, stage_name, *call)
        except TooLarge:
            return too_large()
        except NoProxyResponse:
            return bad_gateway(request)

    return respond


def called_within_limits(call_lambda: Any) -> Any:
    async def call(function: str, event: dict[str, Any], **scope: Any) -> Any:
        if size(event) > MAX_LAMBDA_PAYLOAD:
            raise TooLarge
        return await call_lambda(function, event, **scope)

    return call


def invoked_within_timeout(invoke: Any) -> Any:
    async def respond(integration: dict[str, Any], *call: Any, **context: Any) -> Any:
        response = asyncio.ensure_future(invoke(integration, *call, **context))
        seconds = (integration.get("timeoutInMillis") or 29_000) / 1000
        await asyncio.wait({response}, timeout=seconds)
        if not response.done():  # the function runs on, as on AWS
            return gateway._gw_error("INTEGRATION_TIMEOUT", "Endpoint request timed out")
        return response.result()

    return respond


def proxy_responses_only(proxy_response: Any) -> Any:
    def respond(result: dict[str, Any]) -> Any:
        failed = result.get("error") or not is_proxy_response(result.get("body"))
        if failed and not result.get("throttle"):
            raise NoProxyResponse
        return proxy_response(result)

    return respond


def apply() -> None:
    gateway._execute_in_scope = executed_within_limits(gateway._execute_in_scope)
    gateway._call_lambda_raw = called_within_limits(gateway._call_lambda_raw)
    gateway._invoke_lambda_proxy_v1 = invoked_within_timeout(gateway._invoke_lambda_proxy_v1)
    gateway._lambda_proxy_response = proxy_responses_only(gateway._lambda_proxy_response)
