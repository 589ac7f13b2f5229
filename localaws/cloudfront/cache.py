"""The cache of one distribution: objects by cache key, with invalidation by path or cache tag and LRU eviction.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-objects.html
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-tags.html
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from starlette.datastructures import Headers

from localaws.cloudfront.body import Body
from localaws.cloudfront.freshness import Lifetime
from localaws.cloudfront.key import CacheKey

MAX_TAGS = 50


@dataclass
class Entry:
    """A cached response of the origin. Its body may still be arriving. Times are in epoch seconds."""

    key: CacheKey
    status: int
    headers: Headers
    body: Body
    lifetime: Lifetime
    stored_at: float
    validators: dict[str, str]
    """The request headers for a conditional request to the origin."""
    tags: frozenset[str] = frozenset()
    held_until: float = 0
    """After an origin error, the expired object is served without a new request to the origin until this time."""

    def is_fresh(self, now: float) -> bool:
        return now < self.held_until or now - self.stored_at < self.lifetime.fresh

    def serves_while_revalidating(self, now: float) -> bool:
        return now - self.stored_at < self.lifetime.fresh + self.lifetime.while_revalidate

    def serves_on_error(self, now: float) -> bool:
        return now - self.stored_at < self.lifetime.fresh + self.lifetime.if_error

    def age(self, now: float) -> int:
        """Return the value of the Age header; RFC 9111, section 4.2.3."""
        given = self.headers.get("age", "")
        return (int(given) if given.isdecimal() else 0) + int(now - self.stored_at)

    def matches(self, item: str) -> bool:
        """Return whether an item of an invalidation batch matches: a `#tag`, a path, or a path that ends with `*`."""
        if item.startswith("#"):
            return item[1:].casefold() in self.tags
        item = "/" + item.removeprefix("/")
        path = f"{self.key.path}?{self.key.query}" if self.key.query else self.key.path
        return path.startswith(item[:-1]) if item.endswith("*") else path == item


class Cache:
    """Entries by key. *capacity* is in bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: OrderedDict[CacheKey, Entry] = OrderedDict()
        self._sizes: dict[CacheKey, int] = {}
        self._size = 0

    def get(self, key: CacheKey) -> Entry | None:
        """Return the entry, fresh or expired, and mark it as recently used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, entry: Entry) -> None:
        """Store *entry*, or update its size. Evict the least recently used entries beyond the capacity."""
        self._drop(entry.key)
        size = entry.body.size if entry.body.length is None else entry.body.length
        self._entries[entry.key], self._sizes[entry.key] = entry, size
        self._size += size
        while self._size > self.capacity:
            self._drop(next(iter(self._entries)))

    def remove(self, entry: Entry) -> None:
        """Remove *entry* unless another one has replaced it."""
        if self.holds(entry):
            self._drop(entry.key)

    def holds(self, entry: Entry) -> bool:
        """Return whether *entry* is still stored."""
        return self._entries.get(entry.key) is entry

    def invalidate(self, item: str) -> None:
        """Remove all entries that match an item of an invalidation batch."""
        for entry in [entry for entry in self._entries.values() if entry.matches(item)]:
            self._drop(entry.key)

    def _drop(self, key: CacheKey) -> None:
        if self._entries.pop(key, None) is not None:
            self._size -= self._sizes.pop(key)


def cache_tags(header: str | None) -> frozenset[str]:
    """Return the first 50 tags of the header, case-folded because tags are case-insensitive."""
    return frozenset(tag.strip().casefold() for tag in (header or "").split(",")[:MAX_TAGS] if tag.strip())
