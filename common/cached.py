"""A value that is read once and again from time to time, and survives failures of its source."""

from __future__ import annotations

import time
from collections.abc import Callable

from common.errors import ServiceUnavailable


class Cached[T]:
    """The value that *read* returns, kept for *max_age* seconds.

    The value is read on first use, and again on the first use after *max_age* seconds. While *read* raises
    ServiceUnavailable, the stale value stays in use, as with ``stale-if-error`` (RFC 5861, section 4).
    """

    def __init__(self, read: Callable[[], T], max_age: float = 60, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._max_age = max_age
        self._clock = clock
        self._known: tuple[T] | None = None
        self._expires_at = 0.0

    def value(self) -> T:
        """Return the value. Raises ServiceUnavailable when it was never read and cannot be read now."""
        if self._known is not None and self._clock() < self._expires_at:
            return self._known[0]
        try:
            return self.put(self._read())
        except ServiceUnavailable:
            if self._known is None:
                raise
            return self.put(self._known[0])

    def put(self, value: T) -> T:
        """Store *value* as if it had just been read, and return it."""
        self._known = (value,)
        self._expires_at = self._clock() + self._max_age
        return value

    def expire(self) -> None:
        """Read the value again on its next use."""
        self._expires_at = self._clock()
