"""The connections of clients to the emulator: what is sent at once, a turned clock, and the end of the emulator."""

from __future__ import annotations

import http.client
import json
import select
import socket
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localaws import control_client, serve
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
