"""Ranges of large objects that are not cached: fetched in segments of one version, over HTTP."""

from __future__ import annotations

import asyncio
import http.server
import os
import random
import re
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import boto3
import httpx
import pytest

from localaws.cloudfront.__main__ import server
from localaws.cloudfront.body import AREA, BLOCK, BLOCKS_IN_MEMORY, Body
from localaws.cloudfront.edge import edge
from localaws.cloudfront.segments import SEGMENT

CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
CONTENT = random.Random(1).randbytes(3 * SEGMENT - 1000)


class LargeOrigin(http.server.ThreadingHTTPServer):
    """An HTTP server with one large object at every path. It logs requests, and ignores ranges below `/whole`."""

    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.etag = '"1"'
        self.requested: list[tuple[str, str]] = []
        self.held = threading.Event()
        self.held.set()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def ranges(self, path: str) -> list[str]:
        return [range for requested, range in self.requested if requested == path]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: LargeOrigin

    def do_GET(self) -> None:
        requested = self.headers.get("range", "")
        self.server.requested.append((self.path, requested))
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", requested)
        first, last = (int(found[1]), min(int(found[2]), len(CONTENT) - 1)) if found else (0, len(CONTENT) - 1)
        if found and not self.path.startswith("/whole") and first < len(CONTENT):
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(CONTENT)}")
        else:
            self.send_response(200)
            first, last = 0, len(CONTENT) - 1
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("ETag", self.server.etag)
        self.end_headers()
        self.wfile.write(CONTENT[first : first + 100_000])
        self.server.held.wait(90)
        self.wfile.write(CONTENT[first + 100_000 : last + 1])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def origin() -> Iterator[LargeOrigin]:
    origin = LargeOrigin()
    yield origin
    origin.shutdown()
    origin.server_close()


@pytest.fixture(scope="module")
def url(emulator: str, origin: LargeOrigin, free_port: Callable[[], int]) -> Iterator[str]:
    os.environ["AWS_ENDPOINT_URL"] = emulator
    custom = {"HTTPPort": origin.server_port, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}
    made = boto3.client("cloudfront").create_distribution(
        DistributionConfig={
            "CallerReference": str(time.time()),
            "Comment": "",
            "Enabled": True,
            "Origins": {
                "Quantity": 1,
                "Items": [{"Id": "web", "DomainName": "127.0.0.1", "CustomOriginConfig": custom}],
            },
            "DefaultCacheBehavior": {
                "TargetOriginId": "web",
                "ViewerProtocolPolicy": "allow-all",
                "CachePolicyId": CACHING_OPTIMIZED,
            },
        }
    )["Distribution"]
    port = free_port()
    serving = server(edge(made["Id"]), port)
    thread = threading.Thread(target=serving.run)
    thread.start()
    while not serving.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    serving.should_exit = True
    thread.join()
    del os.environ["AWS_ENDPOINT_URL"]


