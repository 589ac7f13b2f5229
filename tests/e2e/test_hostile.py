"""A thousand hostile bodies: each gets a 4xx without internal details, and nothing is stored."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import boto3
import httpx
import pytest
from odd_requests import OddRequest, odd_requests
from users import User

from common import sigv4

BODIES = 1000


def hostile(chance: random.Random) -> Iterator[bytes]:
    wrong: list[Any] = [
        None,
        True,
        0,
        -1,
        1e308,
        [],
        {},
        [[]],
        {"a": {}},
        "",
        " ",
        "\x00",
        "\ud800",
        "x" * 5000,
        "\u202e" * 999,
    ]
    fields = ["title", "notes", "due", "priority", "tags", "owner", "id", "done", "version", "__proto__", "$ne", "\x00"]
    yield b"{" + b'"title":' * 10
    yield b'{"title": "' + b"x" * 7_000_000 + b'"}'
    yield b"[" * 50_000
    yield b'{"title":' * 20_000
    while True:
        kind = chance.randrange(5)
        if kind == 0:
            yield chance.randbytes(chance.randrange(1, 300))
        elif kind == 1:
            yield b'{"title": "' + chance.randbytes(40) + b'\xff"}'
        elif kind == 2:
            yield json.dumps({"title": chance.choice(wrong), chance.choice(fields): chance.choice(wrong)}).encode()
        elif kind == 3:
            yield json.dumps({"title": "t", chance.choice(fields[5:]): chance.choice(wrong)}).encode()
        else:
            good = json.dumps({"title": "t", "tags": ["a"], "notes": "n"}).encode()
            yield good[: chance.randrange(len(good))]


def test_hostile_bodies_get_a_4xx_and_store_nothing(sign_up: Callable[[], User]) -> None:
    bodies = hostile(random.Random(1))
    with sign_up().api(**{"Content-Type": "application/json"}) as api, ThreadPoolExecutor(8) as pool:
        todo = api.post("/todos", json={"title": "untouched"}).json()

        def send(number: int) -> tuple[bytes, httpx.Response]:
            body = next_body[number]
            method, path = [("POST", "/todos"), ("PATCH", f"/todos/{todo['id']}"), ("POST", "/files")][number % 3]
            return body, api.request(method, path, content=body)

        next_body = [next(bodies) for _ in range(BODIES)]
        for body, answer in pool.map(send, range(BODIES)):
            assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:200], body[:200])
            assert set(answer.json()) == {"Code", "Message"}
            assert "Traceback" not in answer.text
            assert ".py" not in answer.text

        assert api.get("/todos").json()["items"] == [todo]


@pytest.mark.parametrize("app", ["todo-app", "blog-app", "video-app", "pipeline-app", "receipts-app"])
def test_no_odd_request_to_a_deployed_api_is_a_server_error(
    app: str, sandbox: dict[str, Any], sign_up: Callable[..., User]
) -> None:
    """A part of the requests, by many steps so that each route gets others. The apps' own tests send all of them.

    Each request passes the authorizer: a user's token, or the signature of one who may call every route.
    """
    outputs = sandbox[app]
    token = sign_up(app).id_token if "user_pool_client_id" in outputs else ""
    signer = boto3.Session().get_credentials().get_frozen_credentials()

    def authorized(odd: OddRequest, url: str, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json"} | odd.headers
        if odd.authorizer == "iam":
            return sigv4.sign(signer, sandbox["region"], odd.method, url, headers, body)
        return headers | ({"Authorization": token} if odd.authorizer else {})

    def send(odd: OddRequest) -> tuple[httpx.Response, OddRequest]:
        body = json.dumps(odd.body).encode() if odd.method in ("POST", "PUT", "PATCH") else b""
        url = outputs["api"] + odd.path
        return api.request(odd.method, url, headers=authorized(odd, url, body), content=body), odd

    sent = list(islice(odd_requests(app), None, None, 7))
    handled = set()
    with httpx.Client() as api, ThreadPoolExecutor(4) as pool:
        for answer, odd in pool.map(send, sent):
            assert answer.status_code < 500, (answer.status_code, odd)
            if "X-Correlation-Id" in answer.headers:  # not an authorizer's answer
                handled.add((odd.method, odd.operation))

    assert handled == {(odd.method, odd.operation) for odd in sent}
