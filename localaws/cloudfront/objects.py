"""Objects from the cache or the origin, with request collapsing, revalidation and serving of stale objects.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from starlette.datastructures import Headers, MutableHeaders

from localaws.cloudfront import compression
from localaws.cloudfront.body import Body
from localaws.cloudfront.cache import Cache, Entry, cache_tags
from localaws.cloudfront.distribution import CachePolicy
from localaws.cloudfront.freshness import Lifetime, lifetime
from localaws.cloudfront.key import CacheKey
from localaws.cloudfront.origins import IncompleteResponse, OriginResponse

HIT = "Hit from cloudfront"
MISS = "Miss from cloudfront"
REFRESH_HIT = "RefreshHit from cloudfront"

type Fetch = Callable[[Mapping[str, str]], Awaitable[OriginResponse]]
"""Requests an object from the origin, with the validators of the stored one."""


@dataclass(frozen=True)
class Rules:
    """The settings of a behavior that apply to an object."""

    policy: CachePolicy
    compress: bool
    error_caching_min_ttl: Callable[[int], float]
    cache_tag_header: str


@dataclass(frozen=True)
class Found:
    """A stored object, or a response of the origin that is not cached and serves one viewer."""

    x_cache: str
    entry: Entry | None = None
    uncached: OriginResponse | None = None


class Objects:
    """The cached objects of a distribution."""

    def __init__(self, cache: Cache, clock: Callable[[], float]) -> None:
        self._cache = cache
        self._clock = clock
        self._pending: dict[CacheKey, asyncio.Task[Found]] = {}
        self._tasks: set[asyncio.Task[object]] = set()

    async def get(self, key: CacheKey, rules: Rules, fetch: Fetch) -> Found:
        """Return the object. Of concurrent requests for a missing or expired object, only one goes to the origin."""
        entry, now = self._cache.get(key), self._clock()
        if entry is not None and entry.is_fresh(now):
            return Found(HIT, entry)
        if rules.policy.max_ttl == 0:
            return await self._fetch(key, rules, fetch, None)
        pending = self._pending.get(key)
        if entry is not None and entry.serves_while_revalidating(now):
            if pending is None:
                self._keep_reference(asyncio.create_task(_drain(self._start_fetch(key, rules, fetch, entry))))
            return Found(REFRESH_HIT, entry)
        if pending is None:
            return await asyncio.shield(self._start_fetch(key, rules, fetch, entry))
        found = await asyncio.shield(pending)
        if found.entry is not None:
            return Found(HIT, found.entry) if found.x_cache == MISS else found
        return await self._fetch(key, rules, fetch, None)

    def stored(self, key: CacheKey) -> Entry | None:
        """Return the stored object, fresh or expired. Its body may still be arriving."""
        return self._cache.get(key)

    def invalidate(self, items: Iterable[str]) -> None:
        """Remove the objects that match *items*. Pending responses serve only the requests that wait for them."""
        for item in items:
            self._cache.invalidate(item)
            self._pending.clear()

    def _start_fetch(self, key: CacheKey, rules: Rules, fetch: Fetch, entry: Entry | None) -> asyncio.Task[Found]:
        pending = asyncio.create_task(self._fetch(key, rules, fetch, entry))
        self._pending[key] = pending
        pending.add_done_callback(lambda _: self._pending.pop(key) if self._pending.get(key) is pending else None)
        return pending

    async def _fetch(self, key: CacheKey, rules: Rules, fetch: Fetch, stale: Entry | None) -> Found:
        response = await fetch(stale.validators if stale else {})
        status, now = response.status, self._clock()
        if stale and status >= 500 and stale.serves_on_error(now):
            stale.held_until = now + rules.error_caching_min_ttl(status)
            await response.close()
            return Found(REFRESH_HIT, stale)
        if stale and status == 304:
            stale.headers = _update_headers(stale.headers, response.headers)
            stale.lifetime = lifetime(stale.status, stale.headers, rules.policy, 0, now)
            stale.stored_at = now
            await response.close()
            return Found(REFRESH_HIT, stale)
        entry_lifetime = lifetime(status, response.headers, rules.policy, rules.error_caching_min_ttl(status), now)
        if entry_lifetime.storable and (response.length or 0) <= self._cache.capacity and self._can_store(key, rules):
            return Found(MISS, self._store(key, rules, response, entry_lifetime, now))
        return Found(MISS, uncached=response)

    def _can_store(self, key: CacheKey, rules: Rules) -> bool:
        """Return False if the object was invalidated while the response was pending."""
        return rules.policy.max_ttl == 0 or self._pending.get(key) is asyncio.current_task()

    def _store(
        self, key: CacheKey, rules: Rules, response: OriginResponse, entry_lifetime: Lifetime, now: float
    ) -> Entry:
        headers = response.headers
        validators = {
            condition: headers[validator]
            for condition, validator in (("if-none-match", "etag"), ("if-modified-since", "last-modified"))
            if validator in headers
        }
        tags = cache_tags(headers.get(rules.cache_tag_header)) if rules.cache_tag_header else frozenset[str]()
        if response.status != 206:
            key = replace(key, byte_range="")  # the origin ignored the range and sent the full object
        compressor = None
        if rules.compress:
            compressor = compression.compressor(key.encodings, response.status, headers)
        body = Body(None if compressor else response.length)
        if compressor:
            compression.update_headers(headers, key.encodings)
        entry = Entry(key, response.status, headers, body, entry_lifetime, now, validators, tags)
        self._cache.put(entry)
        self._keep_reference(asyncio.create_task(self._fill(entry, response, compressor)))
        return entry

    async def _fill(self, entry: Entry, response: OriginResponse, compressor: compression.Compressor | None) -> None:
        """Write the body at the origin's speed, independently of readers. Remove an incomplete object."""
        try:
            async for chunk in response:
                entry.body.write(compressor.compress(chunk) if compressor else chunk)
            if compressor:
                entry.body.write(compressor.flush())
        except (IncompleteResponse, OSError) as error:
            self._cache.remove(entry)
            entry.body.fail(error)
            return
        entry.body.finish()
        if self._cache.holds(entry):
            self._cache.put(entry)

    def _keep_reference(self, task: asyncio.Task[object] | asyncio.Task[None]) -> None:
        self._tasks.add(task)  # the loop has only a weak reference
        task.add_done_callback(self._tasks.discard)


def _update_headers(stored: Headers, fresh: Headers) -> Headers:
    """Return the stored headers, updated by those of a 304; RFC 9111, section 4.3.4."""
    updated = MutableHeaders(raw=list(stored.raw))
    for name in set(fresh.keys()) - {"content-length", "content-encoding", "etag"}:
        updated[name] = fresh[name]
    return updated


async def _drain(pending: asyncio.Task[Found]) -> None:
    found = await pending
    if found.uncached:
        await found.uncached.close()
