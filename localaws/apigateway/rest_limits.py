"""Gap: a REST API enforces no limit of headers and payloads, and no integration timeout.

The limits are 10,240 bytes for all headers, 10 MB for a request, 6 MB for a Lambda payload, and the integration's
timeout.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
No longer needed when a request of 11 MB gets 413, and a function slower than the integration's timeout gets 504.
"""

import asyncio
import json
from typing import Any

from ministack.services import apigateway_v1 as gateway

from localaws.apigateway.proxy_event import exchange

MAX_HEADER_BYTES = 10_240
MAX_REQUEST_BYTES = 10 * 1024 * 1024
MAX_LAMBDA_PAYLOAD_BYTES = 6 * 1024 * 1024


class PayloadTooLarge(Exception):
    """The event exceeds Lambda's payload limit."""


def request_too_large() -> Any:
    return gateway._gw_error("REQUEST_TOO_LARGE", "Request Too Long")


def size(payload: dict[str, Any]) -> int:
    return len(json.dumps(payload, ensure_ascii=False).encode())


def with_request_limit(execute: Any) -> Any:
    async def respond(request: dict[str, Any], api_id: str, stage_name: str, *call: Any) -> Any:
        if sum(len(name) + len(value) for name, value in exchange.get().headers) > MAX_HEADER_BYTES:
            return 431, {"Content-Type": "application/json"}, b'{"message":"Request Header Fields Too Large"}'
        body = call[3]
        stage = gateway._stages_v1.get(api_id, {}).get(stage_name)
        if stage and len(body or b"") > MAX_REQUEST_BYTES:
            request["stage"] = stage
            return request_too_large()
        try:
            return await execute(request, api_id, stage_name, *call)
        except PayloadTooLarge:
            return request_too_large()

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


def apply() -> None:
    gateway._execute_in_scope = with_request_limit(gateway._execute_in_scope)
    gateway._call_lambda_raw = with_payload_limit(gateway._call_lambda_raw)
    gateway._invoke_lambda_proxy_v1 = with_timeout(gateway._invoke_lambda_proxy_v1)