def get(address: str, **headers: str) -> httpx.Response:
    return httpx.get(address, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_far_range_fetches_only_its_segment(url: str, origin: LargeOrigin) -> None:
    first = 2 * SEGMENT + 5000

    far = get(f"{url}/far", range=f"bytes={first}-{first + 9}")
    near = get(f"{url}/far", range=f"bytes={first + 100}-")

    assert (far.status_code, far.content) == (206, CONTENT[first : first + 10])
    assert far.headers["content-range"] == f"bytes {first}-{first + 9}/{len(CONTENT)}"
    assert (near.content, near.headers["x-cache"]) == (CONTENT[first + 100 :], "Hit from cloudfront")
    assert origin.ranges("/far") == [f"bytes={2 * SEGMENT}-{3 * SEGMENT - 1}"]


def test_a_range_over_several_segments_is_one_response(url: str, origin: LargeOrigin) -> None:
    answer = get(f"{url}/over", range=f"bytes={SEGMENT + 7}-")

    assert (answer.status_code, answer.content) == (206, CONTENT[SEGMENT + 7 :])
    assert len(origin.ranges("/over")) == 2


def test_a_suffix_fetches_its_segment_and_one_byte(url: str, origin: LargeOrigin) -> None:
    answer = get(f"{url}/suffix", range="bytes=-10")

    assert (answer.status_code, answer.content) == (206, CONTENT[-10:])
    assert origin.ranges("/suffix") == ["bytes=0-0", f"bytes={2 * SEGMENT}-{3 * SEGMENT - 1}"]


def test_several_far_ranges_are_one_multipart_response(url: str) -> None:
    first = 2 * SEGMENT

    answer = get(f"{url}/several", range=f"bytes={first}-{first + 9},{first + 100}-{first + 109}")

    assert answer.status_code == 206
    boundary = answer.headers["content-type"].removeprefix("multipart/byteranges; boundary=").encode()
    parts = [part.partition(b"\r\n\r\n")[2][:-2] for part in answer.content.split(b"--" + boundary)[1:-1]]
    assert parts == [CONTENT[first : first + 10], CONTENT[first + 100 : first + 110]]


def test_concurrent_requests_for_a_segment_are_collapsed(url: str, origin: LargeOrigin) -> None:
    async def read_all() -> set[bytes]:
        async with httpx.AsyncClient() as client:
            headers = {"Range": f"bytes={SEGMENT * 2 - 50}-{SEGMENT * 2 - 1}"}
            answers = await asyncio.gather(*(client.get(f"{url}/at-once", headers=headers) for _ in range(50)))
        return {answer.content for answer in answers}

    assert asyncio.run(read_all()) == {CONTENT[SEGMENT * 2 - 50 : SEGMENT * 2]}
    assert len(origin.ranges("/at-once")) == 1


def test_an_origin_without_range_support_sends_the_full_object_once(url: str, origin: LargeOrigin) -> None:
    for _ in range(2):
        answer = get(f"{url}/whole", range=f"bytes={2 * SEGMENT}-{2 * SEGMENT + 9}")
        assert (answer.status_code, answer.content) == (206, CONTENT[2 * SEGMENT : 2 * SEGMENT + 10])

    assert len(origin.ranges("/whole")) == 1


def test_a_range_beyond_the_end_cannot_be_satisfied(url: str) -> None:
    answer = get(f"{url}/beyond", range=f"bytes={4 * SEGMENT}-")

    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")


def test_a_far_range_does_not_wait_for_a_slow_beginning(url: str, origin: LargeOrigin) -> None:
    origin.held.clear()
    with httpx.stream("GET", f"{url}/slow") as whole:
        chunks = whole.iter_raw()
        next(chunks)  # the full object has started to arrive, and is held
        first = 2 * SEGMENT

        far = get(f"{url}/slow", range=f"bytes={first}-{first + 9}")

        assert far.content == CONTENT[first : first + 10]
        origin.held.set()


def test_a_download_fails_if_the_next_segment_is_of_another_version(url: str, origin: LargeOrigin) -> None:
    first = SEGMENT + 7
    with httpx.stream("GET", f"{url}/mixed", headers={"Range": f"bytes={first}-{first}"}) as begun:
        begun.read()  # the segment with this byte is cached now
    origin.etag = '"2"'

    with pytest.raises(httpx.RemoteProtocolError):
        get(f"{url}/mixed", range=f"bytes={first}-")

    again = get(f"{url}/mixed-2", range=f"bytes={first}-", if_range='"1"')
    assert (again.status_code, again.content) == (200, CONTENT)
    origin.etag = '"1"'


def test_only_the_beginning_of_a_large_object_is_in_memory() -> None:
    blocks = BLOCKS_IN_MEMORY + AREA // BLOCK + 2
    block = random.Random(2).randbytes(BLOCK)
    tracemalloc.start()
    try:
        body = Body()
        for number in range(blocks):
            body.write(number.to_bytes(4) + block[4:])
        body.write(b"the end")
        body.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    async def read() -> list[bytes]:
        return [bytes(view) async for view in body.read(0, None)]

    got = asyncio.run(read())
    assert peak < (BLOCKS_IN_MEMORY + 4) * BLOCK
    assert [int.from_bytes(view[:4]) for view in got[:-1]] == list(range(blocks))
    assert got[-1] == b"the end"
    assert {view[4:] for view in got[:-1]} == {block[4:]}
