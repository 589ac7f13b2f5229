"""The CloudFront Function that maps URLs to objects, run by Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import app

FUNCTION = Path(__file__).parent.parent.parent / "blog-app" / "edge-function.js"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="no Node on this machine")


def answers(*uris: str, method: str = "GET", **parameters: Any) -> list[dict[str, Any]]:
    """Return what the function returns for each of *uris*: a request, or a response."""
    events = [{"request": {"method": method, "uri": uri, "querystring": parameters, "headers": {}}} for uri in uris]
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


def test_the_api_of_the_second_region_has_the_same_paths() -> None:
    [subscribe] = answers("/standby/api/subscribers", method="POST")
    [refused] = answers("/standby/api/posts", method="POST")

    assert subscribe["uri"] == "/api/subscribers"
    assert refused["statusCode"] == 403


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


METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE")


def test_the_api_gets_the_requests_for_its_public_routes_and_refuses_all_others_itself() -> None:
    paths = {f"/api{path}".replace("{", "x%20-").replace("}", ""): entries for path, entries in app.app.routes.items()}
    public = {path: {m for m, entry in entries.items() if not entry.authorizer} for path, entries in paths.items()}

    for method in METHODS:
        for path, answer in zip(public, answers(*public, method=method), strict=True):
            if method == "OPTIONS" or {"HEAD": "GET"}.get(method, method) in public[path]:
                assert answer["uri"] == path, (method, path)
            else:
                assert (answer["statusCode"], json.loads(answer["body"]["data"])["Code"]) == (403, "Forbidden")


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_path_of_the_api_is_not_a_missing_page(method: str) -> None:
    for answer in answers(
        "/api/", "/api/x", "/api/posts/", "/api/posts/a/b", "/api//posts", "/api/toString", method=method
    ):
        assert (answer["statusCode"], answer["headers"]["content-type"]["value"]) == (404, "application/json")
        assert json.loads(answer["body"]["data"])["Code"] == "NotFound"
