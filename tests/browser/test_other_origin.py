"""A web page of another origin can neither read anything of the sandbox nor change it."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from localaws import control_client

FOLDER = Path(__file__).parent / "stranger"
STRANGER = "evil.test"
"""A host of a stranger that resolves to this machine (DNS rebinding)."""

type Sandbox = dict[str, Any]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server of a stranger's pages."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(FOLDER)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def rebound(launch: Callable[..., Browser]) -> Iterator[BrowserContext]:
    """A browser for which the host of the stranger is this machine."""
    other = launch(f"--host-resolver-rules=MAP {STRANGER} 127.0.0.1")
    yield other.new_context()
    other.close()


def addresses(sandbox: Sandbox) -> dict[str, str]:
    return {
        "endpoint": sandbox["endpoint"],
        "console": sandbox["console"],
        "payments": sandbox["video-app"]["payments"],
        "page": sandbox["todo-app"]["web"],
        "api": sandbox["blog-app"]["api"],
    }


def ports(sandbox: Sandbox) -> set[int | None]:
    return {urlsplit(address).port for address in addresses(sandbox).values()}


def state(sandbox: Sandbox) -> dict[str, Any]:
    """Return what an attack would change."""
    clock = json.loads(control_client.call(f"{sandbox['endpoint']}/_localaws/clock"))
    functions = boto3.client("lambda").get_paginator("list_functions").paginate()
    return {
        "functions": sorted(each["FunctionName"] for page in functions for each in page["Functions"]),
        "buckets": [each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]],
        "topics": [each["TopicArn"] for each in boto3.client("sns").list_topics()["Topics"]],
        "offset": clock["offset"],
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", STRANGER])
def test_a_page_of_another_origin_is_refused_everywhere(
    rebound: BrowserContext, sandbox: Sandbox, port: int, host: str
) -> None:
    answers: list[Response] = []
    before = state(sandbox)
    page = rebound.new_page()
    page.on("response", lambda answer: answers.append(answer))
    page.goto(f"http://{host}:{port}/")
    page.wait_for_function("() => Boolean(window.attack)")

    read = page.evaluate("addresses => attack(addresses)", addresses(sandbox))

    ours = [answer for answer in answers if urlsplit(answer.url).port in ports(sandbox)]
    assert read == {}
    assert len(ours) > 10
    assert {(answer.url, answer.status) for answer in ours if answer.status != 403} == set()
    assert state(sandbox) == before
    page.close()


def test_a_name_of_a_stranger_that_resolves_to_this_machine_is_refused(
    rebound: BrowserContext, sandbox: Sandbox
) -> None:
    page = rebound.new_page()
    for address in addresses(sandbox).values():
        url = urlsplit(address)
        refused = page.goto(f"http://{STRANGER}:{url.port}{url.path}/")
        assert refused is not None
        assert (url.port, refused.status) == (url.port, 403)
    page.close()


def test_a_link_of_another_page_leads_to_the_pages_of_the_sandbox(
    rebound: BrowserContext, sandbox: Sandbox, port: int
) -> None:
    page = rebound.new_page()
    page.goto(f"http://{STRANGER}:{port}/")
    for address in (sandbox["console"], sandbox["todo-app"]["web"]):
        with rebound.expect_page() as opened:
            page.evaluate("address => void open(address, '_blank', 'noopener')", address)
        expect(opened.value).to_have_title(re.compile("."))
        opened.value.close()
    page.close()


def loaded(page: Page, address: str) -> list[bytes]:
    """Open an address; return what the browser loads."""
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    return [answer.body() for answer in answers if answer.ok]


def test_no_page_and_no_served_file_contains_the_root_key(new_page: Callable[..., Page], sandbox: Sandbox) -> None:
    pages = [sandbox[app].get("web") or sandbox[app].get("site") for app in sandbox if isinstance(sandbox[app], dict)]
    bodies = [httpx.get(f"{sandbox['console']}/logs.json?app={app}").content for app in sandbox if app.endswith("-app")]
    for address in (sandbox["console"], f"{sandbox['console']}/services.html", *filter(None, pages)):
        bodies += loaded(new_page(), address)

    assert len(bodies) > 20
    for body in bodies:
        assert sandbox["secret_access_key"].encode() not in body
        assert sandbox["access_key_id"].encode() not in body
