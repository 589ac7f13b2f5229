"""A signal that wakes coroutines, from any thread."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from threading import Timer


class Signal:
    """Tells those that wait that there is news. Each piece of news gives the signal another `version`."""

    def __init__(self) -> None:
        self._start, self._numbers = uuid.uuid4().hex, itertools.count()
        self._waiting: set[asyncio.Future[None]] = set()
        self.version = self._next()

    def notify(self) -> None:
        """Wake all that wait."""
        self.version = self._next()
        for future in list(self._waiting):
            future.get_loop().call_soon_threadsafe(_wake, future)

    def notify_after(self, seconds: float) -> None:
        """Wake all that wait after *seconds* from now."""
        timer = Timer(seconds, self.notify)
        timer.daemon = True
        timer.start()

    async def wait(self, version: str, seconds: float) -> bool:
        """Wait until the version is another than *version*, at most *seconds*. Return whether it is."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)  # before the version is read: news from another thread is not missed
        try:
            if self.version == version:
                async with asyncio.timeout(seconds):
                    await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True

    def _next(self) -> str:
        return f"{self._start}-{next(self._numbers)}"


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
