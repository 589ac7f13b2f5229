"""An HTTP server of uvicorn that waits for its end, instead of looking ten times a second whether it has come."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class Server(uvicorn.Server):
    """Runs until ``should_exit`` is set. It handles no signals: whoever starts it does."""

    _exit = False
    _loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, config: uvicorn.Config) -> None:
        self._exiting = asyncio.Event()
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        return self._exit

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._exit = value
        if value and self._loop:
            self._loop.call_soon_threadsafe(self._exiting.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        if not await self.on_tick(0):  # sets the headers of all answers
            await self._exiting.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
