"""One distribution as an ASGI application that processes a viewer's request in CloudFront's order.

The edge serves HTTP on loopback, which is as private as TLS. So it treats http as https, and does not redirect or
reject requests by the viewer protocol policy.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HowCloudFrontWorks.html
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from threading import Thread
from types import MappingProxyType
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Receive, Scope, Send

from localaws.changes.client import Changes
from localaws.cloudfront import functions, response_headers, segments, signed
from localaws.cloudfront.cache import Cache, Entry
from localaws.cloudfront.delivery import ViewerResponse, deliver
from localaws.cloudfront.deployed import DeployedDistribution
from localaws.cloudfront.distribution import Behavior, Distribution
from localaws.cloudfront.key import ViewerRequest, cache_key, origin_headers, origin_query, viewer_headers
from localaws.cloudfront.metrics import Metrics
from localaws.cloudfront.objects import HIT, MISS, REFRESH_HIT, Found, Objects, Rules
from localaws.cloudfront.origins import OriginResponse, Origins
from localaws.cloudfront.pages import VIA, error_page, request_id

ERROR = "Error from cloudfront"
FUNCTION = "FunctionGeneratedResponse from cloudfront"
CAPACITY = 1 << 30
METRICS_INTERVAL = 1
"""Seconds between two calls that publish metrics, if there are any."""
FAILOVER_METHODS = ("GET", "HEAD", "OPTIONS")
"""https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/high_availability_origin_failover.html"""
SERVICES = ("cloudfront", "cloudwatch")

logger = logging.getLogger(__name__)


_session: Any = functools.cache(boto3.Session)
"""The session of all edges of this process, which reads the models of services once."""


def edge(
    distribution_id: str,
    *,
    capacity: int = CAPACITY,
    clock: Callable[[], float] = time.time,
    endpoint: str = "",
    credentials: Mapping[str, str] = MappingProxyType({}),
) -> Edge:
    """Return the ASGI application that serves the deployed distribution, with a cache of *capacity* bytes.

    *endpoint* is the address of AWS, and *credentials* are parameters of a boto3 client; by default those of the
    environment.
    """
    endpoint = endpoint or os.environ["AWS_ENDPOINT_URL"]
    cloudfront, cloudwatch = (
        _session().client(name, "us-east-1", endpoint_url=endpoint, **credentials) for name in SERVICES
    )
    deployed = DeployedDistribution(cloudfront, distribution_id)
    return Edge(deployed, cloudwatch, Origins(endpoint), capacity, clock, Changes(endpoint, "cloudfront"))


class Edge:
    """The ASGI application of one distribution."""

    def __init__(
        self,
        deployed: DeployedDistribution,
        cloudwatch: Any,
        origins: Origins,
        capacity: int,
        clock: Callable[[], float],
        changes: Changes,
    ) -> None:
        self._deployed = deployed
        self._changes = changes
        self._cloudwatch = cloudwatch
        self._clock = clock
        self._objects = Objects(Cache(capacity), clock)
        self._origins = origins
        self._metrics = Metrics()
        self.on_invalidation: Callable[[Sequence[str]], None] = lambda items: None
        """Is called with the paths and tags that were invalidated, once the edge has removed their objects."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    def has_host(self, host: str) -> bool:
        """Return whether the distribution answers for a host name."""
        return self._deployed.distribution.has_domain(host)

    async def refresh(self, changed: bool = False) -> None:
        """Apply new invalidations and configuration, and publish the metrics."""
        items = await asyncio.to_thread(self._deployed.refresh, changed)
        self._objects.invalidate(items)
        if items:
            self.on_invalidation(items)
        await self._publish()

    async def _publish(self) -> None:
        if self._metrics.counted:
            await asyncio.to_thread(self._metrics.publish, self._cloudwatch, self._deployed.distribution.id)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        refreshing = asyncio.create_task(self._follow())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        refreshing.cancel()
        await self._origins.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _follow(self) -> None:
        """Refresh after each change of CloudFront, and publish the metrics every METRICS_INTERVAL."""
        changed, loop = asyncio.Event(), asyncio.get_running_loop()

        def wait_for_changes() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                while True:
                    if self._changes.wait():
                        loop.call_soon_threadsafe(changed.set)

        Thread(target=wait_for_changes, name="cloudfront-changes", daemon=True).start()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(METRICS_INTERVAL):
                    await changed.wait()
            try:
                if changed.is_set():
                    changed.clear()
                    await self.refresh(changed=True)
                else:
                    await self._publish()
            except (BotoCoreError, ClientError) as error:
                logger.warning("cannot refresh the distribution: %s", error)
                changed.set()
                await asyncio.sleep(METRICS_INTERVAL)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = ViewerRequest(
            scope["method"],
            scope["raw_path"].decode("utf-8", "surrogateescape"),
            scope["query_string"].decode("latin-1"),
            Headers(raw=scope["headers"]),
            scope["client"][0],
        )
        distribution = self._deployed.distribution
        try:
            response = await self._respond(distribution, request, receive)
        except signed.Forbidden as error:
            response = await self._with_error_page(distribution, request, _generated(403, error.page, "text/xml"))
        except functions.FunctionError as error:
            logger.warning("a function failed: %s", error)
            response = _generated(503, error_page(503, "The CloudFront function returned an invalid value, or failed."))
        self._metrics.count_response(response.status, hit=response.x_cache in (HIT, REFRESH_HIT))
        self._metrics.count_bytes(await deliver(request, response, send))

    async def _respond(self, distribution: Distribution, request: ViewerRequest, receive: Receive) -> ViewerResponse:
        behavior = distribution.behavior(request.path)
        if explanation := _rejection(distribution, behavior, request):
            return _generated(403, error_page(403, explanation))
        if behavior.trusted_keys is not None:
            request = signed.check(request, behavior.trusted_keys, self._clock())
        if request.path == "/":
            request = replace(request, path="/" + distribution.default_root_object)
        if code := behavior.functions.get("viewer-request"):
            result = await functions.viewer_request(code, distribution, request)
            if isinstance(result, functions.GeneratedResponse):
                return ViewerResponse(result.status, result.headers, result.body or b"", FUNCTION)
            request = result
        response = await self._get_object(distribution, behavior, request, receive)
        if response.status >= 400:
            response = await self._with_error_page(distribution, request, response)
        response_headers.apply(behavior.response_headers, request.method, request.headers, response.headers)
        if (code := behavior.functions.get("viewer-response")) and response.origin_status < 400:
            result = await functions.viewer_response(code, distribution, request, response.status, response.headers)
            source = response.source if result.body is None else result.body
            response = replace(response, status=result.status, headers=result.headers, source=source)
        return response

    async def _get_object(
        self, distribution: Distribution, behavior: Behavior, request: ViewerRequest, receive: Receive | None = None
    ) -> ViewerResponse:
        policy = behavior.cache_policy
        caches = policy.max_ttl > 0
        if request.method not in behavior.cached_methods or (request.method == "HEAD" and not caches):
            content = _request_body(receive) if receive and _has_body(request) else None
            return _uncached(await self._fetch(distribution, behavior, request, content=content))

        rules = Rules(policy, behavior.compress, distribution.error_caching_min_ttl, distribution.cache_tag_header)
        key = cache_key(request, policy)

        async def get(byte_range: str = "") -> Found:
            range_header = {"range": f"bytes={byte_range}"} if byte_range else {}

            async def fetch(validators: Mapping[str, str]) -> OriginResponse:
                headers = {**validators, **range_header}
                return await self._fetch(distribution, behavior, request, headers, for_cache=caches)

            return await self._objects.get(replace(key, byte_range=byte_range) if byte_range else key, rules, fetch)

        if caches and request.method == "GET" and "range" in request.headers:
            response = await self._get_far_range(request, self._objects.stored(key), get)
            if response:
                return response
        found = await get()
        if found.uncached and found.uncached.status == 200 and caches and "range" in request.headers:
            # The origin sent the full object, which cannot be cached. Repeat the request with its range.
            await found.uncached.close()
            return _uncached(await self._fetch(distribution, behavior, request))
        return self._viewer_response(found)

    async def _get_far_range(
        self, request: ViewerRequest, stored: Entry | None, get: Callable[[str], Awaitable[Found]]
    ) -> ViewerResponse | None:
        """Return a response from segments if the range is far beyond the stored bytes of the object, else None."""
        first = segments.far_byte(request.headers["range"], stored)
        if first is None:
            return None
        found = await get(segments.segment_range(first))
        if found.entry is None:
            assert found.uncached
            await found.uncached.close()
            return None
        length = segments.total_length(found.entry)
        if length is None or length <= segments.SEGMENT:
            return None

        async def fetch(byte_range: str) -> Entry | None:
            return (await get(byte_range)).entry

        source = segments.Segments(found.entry, length, fetch)
        headers = segments.object_headers(found.entry)
        if found.x_cache != MISS:
            headers["age"] = str(found.entry.age(self._clock()))
        return ViewerResponse(200, headers, source, found.x_cache, 200)

    async def _fetch(
        self,
        distribution: Distribution,
        behavior: Behavior,
        request: ViewerRequest,
        headers: Mapping[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
        *,
        for_cache: bool = False,
    ) -> OriginResponse:
        """Send the request to the origin with additional *headers*, and then to the second one of an origin group.

        *for_cache* requests the object as it is cached, without the viewer's conditions and range, and by GET for HEAD.
        """
        method = "GET" if for_cache and request.method == "HEAD" else request.method
        query = origin_query(request, behavior)
        sent = origin_headers(request, behavior, for_cache=for_cache)
        sent |= {**(headers or {}), "via": VIA, "x-amz-cf-id": request_id()}
        target = request.path + (f"?{query}" if query else "")
        self._metrics.count_origin_request()
        response = await self._origins.fetch(distribution, behavior.origin, method, target, sent, content)
        if (second := behavior.failover) and request.method in FAILOVER_METHODS and response.failure in second.statuses:
            await response.close()
            self._metrics.count_origin_request()
            response = await self._origins.fetch(distribution, second.origin, method, target, sent)
        viewer_headers(response.headers, behavior)
        return response

    def _viewer_response(self, found: Found) -> ViewerResponse:
        if found.uncached:
            return _uncached(found.uncached)
        assert found.entry
        entry, headers = found.entry, MutableHeaders(raw=list(found.entry.headers.raw))
        if found.x_cache != MISS:
            headers["age"] = str(entry.age(self._clock()))
            if not entry.body.complete:
                self._metrics.count_collapsed()
        x_cache = found.x_cache if entry.status < 400 else ERROR
        return ViewerResponse(entry.status, headers, entry.body, x_cache, entry.status)

    async def _with_error_page(
        self, distribution: Distribution, request: ViewerRequest, response: ViewerResponse
    ) -> ViewerResponse:
        """Return the distribution's custom error page, or *response* if there is no page or it cannot be fetched.

        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/GeneratingCustomErrorResponses.html
        """
        error = distribution.errors.get(response.status)
        if error is None or not error.page_path:
            return response
        page_request = ViewerRequest("GET", error.page_path, "", Headers(), request.client)
        page = await self._get_object(distribution, distribution.behavior(error.page_path), page_request)
        if page.status >= 400:
            return response
        if isinstance(response.source, OriginResponse):
            await response.source.close()
        return replace(page, status=error.response_code, x_cache=ERROR, origin_status=response.status)


def _rejection(distribution: Distribution, behavior: Behavior, request: ViewerRequest) -> str:
    if not distribution.has_domain(request.headers.get("host", "")):
        return "Bad request. We can't connect to the server for this app or website at this time."
    if not distribution.enabled:
        return "This distribution is disabled."
    if request.method not in behavior.allowed_methods:
        return (
            "This distribution is not configured to allow the HTTP request method that was used for this request. "
            "The distribution supports only cachable requests."
        )
    if request.method in ("GET", "HEAD") and _has_body(request):
        return "A GET or HEAD request must not have a body."
    return ""


def _has_body(request: ViewerRequest) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _generated(status: int, page: bytes, content_type: str = "text/html") -> ViewerResponse:
    return ViewerResponse(status, MutableHeaders({"content-type": content_type, "server": "CloudFront"}), page, ERROR)


def _uncached(response: OriginResponse) -> ViewerResponse:
    x_cache = MISS if response.status < 400 else ERROR
    return ViewerResponse(response.status, response.headers, response, x_cache, response.status)


async def _request_body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield message.get("body", b"")
        more = message.get("more_body", False)
