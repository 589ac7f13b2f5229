"""Buffers of records: a buffer is full at a size, and due at the age of its first record.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/buffering-hints.html
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field


@dataclass
class Buffer[T]:
    """The items of one key. *since* is the time of the first item, *share* the filled part of the buffer, up to 1."""

    since: float
    share: float = 0
    items: list[T] = field(default_factory=list)


class Buffers[K: Hashable, T]:
    """Buffers by key. Times are in seconds of any one clock; a share is an item's part of a full buffer."""

    def __init__(self) -> None:
        self._open: dict[K, Buffer[T]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: K) -> bool:
        return key in self._open

    def add(self, key: K, item: T, share: float, now: float) -> list[T] | None:
        """Add an item. Return the items of a buffer that is full now, or that had no room for this item."""
        buffer = self._open.get(key)
        full = None
        if buffer is not None and buffer.share + share > 1:
            full, buffer = buffer.items, None
        if buffer is None:
            buffer = self._open[key] = Buffer(now)
        buffer.items.append(item)
        buffer.share += share
        if full is None and buffer.share >= 1:
            return self._open.pop(key).items
        return full

    def pop_due(self, seconds: float, now: float) -> Iterator[tuple[K, list[T]]]:
        """Remove and yield the buffers whose first item is at least so many seconds old."""
        for key in [key for key, buffer in self._open.items() if now - buffer.since >= seconds]:
            yield key, self._open.pop(key).items

    def next_due(self, seconds: float) -> float:
        """Return the time at which the next buffer is due, or infinity."""
        return min((buffer.since for buffer in self._open.values()), default=float("inf")) + seconds
