"""The body of an object while it arrives: one writer, and any number of concurrent readers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile

BLOCK = 1 << 20
BLOCKS_IN_MEMORY = 16
AREA = 64 * BLOCK
"""Bytes of the file in one memory mapping. Each mapping uses a file descriptor, so a mapping holds many blocks."""


class Body:
    """Bytes in blocks with a fixed position, so that readers get views and nothing is copied.

    The first blocks are in memory. The others are in an unnamed temporary file, cached by the operating system.
    """

    def __init__(self, length: int | None = None) -> None:
        self.length = length
        """From Content-Length, or None until the body is complete."""
        self.size = 0
        self.complete = False
        self._failure: Exception | None = None
        self._blocks: list[bytearray | memoryview] = []
        self._file = -1
        self._area = memoryview(b"")
        self._grown = asyncio.Event()

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def write(self, data: bytes) -> None:
        """Append *data*. Raises OSError if the disk is full."""
        view = memoryview(data)
        while view:
            used = self.size % BLOCK
            if used == 0:
                self._blocks.append(self._new_block())
            taken = min(len(view), BLOCK - used)
            self._put(used, view[:taken])
            self.size += taken
            view = view[taken:]
        self._wake()

    def finish(self) -> None:
        """Mark the body as complete."""
        if self._blocks and isinstance(last := self._blocks[-1], bytearray) and self.size % BLOCK:
            self._blocks[-1] = last[: self.size % BLOCK]
        self.length = self.size
        self.complete = True
        self._wake()

    def fail(self, failure: Exception) -> None:
        """Raise *failure* in readers that reach the last written byte."""
        self._failure = failure
        self._wake()

    async def read(self, first: int = 0, after: int | None = None) -> AsyncIterator[memoryview]:
        """Yield the bytes from *first* up to, not including, *after*, as soon as they are written."""
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

    def _new_block(self) -> bytearray | memoryview:
        place = (len(self._blocks) - BLOCKS_IN_MEMORY) * BLOCK
        if place < 0:
            return bytearray(BLOCK)
        if self._file < 0:
            with TemporaryFile() as file:
                self._file = os.dup(file.fileno())
        within = place % AREA
        if within == 0:
            os.ftruncate(self._file, place + AREA)
            self._area = memoryview(mmap(self._file, AREA, access=ACCESS_READ, offset=place))
        return self._area[within : within + BLOCK]

    def _put(self, used: int, data: memoryview) -> None:
        block = self._blocks[-1]
        if isinstance(block, bytearray):
            block[used : used + len(data)] = data
            return
        # pwrite raises OSError if the disk is full; a write to a mapping would kill the process.
        place = (len(self._blocks) - 1 - BLOCKS_IN_MEMORY) * BLOCK + used
        while data:
            written = os.pwrite(self._file, data, place)
            data, place = data[written:], place + written

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
