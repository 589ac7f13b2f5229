"""CloudFront Functions: run by the emulator's Node.js workers on each viewer request and response, also on cache hits.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ministack.core import cloudfront_js
from starlette.datastructures import Headers, MutableHeaders

from localaws.cloudfront.distribution import Distribution
from localaws.cloudfront.key import ViewerRequest

FunctionError = cloudfront_js.CloudFrontFunctionError
type Fields = dict[str, Any]


@dataclass
class GeneratedResponse:
    """A response that a function generated or changed. Without a body, the origin's body is sent."""

    status: int
    headers: MutableHeaders
    body: bytes | None


async def viewer_request(
    code: bytes, distribution: Distribution, request: ViewerRequest
) -> ViewerRequest | GeneratedResponse:
    """Run a viewer request function. Return the request to process, or a generated response.

    Raises FunctionError.
    """
    event = _event("viewer-request", distribution, request)
    result = await asyncio.to_thread(cloudfront_js.evaluate, code, event)
    if not isinstance(result, dict):
        raise FunctionError("the function returned neither a request nor a response")
    if "statusCode" in result:
        return _generated_response(result)
    headers = _headers(result.get("headers", {}))
    if cookies := "; ".join(f"{name}={value}" for name, value in _pairs(result.get("cookies", {}))):
        headers["cookie"] = cookies
    return replace(
        request,
        path=result.get("uri", request.path),
        query=_query(request, event["request"]["querystring"], result.get("querystring", {})),
        headers=headers,
    )


async def viewer_response(
    code: bytes, distribution: Distribution, request: ViewerRequest, status: int, headers: MutableHeaders
) -> GeneratedResponse:
    """Run a viewer response function; return the response. Raises FunctionError."""
    event = _event("viewer-response", distribution, request)
    event["response"] = {
        "statusCode": status,
        "headers": _fields((name, value) for name, value in headers.items() if name != "set-cookie"),
        "cookies": _set_cookies(headers),
    }
    result = await asyncio.to_thread(cloudfront_js.evaluate, code, event)
    if not isinstance(result, dict):
        raise FunctionError("the function returned no response")
    return _generated_response({"statusCode": status} | result)


def _event(kind: str, distribution: Distribution, request: ViewerRequest) -> Fields:
    headers = request.headers
    cookies = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    parameters = (part.partition("=") for part in request.query.split("&") if part)
    return {
        "version": "1.0",
        "context": {
            "distributionDomainName": distribution.domain,
            "distributionId": distribution.id,
            "eventType": kind,
            "requestId": "edge",
        },
        "viewer": {"ip": request.client},
        "request": {
            "method": request.method,
            "uri": request.path,
            "querystring": _fields((name, value) for name, _, value in parameters),
            "headers": _fields((name, value) for name, value in headers.items() if name != "cookie"),
            "cookies": _fields((name, value) for name, found, value in cookies if found),
        },
    }


def _fields(pairs: Any) -> Fields:
    """Return the fields of an event. A repeated name has all its values in `multiValue`."""
    fields: Fields = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = {"value": value}
        else:
            fields[name].setdefault("multiValue", [{"value": fields[name]["value"]}]).append({"value": value})
    return fields


def _pairs(fields: Fields) -> list[tuple[str, str]]:
    return [
        (name, str(item.get("value", "")))
        for name, field in fields.items()
        for item in field.get("multiValue") or [field]
    ]


def _headers(fields: Fields) -> MutableHeaders:
    return MutableHeaders(
        raw=[(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in _pairs(fields)]
    )


def _query(request: ViewerRequest, before: Fields, after: Fields | str) -> str:
    if isinstance(after, str):
        return after
    return request.query if after == before else urlencode(_pairs(after), safe="%+")


def _set_cookies(headers: Headers) -> Fields:
    cookies = {}
    for line in headers.getlist("set-cookie"):
        pair, _, attributes = line.partition(";")
        name, _, value = pair.partition("=")
        cookies[name.strip()] = {"value": value} | ({"attributes": attributes.strip()} if attributes else {})
    return cookies


def _generated_response(result: Fields) -> GeneratedResponse:
    headers = _headers(result.get("headers", {}))
    for name, cookie in result.get("cookies", {}).items():
        attributes = f"; {cookie['attributes']}" if cookie.get("attributes") else ""
        headers.append("set-cookie", f"{name}={cookie['value']}{attributes}")
    return GeneratedResponse(int(result["statusCode"]), headers, _body(result.get("body")))


def _body(body: Any) -> bytes | None:
    if not isinstance(body, dict):
        return None if body is None else str(body).encode()
    data = str(body.get("data", ""))
    return base64.b64decode(data) if body.get("encoding") == "base64" else data.encode()
