"""Where records wait, by key, until there are enough of them or the first has waited long enough.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/buffering-hints.html
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field


@dataclass
class Buffer[T]:
    since: float
    share: float = 0
    items: list[T] = field(default_factory=list)


class Buffers[K: Hashable, T]:
    """Buffers of one kind; times are seconds of one clock, shares are parts of a full buffer."""

    def __init__(self) -> None:
        self._open: dict[K, Buffer[T]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: K) -> bool:
        return key in self._open

    def add(self, key: K, item: T, share: float, now: float) -> list[T] | None:
        """Take in the item; return what is full then, which it may just have been too large to join."""
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

    def aged(self, seconds: float, now: float) -> Iterator[tuple[K, list[T]]]:
        """Take out what has waited so long."""
        for key in [key for key, buffer in self._open.items() if now - buffer.since >= seconds]:
            yield key, self._open.pop(key).items

    def next_due(self, seconds: float) -> float:
        """Return when the next buffer will have waited so long."""
        return min((buffer.since for buffer in self._open.values()), default=float("inf")) + seconds
