"""An object from the cache or the origin: collapsed, revalidated, and served stale where CloudFront serves it stale.

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
from localaws.cloudfront.key import Key
from localaws.cloudfront.origins import BrokenOff, OriginResponse

HIT = "Hit from cloudfront"
MISS = "Miss from cloudfront"
REFRESH_HIT = "RefreshHit from cloudfront"

type Ask = Callable[[Mapping[str, str]], Awaitable[OriginResponse]]
"""Asks the origin for an object as it is kept, with the validators of the stored one if there is one."""


@dataclass(frozen=True)
class Rules:
    """What the behavior says of one object."""

    policy: CachePolicy
    compress: bool
    error_caching_min_ttl: Callable[[int], float]
    cache_tag_header: str


@dataclass(frozen=True)
class Found:
    """A stored object, or the origin's answer that is for one viewer alone."""

    x_cache: str
    entry: Entry | None = None
    alone: OriginResponse | None = None


class Objects:
    def __init__(self, cache: Cache, clock: Callable[[], float]) -> None:
        self._cache = cache
        self._clock = clock
        self._flights: dict[Key, asyncio.Task[Found]] = {}
        self._tasks: set[asyncio.Task[object]] = set()

    async def get(self, key: Key, rules: Rules, ask: Ask) -> Found:
        """Return the object; of concurrent requests for one that is not there or has expired, one asks the origin."""
        entry, now = self._cache.get(key), self._clock()
        if entry is not None and entry.is_fresh(now):
            return Found(HIT, entry)
        if rules.policy.max_ttl == 0:
            return await self._fetch(key, rules, ask, None)
        flight = self._flights.get(key)
        if entry is not None and entry.serves_while_revalidating(now):
            if flight is None:
                self._keep(asyncio.create_task(_drain(self._fly(key, rules, ask, entry))))
            return Found(REFRESH_HIT, entry)
        if flight is None:
            return await asyncio.shield(self._fly(key, rules, ask, entry))
        found = await asyncio.shield(flight)
        if found.entry is not None:
            return Found(HIT, found.entry) if found.x_cache == MISS else found
        return await self._fetch(key, rules, ask, None)

    def whole(self, key: Key) -> Entry | None:
        """Return what is here of the object, perhaps still arriving."""
        return self._cache.get(key)

    def invalidate(self, items: Iterable[str]) -> None:
        """Forget what *items* mean; what is on its way now serves those who wait for it, and nobody later."""
        for item in items:
            self._cache.invalidate(item)
            self._flights.clear()

    def _fly(self, key: Key, rules: Rules, ask: Ask, entry: Entry | None) -> asyncio.Task[Found]:
        flight = asyncio.create_task(self._fetch(key, rules, ask, entry))
        self._flights[key] = flight
        flight.add_done_callback(lambda _: self._flights.pop(key) if self._flights.get(key) is flight else None)
        return flight

    async def _fetch(self, key: Key, rules: Rules, ask: Ask, stale: Entry | None) -> Found:
        response = await ask(stale.validators if stale else {})
        status, now = response.status, self._clock()
        if stale and status >= 500 and stale.serves_on_error(now):
            stale.held_until = now + rules.error_caching_min_ttl(status)
            await response.close()
            return Found(REFRESH_HIT, stale)
        if stale and status == 304:
            stale.headers = _updated(stale.headers, response.headers)
            stale.lifetime = lifetime(stale.status, stale.headers, rules.policy, 0, now)
            stale.stored_at = now
            await response.close()
            return Found(REFRESH_HIT, stale)
        life = lifetime(status, response.headers, rules.policy, rules.error_caching_min_ttl(status), now)
        if life.storable and (response.length or 0) <= self._cache.capacity and self._may_store(key, rules):
            return Found(MISS, self._store(key, rules, response, life, now))
        return Found(MISS, alone=response)

    def _may_store(self, key: Key, rules: Rules) -> bool:
        """An answer that was on its way when its path was invalidated is not kept."""
        return rules.policy.max_ttl == 0 or self._flights.get(key) is asyncio.current_task()

    def _store(self, key: Key, rules: Rules, response: OriginResponse, life: Lifetime, now: float) -> Entry:
        headers = response.headers
        validators = {
            condition: headers[validator]
            for condition, validator in (("if-none-match", "etag"), ("if-modified-since", "last-modified"))
            if validator in headers
        }
        tags = cache_tags(headers.get(rules.cache_tag_header)) if rules.cache_tag_header else frozenset[str]()
        if response.status != 206:
            key = replace(key, part="")  # a range was asked for, and the origin answers with the whole
        compressor = None
        if rules.compress:
            compressor = compression.compressor(key.encodings, response.status, headers)
        body = Body(None if compressor else response.length)
        if compressor:
            compression.mark(headers, key.encodings)
        entry = Entry(key, response.status, headers, body, life, now, validators, tags)
        self._cache.put(entry)
        self._keep(asyncio.create_task(self._fill(entry, response, compressor)))
        return entry

    async def _fill(self, entry: Entry, response: OriginResponse, compressor: compression.Compressor | None) -> None:
        """Let the object arrive at the origin's pace, whoever reads it; one that stays incomplete is not kept."""
        try:
            async for chunk in response:
                entry.body.write(compressor.compress(chunk) if compressor else chunk)
            if compressor:
                entry.body.write(compressor.flush())
        except (BrokenOff, OSError) as error:
            self._cache.remove(entry)
            entry.body.fail(error)
            return
        entry.body.finish()
        if self._cache.holds(entry):
            self._cache.put(entry)

    def _keep(self, task: asyncio.Task[object] | asyncio.Task[None]) -> None:
        self._tasks.add(task)  # the loop has only a weak reference
        task.add_done_callback(self._tasks.discard)


def _updated(stored: Headers, fresh: Headers) -> Headers:
    """RFC 9111, section 4.3.4: the headers of a 304 update those that are stored."""
    updated = MutableHeaders(raw=list(stored.raw))
    for name in set(fresh.keys()) - {"content-length", "content-encoding", "etag"}:
        updated[name] = fresh[name]
    return updated


async def _drain(flight: asyncio.Task[Found]) -> None:
    found = await flight
    if found.alone:
        await found.alone.close()
