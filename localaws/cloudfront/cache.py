"""The objects of one distribution in memory: found by key, dropped by path or cache tag, the least recently used first.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-objects.html
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-tags.html
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from starlette.datastructures import Headers

from localaws.cloudfront.body import Body
from localaws.cloudfront.freshness import Lifetime
from localaws.cloudfront.key import Key

MAX_TAGS = 50


@dataclass
class Entry:
    """A response of the origin, perhaps still arriving."""

    key: Key
    status: int
    headers: Headers
    body: Body
    lifetime: Lifetime
    stored_at: float
    validators: dict[str, str]
    """The request headers that ask the origin whether this object has changed."""
    tags: frozenset[str] = frozenset()
    held_until: float = 0
    """An expired object that was served on an error is served until then before the origin is asked again."""

    def is_fresh(self, now: float) -> bool:
        return now < self.held_until or now - self.stored_at < self.lifetime.fresh

    def serves_while_revalidating(self, now: float) -> bool:
        return now - self.stored_at < self.lifetime.fresh + self.lifetime.while_revalidate

    def serves_on_error(self, now: float) -> bool:
        return now - self.stored_at < self.lifetime.fresh + self.lifetime.if_error

    def age(self, now: float) -> int:
        """RFC 9111, section 4.2.3."""
        given = self.headers.get("age", "")
        return (int(given) if given.isdecimal() else 0) + int(now - self.stored_at)

    def matches(self, item: str) -> bool:
        """Whether an item of an invalidation batch means this object: a `#tag`, a path, or a path up to `*`."""
        if item.startswith("#"):
            return item[1:].casefold() in self.tags
        item = "/" + item.removeprefix("/")
        path = f"{self.key.path}?{self.key.query}" if self.key.query else self.key.path
        return path.startswith(item[:-1]) if item.endswith("*") else path == item


class Cache:
    """Entries by key, within a number of bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._sizes: dict[Key, int] = {}
        self._size = 0

    def get(self, key: Key) -> Entry | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, entry: Entry) -> None:
        """Store *entry*, or take note of its size now that it has one."""
        self._drop(entry.key)
        size = entry.body.size if entry.body.length is None else entry.body.length
        self._entries[entry.key], self._sizes[entry.key] = entry, size
        self._size += size
        while self._size > self.capacity:
            self._drop(next(iter(self._entries)))

    def remove(self, entry: Entry) -> None:
        if self.holds(entry):
            self._drop(entry.key)

    def holds(self, entry: Entry) -> bool:
        return self._entries.get(entry.key) is entry

    def invalidate(self, item: str) -> None:
        for entry in [entry for entry in self._entries.values() if entry.matches(item)]:
            self._drop(entry.key)

    def _drop(self, key: Key) -> None:
        if self._entries.pop(key, None) is not None:
            self._size -= self._sizes.pop(key)


def cache_tags(header: str | None) -> frozenset[str]:
    """Return the first 50 tags, which are told apart without case."""
    return frozenset(tag.strip().casefold() for tag in (header or "").split(",")[:MAX_TAGS] if tag.strip())
