"""Requests to origins: local addresses, timeouts, connection attempts, and streamed responses.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from string import punctuation
from urllib.parse import quote, urlsplit

import httpcore
from starlette.datastructures import MutableHeaders

from localaws.cloudfront.distribution import Distribution, Origin
from localaws.cloudfront.pages import error_page

API_GATEWAY = re.compile(r"([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com")
AWS = re.compile(r".*\.(amazonaws\.com(\.cn)?|on\.aws|api\.aws)")
HOP_BY_HOP = ("connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade")
IDEMPOTENT = ("GET", "HEAD")
FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)

UNREACHABLE = (httpcore.ConnectError, httpcore.ConnectTimeout)


class IncompleteResponse(Exception):
    """The origin closed the connection before the end of the body, or sent parts of different versions."""


@dataclass
class OriginResponse:
    """Status and headers of a response. Iterate over it to read the body, or close it."""

    status: int
    headers: MutableHeaders
    response: httpcore.Response
    failure: int = 0
    """The status by which an origin group decides. It is 503 for an origin that refuses connections."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self.response.aiter_stream():
                yield chunk
        except FAILURES as error:
            raise IncompleteResponse from error
        finally:
            await self.close()

    async def close(self) -> None:
        await self.response.aclose()

    @property
    def length(self) -> int | None:
        length = self.headers.get("content-length", "")
        return int(length) if length.isdecimal() else None


class Origins:
    """Connections to origins. Requests to an AWS service as the origin go to *endpoint*."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = urlsplit(endpoint)
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=None, max_keepalive_connections=64, keepalive_expiry=5
        )

    async def fetch(
        self,
        distribution: Distribution,
        origin: Origin,
        method: str,
        target: str,
        headers: Mapping[str, str],
        content: AsyncIterable[bytes] | None = None,
    ) -> OriginResponse:
        """Return the origin's response, or CloudFront's 502, or 504 after a timeout, if there is none."""
        url, host = self._locate(distribution, origin, method, target)
        sent = {"host": host, **headers, **dict(origin.custom_headers)}
        if origin.is_s3:
            sent["x-edge-origin"] = origin.id
        if origin.is_s3 or AWS.fullmatch(origin.domain):
            sent["host"] = host  # the emulator routes by Host
        if content is not None and "content-length" not in sent:
            sent["transfer-encoding"] = "chunked"
        request = httpcore.Request(
            method,
            url,
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()],
            content=content,
            extensions={
                "timeout": {
                    "connect": origin.connection_timeout,
                    "read": origin.read_timeout,
                    "write": origin.read_timeout,
                }
            },
        )
        attempts = origin.connection_attempts if method in IDEMPOTENT else 1
        return await self._send(request, attempts)

    async def _send(self, request: httpcore.Request, attempts: int) -> OriginResponse:
        status = failure = 502
        for _ in range(attempts):
            try:
                response = await self._pool.handle_async_request(request)
            except FAILURES as error:
                status = 504 if isinstance(error, httpcore.TimeoutException) else 502
                failure = 503 if isinstance(error, UNREACHABLE) else status
            else:
                return _origin_response(response, response.status)
        return _origin_response(_gateway_error(status), failure)

    def _locate(self, distribution: Distribution, origin: Origin, method: str, target: str) -> tuple[httpcore.URL, str]:
        """Return the URL and the Host header. S3 and API Gateway are in the emulator, which has no TLS."""
        target, path = quote(target, safe=punctuation, errors="surrogateescape"), origin.path
        if api := API_GATEWAY.fullmatch(origin.domain):
            path = f"/_aws/execute-api/{api[1]}{path}"
            return self._at_endpoint(path + target), self._endpoint.netloc
        if origin.is_s3 and method == "OPTIONS":  # S3 answers a preflight by its CORS rules, without authorization
            return self._at_endpoint(f"/{origin.domain.partition('.s3')[0]}{path}{target}"), self._endpoint.netloc
        if origin.is_s3:
            return self._at_endpoint(path + target), distribution.domain
        scheme, port = ("https", origin.https_port) if origin.https_only else ("http", origin.http_port)
        host = origin.domain if port in (80, 443) else f"{origin.domain}:{port}"
        if AWS.fullmatch(origin.domain):
            return self._at_endpoint(path + target), host
        return httpcore.URL(scheme=scheme, host=origin.domain, port=port, target=path + target), host

    def _at_endpoint(self, target: str) -> httpcore.URL:
        return httpcore.URL(
            scheme=self._endpoint.scheme, host=self._endpoint.hostname or "", port=self._endpoint.port, target=target
        )

    async def close(self) -> None:
        await self._pool.aclose()


def _origin_response(response: httpcore.Response, failure: int) -> OriginResponse:
    named_by_connection = {
        name.strip().lower()
        for header, value in response.headers
        if header.lower() == b"connection"
        for name in value.decode("latin-1").split(",")
    }
    headers = MutableHeaders(
        raw=[
            (name.lower(), value)
            for name, value in response.headers
            if name.lower().decode("latin-1") not in named_by_connection.union(HOP_BY_HOP)
        ]
    )
    return OriginResponse(response.status, headers, response, failure)


def _gateway_error(status: int) -> httpcore.Response:
    reason = "did not respond in time" if status == 504 else "could not be reached, or broke the connection"
    page = error_page(status, f"The origin {reason}.")
    return httpcore.Response(
        status, headers=[("content-type", "text/html"), ("content-length", str(len(page)))], content=page
    )
