"""With the stage, item and query caches on, users read their own writes at once, and never another user's items."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from users import User

from localaws.testing import eventually


def hits(sandbox: dict[str, Any]) -> dict[str, int]:
    with urllib.request.urlopen(f"{sandbox['console']}/caches.json") as answer:
        return {row["cache"]: row["hits"] for row in json.load(answer)}


def live(user: User, name: str, rounds: int) -> None:
    """Create, change and delete todos, and read the list and the item after each write, past the caches."""
    chance = random.Random(name)
    mine: dict[str, dict[str, Any]] = {}
    with user.api() as api:
        for number in range(rounds):
            todo_id = write(api, chance, mine, f"{name} {number}")
            read = api.get(f"/todos/{todo_id}")
            assert read.json() == mine[todo_id] if todo_id in mine else read.status_code == 404
            listed = api.get("/todos", params={"limit": 100}).json()["items"]
            assert {todo["id"]: todo for todo in listed} == mine
            read_cached(api, name, todo_id)


def write(api: httpx.Client, chance: random.Random, mine: dict[str, dict[str, Any]], title: str) -> str:
    kind = chance.choice(["create", "change", "remove"]) if mine else "create"
    if kind == "create":
        todo = api.post("/todos", json={"title": title}).json()
        mine[todo["id"]] = todo
        return str(todo["id"])
    todo_id = chance.choice(list(mine))
    if kind == "change":
        mine[todo_id] = api.patch(f"/todos/{todo_id}", json={"title": title, "done": chance.random() < 0.5}).json()
    else:
        assert api.delete(f"/todos/{todo_id}").status_code == 204
        del mine[todo_id]
    return todo_id


def read_cached(api: httpx.Client, name: str, todo_id: str) -> None:
    """A cached read may be stale, but it is always the caller's own.

    A header that is part of the stage's key leads past its cache, to DAX's.
    """
    for known in ("", f'"{todo_id}"'):
        items = api.get("/cached/todos", headers={"If-None-Match": known} if known else {}).json()["items"]
        one = api.get(f"/cached/todos/{todo_id}")
        assert one.status_code in (200, 404)
        items += [one.json()] if one.status_code == 200 else []
        assert all(item["title"].startswith(f"{name} ") for item in items)


def test_every_client_reads_only_its_own_writes(sandbox: dict[str, Any], sign_up: Callable[[], User]) -> None:
    before = hits(sandbox)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(live, sign_up(), name, 100) for name in ("ann", "bob")]:
            done.result()

    used = {"API Gateway stage cache", "DAX item cache", "DAX query cache"}
    after: dict[str, int] = {}

    def grown() -> set[str]:
        after.update(hits(sandbox))
        return {cache for cache in used if after.get(cache, 0) > before.get(cache, 0)}

    eventually(lambda: grown() == used)  # DAX reports to CloudWatch once a second
    assert grown() == used
    assert after["API Gateway stage cache"] - before.get("API Gateway stage cache", 0) >= 200


def test_a_cached_list_is_read_once_for_each_caller_and_query(sign_up: Callable[[], User]) -> None:
    with sign_up().api() as api:
        api.post("/todos", json={"title": "Milk"})
        first = api.get("/cached/todos")
        api.post("/todos", json={"title": "Bread"})

        assert api.get("/cached/todos").text == first.text
        assert len(api.get("/todos").json()["items"]) == 2
        assert api.get("/cached/todos?limit=1").text != first.text
    with sign_up().api() as other:
        assert other.get("/cached/todos").json()["items"] == []


def test_an_unchanged_cached_list_gets_304(sign_up: Callable[[], User]) -> None:
    with sign_up().api() as api:
        first = api.get("/cached/todos")
        known = {"If-None-Match": first.headers["ETag"]}

        assert api.get("/cached/todos", headers=known).status_code == 304
        assert api.get("/cached/todos", headers=known).status_code == 304
        assert api.get("/cached/todos").text == first.text


def test_no_client_may_flush_the_cache(sign_up: Callable[[], User]) -> None:
    with sign_up().api() as api:
        first = api.get("/cached/todos")
        api.post("/todos", json={"title": "Milk"})

        flushed = api.get("/cached/todos", headers={"Cache-Control": "max-age=0"})

        assert flushed.text == first.text
        assert flushed.headers["Warning"].startswith("199")


def test_a_cached_response_needs_a_valid_token(todo: dict[str, Any], ann: User) -> None:
    with ann.api() as api:
        assert api.get("/cached/todos").status_code == 200
    assert httpx.get(f"{todo['api']}/cached/todos").status_code == 401
    assert httpx.get(f"{todo['api']}/cached/todos", headers={"Authorization": ann.id_token + "x"}).status_code == 401
