"""The connections of clients to the emulator: what is sent at once, a turned clock, and the end of the emulator."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import select
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl

from localaws import connections, control_client, exchange, serve
from localaws.clock.client import turned


def test_an_idle_connection_stays_open_and_a_long_poll_does_not_delay_the_end(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor() as pool:
        with serve.emulator(tmp_path) as url:
            connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
            for _ in range(2):
                connection.request("GET", "/_localaws/clock")
                socket = connection.sock
                assert connection.getresponse().read()
                turned(url, 3600)
                assert not select.select([socket], [], [], 1)[0]  # the emulator closed nothing

            version = control_client.call(f"{url}/_localaws/changes?service=lambda&seen=&wait=0")
            seen = urllib.parse.quote(json.loads(version)["version"])
            poll = pool.submit(control_client.call, f"{url}/_localaws/changes?service=lambda&seen={seen}&wait=300")
            connection.request("GET", "/_localaws/clock")  # answered after the poll has begun
            assert connection.getresponse().read()

        assert isinstance(poll.exception(), OSError)  # the emulator ended first
    connection.close()


def test_a_short_response_arrives_at_once(emulator: str) -> None:
    address = urllib.parse.urlsplit(emulator)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port)) as connection:
        for _ in range(2):
            connection.sendall(b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")

            assert head.startswith(b"HTTP/1.1 200")
            assert json.loads(body)


seen: ContextVar[str] = ContextVar("seen", default="")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the names of the headers as they were sent, what the context knows, and the length of the body."""
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    names = [name.decode() for name, _ in scope["extensions"][connections.SENT_HEADERS]]
    answer = json.dumps({"names": names, "seen": seen.get(), "length": len(body)}).encode()
    seen.set(scope["path"])
    length = len(answer) + (scope["path"] == "/wrong")
    told = [(b"Content-Length", str(length).encode())] if scope["path"] != "/chunked" else []
    start: Message = {"type": "http.response.start", "status": 200, "headers": [(b"X-Amzn-RequestId", b"1"), *told]}
    await send(start)
    await send({"type": "http.response.body", "body": answer[:5], "more_body": True})
    await send({"type": "http.response.body", "body": answer[5:]})


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[http.client.HTTPConnection]:
    """Return a connection to a server whose application is `echo`."""
    monkeypatch.setattr(httptools_impl, "RequestResponseCycle", exchange.Exchange)
    with served() as port, socket_closed(http.client.HTTPConnection("127.0.0.1", port, timeout=90)) as opened:
        yield opened


@contextmanager
def socket_closed(opened: http.client.HTTPConnection) -> Iterator[http.client.HTTPConnection]:
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def served() -> Iterator[int]:
    server = connections.server(echo)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def answered(connection: http.client.HTTPConnection, method: str, path: str, **request: Any) -> Any:
    connection.request(method, path, **request)
    answer = connection.getresponse()
    return answer, answer.read()


def test_headers_keep_their_names(connection: http.client.HTTPConnection) -> None:
    answer, body = answered(connection, "GET", "/", headers={"X-Mine": "1"})

    assert "X-Mine" in json.loads(body)["names"]
    assert ("X-Amzn-RequestId", "1") in answer.getheaders()


def test_a_request_knows_nothing_of_the_one_before_it(connection: http.client.HTTPConnection) -> None:
    sent = 300_000  # reading pauses while the application has not taken it

    answered(connection, "PUT", "/first", body=b"." * sent)
    _, body = answered(connection, "GET", "/second")
    _, large = answered(connection, "PUT", "/third", body=b"." * sent)

    assert (json.loads(body)["seen"], json.loads(large)["seen"], json.loads(large)["length"]) == ("", "", sent)


def test_a_body_without_a_length_is_sent_in_chunks(connection: http.client.HTTPConnection) -> None:
    answer, body = answered(connection, "GET", "/chunked")
    _, next_body = answered(connection, "GET", "/")

    assert answer.getheader("Transfer-Encoding") == "chunked"
    assert json.loads(body)["seen"] == json.loads(next_body)["seen"] == ""


class Transport:
    """Notes what is written."""

    def __init__(self) -> None:
        self.written: list[object] = []

    def write(self, data: object) -> None:
        self.written.append(data)


async def written(*parts: bytes) -> list[object]:
    """Return what is written for a response with these parts, without the head's text."""
    transport: Any = Transport()
    cycle = exchange.Exchange(
        scope={"method": "GET", "http_version": "1.1"},  # type: ignore[typeddict-item]
        transport=transport,
        flow=FlowControl(transport),
        logger=logging.getLogger(),
        access_logger=logging.getLogger(),
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )
    length = str(sum(map(len, parts))).encode()
    await cycle.send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    for number, part in enumerate(parts, 1):
        await cycle.send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})
    return transport.written  # type: ignore[no-any-return]


def test_a_short_part_is_written_with_the_head_and_a_long_one_without_a_copy() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
    long = bytes(100_000)

    assert asyncio.run(written(b"short")) == [head % 5 + b"short"]
    assert asyncio.run(written(b"", b"short")) == [head % 5, b"short"]
    first, second = asyncio.run(written(long))
    assert first == head % len(long)
    assert second is long


def test_the_answer_to_head_has_no_body(connection: http.client.HTTPConnection) -> None:
    answer, body = answered(connection, "HEAD", "/")
    _, next_body = answered(connection, "GET", "/")

    assert int(answer.getheader("Content-Length") or 0) > 0
    assert (body, bool(next_body)) == (b"", True)


def test_a_body_of_another_length_closes_the_connection(connection: http.client.HTTPConnection) -> None:
    with pytest.raises(http.client.IncompleteRead):
        answered(connection, "GET", "/wrong")
