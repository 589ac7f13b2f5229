"""The bytes of an object as they arrive: one writer, and any number of readers that need not wait for the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

BLOCK = 1 << 20


class Body:
    """Bytes in blocks that never move, so that readers get views of them and nothing is copied."""

    def __init__(self, length: int | None = None) -> None:
        self.length = length
        """Known from the start by Content-Length, else when all has arrived."""
        self.size = 0
        self.complete = False
        self._failure: Exception | None = None
        self._blocks: list[bytearray] = []
        self._grown = asyncio.Event()

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            used = self.size % BLOCK
            if used == 0:
                self._blocks.append(bytearray(BLOCK))
            taken = min(len(view), BLOCK - used)
            self._blocks[-1][used : used + taken] = view[:taken]
            self.size += taken
            view = view[taken:]
        self._wake()

    def finish(self) -> None:
        if self._blocks and self.size % BLOCK:
            self._blocks[-1] = self._blocks[-1][: self.size % BLOCK]
        self.length = self.size
        self.complete = True
        self._wake()

    def fail(self, failure: Exception) -> None:
        self._failure = failure
        self._wake()

    async def read(self, first: int = 0, after: int | None = None) -> AsyncIterator[memoryview]:
        """Yield the bytes from *first* to before *after*, each as soon as it is there."""
        while after is None or first < after:
            if first < self.size:
                block, start = divmod(first, BLOCK)
                stop = min(BLOCK, start + min(self.size, after or self.size) - first)
                yield memoryview(self._blocks[block])[start:stop]
                first += stop - start
            elif self._failure:
                raise self._failure
            elif self.complete:
                return
            else:
                await self._grown.wait()

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
