"""The deployed todo-app over HTTP: its whole contract, two separate users, and concurrent requests."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import httpx
import pytest
from users import User
from waiting import until

PAGES = [f"/todos?limit={limit}" for limit in range(1, 21)]


def test_a_todo_is_created_read_changed_and_deleted(sign_up: Callable[[], User]) -> None:
    with sign_up().api() as api:
        body = {"title": "Milk", "notes": "2 l", "due": "2030-01-31", "priority": "high", "tags": ["home"]}
        created = api.post("/todos", json=body)
        url = urljoin(str(created.url), created.headers["Location"])
        todo = created.json()
        assert created.status_code == 201
        assert body.items() <= todo.items()
        assert set(todo) == {*body, "id", "done", "created_at", "updated_at", "version"}

        got = api.get(url)
        assert (got.status_code, got.json()) == (200, todo)
        assert api.get(url, headers={"If-None-Match": got.headers["ETag"]}).status_code == 304

        changed = api.patch(url, json={"done": True, "due": None}, headers={"If-Match": got.headers["ETag"]})
        assert (changed.status_code, changed.json()["done"], changed.json()["due"]) == (200, True, None)
        assert api.patch(url, json={"done": False}, headers={"If-Match": got.headers["ETag"]}).status_code == 412

        assert api.get("/todos?done=true").json()["items"] == [changed.json()]
        assert api.get("/todos?done=false").json() == {"items": [], "cursor": None}
        assert api.delete(url).status_code == 204
        assert api.get(url).status_code == 404
        assert api.get("/health").status_code == 200


def test_pages_contain_every_todo_once(sign_up: Callable[[], User]) -> None:
    with sign_up().api() as api:
        ids = [api.post("/todos", json={"title": str(n)}).json()["id"] for n in range(5)]
        found, cursor = [], ""
        while cursor is not None:
            page = api.get("/todos", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
            found += [todo["id"] for todo in page["items"]]
            cursor = page["cursor"]
    assert sorted(found) == sorted(ids)


def test_every_response_has_cors_headers(ann: User) -> None:
    origin = {"Origin": ann.outputs["web"]}
    with ann.api(**origin) as api:
        refused = httpx.get(f"{ann.outputs['api']}/todos", headers=origin)
        answers = [api.get("/todos"), api.get("/todos/x"), api.post("/todos", json={}), refused]
        preflight = api.options("/todos", headers={"Access-Control-Request-Method": "POST"})

    assert [answer.status_code for answer in answers] == [200, 404, 400, 401]
    assert {answer.headers.get("Access-Control-Allow-Origin") for answer in [*answers, preflight]} == {"*"}
    assert "If-Match" in preflight.headers["Access-Control-Allow-Headers"]
    assert set(refused.json()) == {"Code", "Message"}


@pytest.mark.parametrize("field", ["owner", "sub", "user_id", "cognito-username", "id"])
def test_a_body_cannot_name_another_owner(ann: User, bob: User, field: str) -> None:
    with ann.api() as anns, bob.api() as bobs:
        theirs = bobs.post("/todos", json={"title": "Bob's"}).json()
        before = bobs.get("/todos").json()
        for value in (theirs["id"], bob.folder()["identity_id"], "bob"):
            assert anns.post("/todos", json={"title": "x", field: value}).status_code == 400
            assert anns.patch(f"/todos/{theirs['id']}", json={"title": "x", field: value}).status_code in (400, 404)
        assert anns.patch(f"/todos/{theirs['id']}", json={"title": "x"}).status_code == 404
        assert anns.delete(f"/todos/{theirs['id']}").status_code == 404
        assert anns.get(f"/todos/{theirs['id']}").status_code == 404
        assert bobs.get("/todos").json() == before


def _warm_up(api: httpx.Client, pool: ThreadPoolExecutor) -> None:
    """Wait until twenty requests at once are answered: so many cold starts take a busy machine half a minute.

    Each request asks for another page, which no cache has.
    """
    until(lambda: {answer.status_code for answer in pool.map(api.get, PAGES)} == {200})


def test_twenty_posts_at_once_with_one_key_make_one_todo(sign_up: Callable[[], User]) -> None:
    with sign_up().api(**{"Idempotency-Key": str(uuid.uuid4())}) as api, ThreadPoolExecutor(20) as pool:
        _warm_up(api, pool)
        answers = list(pool.map(lambda _: api.post("/todos", json={"title": "Milk"}), range(20)))

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        assert len(api.get("/todos").json()["items"]) == 1


def test_one_of_twenty_concurrent_changes_of_a_version_succeeds(ann: User) -> None:
    with ann.api() as api, ThreadPoolExecutor(20) as pool:
        _warm_up(api, pool)
        todo = api.post("/todos", json={"title": "Milk"}).json()

        def change(n: int) -> int:
            headers = {"If-Match": '"1"'}
            return api.patch(f"/todos/{todo['id']}", json={"title": str(n)}, headers=headers).status_code

        statuses = sorted(pool.map(change, range(20)))

        assert statuses == [200] + [412] * 19
        assert api.get(f"/todos/{todo['id']}").json()["version"] == 2
