"""The response cache of an API Gateway stage: keys, time to live and capacity.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-caching.html
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

DEFAULT_TTL = 300
MAX_TTL = 3600
MAX_RESPONSE_BYTES = 1_048_576


@dataclass(frozen=True)
class Response:
    """A cached HTTP response."""

    status: int
    headers: dict[str, str | list[str]]
    body: bytes


@dataclass
class StageCache:
    """Responses by key. *capacity* is in bytes; a full cache evicts the least recently used response."""

    capacity: int
    clock: Callable[[], float] = time.monotonic
    _entries: OrderedDict[Hashable, tuple[float, Response]] = field(default_factory=OrderedDict)
    _size: int = 0

    def get(self, key: Hashable) -> Response | None:
        """Return the response, or None if it is absent or expired."""
        expires, response = self._entries.get(key, (0.0, None))
        if response is None:
            return None
        if expires <= self.clock():
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return response

    def put(self, key: Hashable, response: Response, ttl: float = DEFAULT_TTL) -> None:
        """Store a response for *ttl* seconds, at most an hour. Ignore it if it is larger than 1 MiB or *ttl* is 0."""
        if ttl <= 0 or len(response.body) > MAX_RESPONSE_BYTES:
            return
        self._remove(key)
        self._entries[key] = self.clock() + min(ttl, MAX_TTL), response
        self._size += len(response.body)
        while self._size > self.capacity:
            self._remove(next(iter(self._entries)))

    def flush(self) -> None:
        """Remove all responses."""
        self._entries.clear()
        self._size = 0

    def _remove(self, key: Hashable) -> None:
        if key in self._entries:
            _, response = self._entries.pop(key)
            self._size -= len(response.body)
