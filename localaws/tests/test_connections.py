"""The connections of clients to the emulator, while its clock is turned and when it ends."""

from __future__ import annotations

import http.client
import json
import select
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
