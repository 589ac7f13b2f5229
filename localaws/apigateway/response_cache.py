"""The response cache of an API Gateway stage, and nothing but the cache: keys, time to live and capacity.

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
    status: int
    headers: dict[str, str | list[str]]
    body: bytes


@dataclass
class StageCache:
    """Responses by key, each for its time to live; the least recently used goes first when it is full."""

    capacity: int
    clock: Callable[[], float] = time.monotonic
    _entries: OrderedDict[Hashable, tuple[float, Response]] = field(default_factory=OrderedDict)
    _size: int = 0

    def get(self, key: Hashable) -> Response | None:
        expires, response = self._entries.get(key, (0.0, None))
        if response is None:
            return None
        if expires <= self.clock():
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return response

    def put(self, key: Hashable, response: Response, ttl: float = DEFAULT_TTL) -> None:
        if ttl <= 0 or len(response.body) > MAX_RESPONSE_BYTES:
            return
        self._remove(key)
        self._entries[key] = self.clock() + min(ttl, MAX_TTL), response
        self._size += len(response.body)
        while self._size > self.capacity:
            self._remove(next(iter(self._entries)))

    def flush(self) -> None:
        self._entries.clear()
        self._size = 0

    def _remove(self, key: Hashable) -> None:
        if key in self._entries:
            _, response = self._entries.pop(key)
            self._size -= len(response.body)
