"""The CloudFront Function that maps URLs to objects, run by Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FUNCTION = Path(__file__).parent.parent.parent / "blog-app" / "edge-function.js"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="no Node on this machine")


def answers(*uris: str, **parameters: Any) -> list[dict[str, Any]]:
    """Return what the function returns for each of *uris*: a request, or a response."""
    events = [{"request": {"method": "GET", "uri": uri, "querystring": parameters, "headers": {}}} for uri in uris]
    program = f"{FUNCTION.read_text()}\nconsole.log(JSON.stringify({json.dumps(events)}.map(handler)))"
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_page_url_is_rewritten_to_its_object() -> None:
    found = answers("/", "/posts/a-post/", "/page/2/", "/feed.xml", "/assets/site.0123456789.css")

    assert [request["uri"] for request in found] == [
        "/index.html",
        "/posts/a-post/index.html",
        "/page/2/index.html",
        "/feed.xml",
        "/assets/site.0123456789.css",
    ]


def test_a_url_without_a_trailing_slash_redirects_to_the_one_with_it() -> None:
    found = answers("/posts/a-post", "/unsubscribe")

    assert [answer["statusCode"] for answer in found] == [301, 301]
    assert [answer["headers"]["location"]["value"] for answer in found] == ["/posts/a-post/", "/unsubscribe/"]


def test_a_redirect_keeps_the_query_string() -> None:
    twice = {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]}
    [found] = answers("/unsubscribe", token={"value": "a%20b"}, x=twice, empty={"value": ""})

    assert found["headers"]["location"]["value"] == "/unsubscribe/?token=a%20b&x=1&x=2&empty"


def test_an_unusual_url_is_neither_rewritten_nor_redirected() -> None:
    odd = ["//evil.example", "//evil", "/\\evil", "/a//evil", "/../x", "/a b", "/<script>", "/.well-known", "", "x"]

    assert [request.get("uri") for request in answers(*odd)] == odd
