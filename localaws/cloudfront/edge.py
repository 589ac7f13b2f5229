"""One distribution as an ASGI application: what CloudFront does with a viewer's request, in CloudFront's order.

Loopback leaves the machine no more than TLS lets read, so http counts as https and viewer protocol policies are met.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HowCloudFrontWorks.html
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Receive, Scope, Send

from localaws.cloudfront import functions, response_headers, segments, signed
from localaws.cloudfront.cache import Cache, Entry
from localaws.cloudfront.delivery import Answer, deliver
from localaws.cloudfront.deployed import Deployed
from localaws.cloudfront.distribution import Behavior, Distribution
from localaws.cloudfront.key import Request, cache_key, origin_headers, origin_query, viewer_headers
from localaws.cloudfront.metrics import Metrics
from localaws.cloudfront.objects import HIT, MISS, REFRESH_HIT, Found, Objects, Rules
from localaws.cloudfront.origins import OriginResponse, Origins
from localaws.cloudfront.pages import VIA, error_page, request_id

ERROR = "Error from cloudfront"
FUNCTION = "FunctionGeneratedResponse from cloudfront"
CAPACITY = 1 << 30
REFRESH_EVERY = 0.5

logger = logging.getLogger(__name__)


def edge(distribution_id: str, *, capacity: int = CAPACITY, clock: Callable[[], float] = time.time) -> Edge:
    """Return the ASGI application that serves the deployed distribution, with a cache of *capacity* bytes."""
    return Edge(Deployed(boto3.client("cloudfront"), distribution_id), boto3.client("cloudwatch"), capacity, clock)


class Edge:
    def __init__(self, deployed: Deployed, cloudwatch: Any, capacity: int, clock: Callable[[], float]) -> None:
        self._deployed = deployed
        self._cloudwatch = cloudwatch
        self._clock = clock
        self._objects = Objects(Cache(capacity), clock)
        self._origins = Origins(os.environ["AWS_ENDPOINT_URL"])
        self._metrics = Metrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def refresh(self) -> None:
        """Take over what is deployed now, forget what was invalidated, publish the counts."""
        self._objects.invalidate(await asyncio.to_thread(self._deployed.refresh))
        await asyncio.to_thread(self._metrics.publish, self._cloudwatch, self._deployed.distribution.id)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        following = asyncio.create_task(self._follow())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        following.cancel()
        await self._origins.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_EVERY)
            try:
                await self.refresh()
            except (BotoCoreError, ClientError) as error:
                logger.warning("the distribution cannot be read: %s", error)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(
            scope["method"],
            scope["raw_path"].decode("utf-8", "surrogateescape"),
            scope["query_string"].decode("latin-1"),
            Headers(raw=scope["headers"]),
            scope["client"][0],
        )
        distribution = self._deployed.distribution
        try:
            answer = await self._answer(distribution, request, receive)
        except signed.Refused as refusal:
            answer = await self._error(distribution, request, _of_edge(403, refusal.page, "text/xml"))
        except functions.FunctionError as error:
            logger.warning("a function failed: %s", error)
            answer = _of_edge(503, error_page(503, "The CloudFront function returned an invalid value, or failed."))
        self._metrics.served(answer.status, hit=answer.x_cache in (HIT, REFRESH_HIT))
        self._metrics.sent(await deliver(request, answer, send))

    async def _answer(self, distribution: Distribution, request: Request, receive: Receive) -> Answer:
        behavior = distribution.behavior(request.path)
        if explanation := _refusal(distribution, behavior, request):
            return _of_edge(403, error_page(403, explanation))
        if behavior.trusted_keys is not None:
            request = signed.check(request, behavior.trusted_keys, self._clock())
        if request.path == "/":
            request = replace(request, path="/" + distribution.default_root_object)
        if code := behavior.functions.get("viewer-request"):
            made = await functions.viewer_request(code, distribution, request)
            if isinstance(made, functions.Generated):
                return Answer(made.status, made.headers, made.body or b"", FUNCTION)
            request = made
        answer = await self._object(distribution, behavior, request, receive)
        if answer.status >= 400:
            answer = await self._error(distribution, request, answer)
        response_headers.apply(behavior.response_headers, request.method, request.headers, answer.headers)
        if (code := behavior.functions.get("viewer-response")) and answer.origin_status < 400:
            made = await functions.viewer_response(code, distribution, request, answer.status, answer.headers)
            source = answer.source if made.body is None else made.body
            answer = replace(answer, status=made.status, headers=made.headers, source=source)
        return answer

    async def _object(
        self, distribution: Distribution, behavior: Behavior, request: Request, receive: Receive | None = None
    ) -> Answer:
        policy = behavior.cache_policy
        caches = policy.max_ttl > 0
        if request.method not in behavior.cached_methods or (request.method == "HEAD" and not caches):
            content = _content(receive) if receive and _has_body(request) else None
            return _alone(await self._ask(distribution, behavior, request, content=content))

        rules = Rules(policy, behavior.compress, distribution.error_caching_min_ttl, distribution.cache_tag_header)
        key = cache_key(request, policy)

        async def get(part: str = "") -> Found:
            asked = {"range": f"bytes={part}"} if part else {}

            async def ask(validators: Mapping[str, str]) -> OriginResponse:
                return await self._ask(distribution, behavior, request, {**validators, **asked}, whole=caches)

            return await self._objects.get(replace(key, part=part), rules, ask)

        if caches and request.method == "GET" and (answer := await self._far(request, self._objects.whole(key), get)):
            return answer
        found = await get()
        if found.alone and found.alone.status == 200 and caches and "range" in request.headers:
            await found.alone.close()  # the whole object came, and is not kept, so there is nothing to take ranges from
            return _alone(await self._ask(distribution, behavior, request))
        return self._found(found)

    async def _far(
        self, request: Request, whole: Entry | None, get: Callable[[str], Awaitable[Found]]
    ) -> Answer | None:
        """Answer a range that is far from what is here of its object by segments; None where the whole will do."""
        first = segments.far_byte(request.headers.get("range", ""), whole)
        if first is None:
            return None
        found = await get(segments.part(first))
        if found.entry is None:
            assert found.alone
            await found.alone.close()
            return None
        length = segments.total(found.entry)
        if length is None or length <= segments.SEGMENT:
            return None

        async def fetch(part: str) -> Entry | None:
            return (await get(part)).entry

        source = segments.Segments(found.entry, length, fetch)
        headers = segments.whole_headers(found.entry)
        if found.x_cache != MISS:
            headers["age"] = str(found.entry.age(self._clock()))
        return Answer(200, headers, source, found.x_cache, 200)

    async def _ask(
        self,
        distribution: Distribution,
        behavior: Behavior,
        request: Request,
        validators: Mapping[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
        *,
        whole: bool = False,
    ) -> OriginResponse:
        """Ask the origin; for the *whole* object, as the cache keeps it, where HEAD and ranges are answered from."""
        self._metrics.asked_origin()
        method = "GET" if whole and request.method == "HEAD" else request.method
        query = origin_query(request, behavior)
        headers = origin_headers(request, behavior, for_cache=whole)
        headers |= {**(validators or {}), "via": VIA, "x-amz-cf-id": request_id()}
        target = request.path + (f"?{query}" if query else "")
        response = await self._origins.fetch(distribution, behavior.origin, method, target, headers, content)
        viewer_headers(response.headers, behavior)
        return response

    def _found(self, found: Found) -> Answer:
        if found.alone:
            return _alone(found.alone)
        assert found.entry
        entry, headers = found.entry, MutableHeaders(raw=list(found.entry.headers.raw))
        if found.x_cache != MISS:
            headers["age"] = str(entry.age(self._clock()))
            if not entry.body.complete:
                self._metrics.collapsed()
        x_cache = found.x_cache if entry.status < 400 else ERROR
        return Answer(entry.status, headers, entry.body, x_cache, entry.status)

    async def _error(self, distribution: Distribution, request: Request, answer: Answer) -> Answer:
        """Answer with the distribution's page for the error, if it has one and the page is there.

        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/GeneratingCustomErrorResponses.html
        """
        error = distribution.errors.get(answer.status)
        if error is None or not error.page_path:
            return answer
        asked = Request("GET", error.page_path, "", Headers(), request.client)
        page = await self._object(distribution, distribution.behavior(error.page_path), asked)
        if page.status >= 400:
            return answer
        if isinstance(answer.source, OriginResponse):
            await answer.source.close()
        return replace(page, status=error.response_code, x_cache=ERROR, origin_status=answer.status)


def _refusal(distribution: Distribution, behavior: Behavior, request: Request) -> str:
    if not distribution.enabled:
        return "This distribution is disabled."
    if request.method not in behavior.allowed_methods:
        return (
            "This distribution is not configured to allow the HTTP request method that was used for this request. "
            "The distribution supports only cachable requests."
        )
    if request.method in ("GET", "HEAD") and _has_body(request):
        return "A GET or HEAD request has no body."
    return ""


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _of_edge(status: int, page: bytes, content_type: str = "text/html") -> Answer:
    return Answer(status, MutableHeaders({"content-type": content_type, "server": "CloudFront"}), page, ERROR)


def _alone(response: OriginResponse) -> Answer:
    x_cache = MISS if response.status < 400 else ERROR
    return Answer(response.status, response.headers, response, x_cache, response.status)


async def _content(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield message.get("body", b"")
        more = message.get("more_body", False)
