"""A fleet of lightweight clients: each polls the index, downloads a new release, and checks its hash.

They poll with jitter and conditional requests. Some lose the connection during a download and resume it with a range.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

POLL = 1.0
"""Mean seconds between two polls of a client; the actual time is between half of it and one and a half times it."""
INTERRUPTED = 0.2
"""The share of clients that lose their connection during the download."""
_CHUNK = 1 << 18


class Address(NamedTuple):
    """The loopback port to connect to, and the Host header to send."""

    port: int
    host: str


class Failed(Exception):
    """A response was wrong or incomplete; the client retries."""


@dataclass
class Tally:
    """Counts and times of all clients for one release; times are seconds since the release."""

    began: float = field(default_factory=time.monotonic)
    polls: int = 0
    requests: int = 0
    received: int = 0
    resumed: int = 0
    failures: int = 0
    seen: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    wrong: int = 0

    def now(self) -> float:
        return time.monotonic() - self.began


@dataclass
class _Answer:
    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader

    async def chunks(self) -> AsyncIterator[bytes]:
        left = int(self.headers.get("content-length", 0))
        while left:
            chunk = await self.reader.read(min(left, _CHUNK))
            if not chunk:
                raise Failed("the body is incomplete")
            left -= len(chunk)
            yield chunk


async def run(address: Address, version: str, count: int, tally: Tally) -> None:
    """Run *count* clients that wait for *version* and download it."""
    async with asyncio.TaskGroup() as clients:
        for number in range(count):
            clients.create_task(_client(address, version, tally, random.Random(number)))  # noqa: S311  # the same in each run


async def _client(address: Address, version: str, tally: Tally, chance: random.Random) -> None:
    release = await _poll(address, version, tally, chance)
    tally.seen.append(tally.now())
    url, size = release["url"], release["size"]
    cuts = iter([int(size * chance.uniform(0.1, 0.9))] if chance.random() < INTERRUPTED else [])
    got, digest, etag = 0, hashlib.sha256(), ""
    while got < size:
        condition = {"Range": f"bytes={got}-", "If-Range": etag} if got else {}
        try:
            async with _request(address, url, condition, tally) as answer:
                if answer.status not in (200, 206):
                    raise Failed(f"{answer.status}")
                if answer.status == 200:
                    got, digest = 0, hashlib.sha256()
                etag = answer.headers["etag"]
                got = await _receive(answer, got, digest, next(cuts, None), tally)
        except (Failed, OSError, asyncio.IncompleteReadError):
            tally.failures += 1
            await asyncio.sleep(chance.uniform(0.1, 1))
    tally.wrong += digest.hexdigest() != release["sha256"]
    tally.done.append(tally.now())


async def _poll(address: Address, version: str, tally: Tally, chance: random.Random) -> dict[str, Any]:
    """Poll the index until it has *version*; return that release."""
    etag = ""
    await asyncio.sleep(chance.uniform(0, POLL))
    while True:
        tally.polls += 1
        try:
            async with _request(
                address, "/releases/index.json?channel=stable", {"If-None-Match": etag} if etag else {}, tally
            ) as answer:
                body = b"".join([chunk async for chunk in answer.chunks()]) if answer.status == 200 else b""
        except (Failed, OSError, asyncio.IncompleteReadError):
            tally.failures += 1
            body = b""
        if body:
            newest: dict[str, Any] = json.loads(body)["releases"][0]
            etag = answer.headers["etag"]
            if newest["version"] == version:
                return newest
        await asyncio.sleep(POLL * chance.uniform(0.5, 1.5))


async def _receive(answer: _Answer, got: int, digest: hashlib._Hash, cut: int | None, tally: Tally) -> int:
    """Hash the body, up to *cut* bytes if the connection is to be lost there; return the bytes received in total."""
    async for chunk in answer.chunks():
        digest.update(chunk)
        got += len(chunk)
        tally.received += len(chunk)
        if cut is not None and got >= cut:
            tally.resumed += 1
            break
    return got


@asynccontextmanager
async def _request(address: Address, path: str, headers: dict[str, str], tally: Tally) -> AsyncIterator[_Answer]:
    tally.requests += 1
    reader, writer = await asyncio.open_connection("127.0.0.1", address.port, limit=2 * _CHUNK)
    try:
        lines = [f"GET {path} HTTP/1.1", f"Host: {address.host}", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        yield _Answer(int(head.split(" ", 2)[1]), dict(_fields(head)), reader)
    finally:
        writer.close()


def _fields(head: str) -> Iterator[tuple[str, str]]:
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        yield name.lower(), value.strip()
