"""The routes, through Chalice's own test client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice
from chalice.test import Client, HTTPResponse
from odd_requests import odd_requests
from subscriber_memory import MemorySubscribers

import app
from chalicelib import wiring
from chalicelib.photos import Photos
from chalicelib.subscribers import Subscribers
from services import openapi

POST = {"slug": "one", "title": "One", "body_markdown": "# Hello", "tags": ["sea"]}


@pytest.fixture
def call(client: Client) -> Any:
    def call(method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        sent = {"Content-Type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()}
        return client.http.request(method, path, headers=sent, body=json.dumps(body).encode())

    return call


def test_a_post_is_created_read_changed_and_deleted(call: Any) -> None:
    created = call("POST", "/posts", POST)
    assert (created.status_code, created.headers["Location"]) == (201, "posts/one")
    assert call("GET", "/posts/one").json_body == created.json_body

    text = {name: value for name, value in POST.items() if name != "slug"} | {"title": "Two"}
    changed = call("PUT", "/posts/one", text, If_Match=call("GET", "/posts/one").headers["ETag"])
    assert (changed.json_body["title"], changed.json_body["version"]) == ("Two", 2)
    assert changed.json_body["published_at"] == created.json_body["published_at"]
    assert call("PUT", "/posts/one", text, If_Match=created.headers["ETag"]).status_code == 412

    assert call("DELETE", "/posts/one").status_code == 204
    assert call("GET", "/posts/one").status_code == 404


def test_creating_a_post_again_returns_it_and_another_post_with_its_slug_is_rejected(call: Any) -> None:
    first = call("POST", "/posts", POST)

    assert call("POST", "/posts", POST).body == first.body
    assert call("POST", "/posts", POST | {"title": "Other"}).status_code == 409


def test_lists_have_no_bodies_and_can_be_cached_by_the_edge(call: Any) -> None:
    call("POST", "/posts", POST)

    listed = call("GET", "/posts?tag=sea")

    assert [post["slug"] for post in listed.json_body["items"]] == ["one"]
    assert "body_markdown" not in listed.json_body["items"][0]
    assert "s-maxage" in listed.headers["Cache-Control"]
    assert call("GET", "/posts?tag=sea", If_None_Match=listed.headers["ETag"]).status_code == 304


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "Über"}, "slug"),
        ({"slug": "a--b"}, "slug"),
        ({"title": ""}, "title"),
        ({"body_markdown": ""}, "body_markdown"),
        ({"tags": ["A b"]}, "tags"),
        ({"published_at": "yesterday"}, "published_at"),
        ({"published_at": "0001-01-01T00:00:00+14:00"}, "published_at"),
        ({"published_at": "9999-12-31T23:59:59-14:00"}, "published_at"),
        ({"body_html": "<script>"}, "body_html"),
    ],
)
def test_an_error_names_the_invalid_field(call: Any, change: dict[str, Any], field: str) -> None:
    refused = call("POST", "/posts", POST | change)

    assert refused.status_code == 400
    assert field in refused.json_body["Message"]


def test_only_authors_can_write() -> None:
    application: Chalice = app.app
    signed = {
        (method, path)
        for path, methods in application.routes.items()
        for method, entry in methods.items()
        if entry.authorizer
    }

    assert signed == {("POST", "/posts"), ("PUT", "/posts/{slug}"), ("DELETE", "/posts/{slug}"), ("POST", "/photos")}


def test_no_odd_request_is_a_server_error(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoPhotos:
        def get(self, photo_id: str) -> None:
            return None

    bucket: Any = NoPhotos()
    monkeypatch.setattr(wiring, "photos", lambda: Photos(bucket))
    monkeypatch.setattr(wiring, "subscribers", lambda: Subscribers(MemorySubscribers()))
    for method, path, headers, body, *_ in odd_requests("blog-app"):
        assert call(method, path, body, **headers).status_code < 500, (method, path[:200], headers)


def test_the_address_in_list_unsubscribe_leads_people_to_the_page_that_asks_first(call: Any) -> None:
    opened = call("GET", "/unsubscribe/" + "a" * 65)

    assert opened.status_code == 303
    assert opened.headers["Location"] == f"https://blog.example/unsubscribe/?token={'a' * 65}"


def test_only_the_page_of_the_blog_may_subscribe_from_a_browser() -> None:
    without_cors = {path for path, methods in app.app.routes.items() for route in methods.values() if not route.cors}

    assert without_cors == {"/subscribers"}


def test_the_contract_is_what_the_code_accepts_and_returns() -> None:
    contract = json.loads(Path("blog-app/openapi.json").read_text())

    assert openapi.document(app.app) == contract, "make openapi APP=blog-app"
