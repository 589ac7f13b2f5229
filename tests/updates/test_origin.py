"""The update server over HTTP, which works behind any cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from published import Published

type Serve = Callable[[Path], str]


def test_the_index_of_a_channel_is_newest_first(published: Published, serve: Serve) -> None:
    stable = [published.release("1.0.0"), published.release("1.1.0")]
    beta = published.release("2.0.0b1", channel="beta")
    url = serve(published.folder)

    assert httpx.get(f"{url}/releases/index.json?channel=stable").json() == {"releases": stable[::-1]}
    assert httpx.get(f"{url}/releases/index.json").json() == {"releases": stable[::-1]}
    assert httpx.get(f"{url}/releases/index.json?channel=beta").json() == {"releases": [beta]}
    assert set(beta) == {"version", "channel", "url", "size", "sha256", "published_at"}


def test_a_package_supports_conditional_requests_and_ranges(published: Published, serve: Serve) -> None:
    content = bytes(range(256)) * 40
    url = serve(published.folder) + str(published.release("1.0.0", content)["url"])

    whole = httpx.get(url)
    assert (whole.content, whole.headers["accept-ranges"]) == (content, "bytes")
    assert httpx.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert httpx.get(url, headers={"If-Modified-Since": whole.headers["last-modified"]}).status_code == 304
    part = httpx.get(url, headers={"Range": "bytes=100-", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, content[100:])
    assert httpx.get(url, headers={"Range": "bytes=100-", "If-Range": '"another"'}).content == content
    assert httpx.get(url, headers={"Range": "bytes=999999-"}).status_code == 416
    assert httpx.head(url).headers["content-length"] == str(len(content))


def test_all_servers_give_a_file_the_same_validators(published: Published, serve: Serve) -> None:
    path = str(published.release("1.0.0")["url"])
    one, other = httpx.head(serve(published.folder) + path), httpx.head(serve(published.folder) + path)

    assert one.headers["etag"] == other.headers["etag"]
    assert one.headers["last-modified"] == other.headers["last-modified"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/releases/index.json?channel=nightly", 404),
        ("/releases/index.json?channel=../metadata/timestamp", 400),
        ("/releases/index.json?channel=", 400),
        ("/packages/none", 404),
        ("/packages/..%2fincoming%2flock", 404),
        ("/packages/%2e%2e", 404),
        ("/packages/a%00b", 404),
        ("/incoming/lock", 404),
        ("/", 404),
    ],
)
def test_nothing_else_is_served(published: Published, serve: Serve, path: str, status: int) -> None:
    assert httpx.get(serve(published.folder) + path).status_code == status


def test_only_reading_is_allowed(published: Published, serve: Serve) -> None:
    url = serve(published.folder)

    for path in ("/releases/index.json", "/packages/x", "/metadata/timestamp.json"):
        assert httpx.post(url + path).status_code == 405
