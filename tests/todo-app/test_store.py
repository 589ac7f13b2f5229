"""The contract of every store of todos: in memory, the table, and the table behind DAX."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
import yaml
from memory import MemoryStore
from rows import rows

from chalicelib.table import TodoTable
from chalicelib.todos import NewTodo, Todo, TodoQuery, Todos, TodoStore, new_id
from common import dynamodb
from common.errors import ChaliceViewError, IdempotencyKeyReused, InvalidInput, NotFound, PreconditionFailed
from localaws.dax.cache import Cluster


@pytest.fixture(scope="session")
def table(emulator: str) -> str:
    """The name of the table of resources.yaml, created in the emulator."""
    yaml.SafeLoader.add_multi_constructor("!", lambda loader, suffix, node: None)
    properties = yaml.safe_load(Path("todo-app/resources.yaml").read_text())["Resources"]["Todos"]["Properties"]
    wanted = ("AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", "BillingMode")
    client = boto3.client("dynamodb", endpoint_url=emulator)
    name = os.environ["TABLE"]
    client.create_table(TableName=name, **{key: properties[key] for key in wanted})
    return name


@pytest.fixture(params=["memory", "table", "table behind DAX"])
def any_store(request: pytest.FixtureRequest) -> TodoStore:
    if request.param == "memory":
        return MemoryStore()
    client: Any = boto3.client("dynamodb", endpoint_url=request.getfixturevalue("emulator"))
    if request.param == "table behind DAX":
        client = Cluster(client)
    return TodoTable(client, request.getfixturevalue("table"))


@pytest.fixture
def owner() -> str:
    return f"ann-{new_id()}"


def a_todo(title: str = "Milk", done: bool = False) -> Todo:
    moment = "2030-01-01T00:00:00Z"
    return Todo(
        id=new_id(),
        title=title,
        notes="",
        due=None,
        priority="normal",
        tags=["home"],
        done=done,
        created_at=moment,
        updated_at=moment,
        version=1,
    )


def pages(store: TodoStore, owner: str, **query: Any) -> Iterator[list[str]]:
    cursor = None
    while True:
        page = store.list(owner, TodoQuery(cursor=cursor, **query))
        yield [todo.id for todo in page.items]
        if page.cursor is None:
            return
        cursor = page.cursor


def test_an_added_todo_is_read_and_listed(any_store: TodoStore, owner: str) -> None:
    todo = any_store.add(owner, a_todo())

    assert any_store.get(owner, todo.id) == todo
    assert any_store.list(owner, TodoQuery()).items == [todo]


def test_an_unknown_todo_is_none(any_store: TodoStore, owner: str) -> None:
    assert any_store.get(owner, new_id()) is None


def test_a_list_is_newest_first_and_its_pages_have_each_todo_once(any_store: TodoStore, owner: str) -> None:
    ids = sorted(any_store.add(owner, a_todo(str(n))).id for n in range(7))

    found = list(pages(any_store, owner, limit=3))

    assert [len(page) for page in found] == [3, 3, 1]
    assert [i for page in found for i in page] == ids[::-1]


def test_a_last_page_that_is_full_has_no_cursor(any_store: TodoStore, owner: str) -> None:
    for n in range(4):
        any_store.add(owner, a_todo(str(n)))

    assert [len(page) for page in pages(any_store, owner, limit=2)] == [2, 2]


def test_a_page_of_a_megabyte_has_fewer_todos_and_a_cursor(emulator: str, table: str, owner: str) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html"""
    store = TodoTable(boto3.client("dynamodb", endpoint_url=emulator), table)
    notes = "\N{GRINNING FACE}" * 10_000
    ids = [store.add(owner, msgspec.structs.replace(a_todo(), notes=notes)).id for _ in range(28)]

    found = list(pages(store, owner, limit=100))

    assert len(found) == 2
    assert [i for page in found for i in page] == sorted(ids)[::-1]


def test_a_list_can_have_only_the_done_or_the_open_todos(any_store: TodoStore, owner: str) -> None:
    done = {any_store.add(owner, a_todo(done=True)).id for _ in range(3)}
    todo = any_store.add(owner, a_todo())
    any_store.update(owner, todo.id, {"done": True}, None)
    still_open = any_store.add(owner, a_todo())

    assert {i for page in pages(any_store, owner, limit=2, done=True) for i in page} == {*done, todo.id}
    assert list(pages(any_store, owner, done=False)) == [[still_open.id]]


def test_an_invalid_cursor_is_rejected(any_store: TodoStore, owner: str) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        any_store.list(owner, TodoQuery(cursor="%%%"))


def test_an_update_sets_the_fields_and_increments_the_version(any_store: TodoStore, owner: str) -> None:
    todo = any_store.add(owner, a_todo())

    changed = any_store.update(owner, todo.id, {"title": "Bread", "tags": []}, ["1"])

    assert (changed.title, changed.tags, changed.version) == ("Bread", [], 2)
    assert any_store.get(owner, todo.id) == changed


@pytest.mark.parametrize("versions", [["2"], [], ["x"], ["9" * 40]])
def test_an_update_or_removal_at_another_version_changes_nothing(
    any_store: TodoStore, owner: str, versions: list[str]
) -> None:
    todo = any_store.add(owner, a_todo())

    with pytest.raises(PreconditionFailed):
        any_store.update(owner, todo.id, {"title": "Bread"}, versions)
    with pytest.raises(PreconditionFailed):
        any_store.remove(owner, todo.id, versions)
    assert any_store.get(owner, todo.id) == todo


def test_an_update_or_removal_of_an_unknown_todo_is_not_found(any_store: TodoStore, owner: str) -> None:
    with pytest.raises(NotFound):
        any_store.update(owner, new_id(), {"title": "Bread"}, None)
    with pytest.raises(NotFound):
        any_store.remove(owner, new_id(), ["1"])


def test_a_removed_todo_is_neither_read_nor_listed(any_store: TodoStore, owner: str) -> None:
    todo = any_store.add(owner, a_todo())

    any_store.remove(owner, todo.id, ["1"])

    assert any_store.get(owner, todo.id) is None
    assert any_store.list(owner, TodoQuery()).items == []


def test_a_second_add_with_the_same_key_returns_the_first_todo(any_store: TodoStore, owner: str) -> None:
    first = any_store.add_once(owner, a_todo(), "key", "fingerprint")

    assert any_store.add_once(owner, a_todo(), "key", "fingerprint") == first
    assert any_store.list(owner, TodoQuery()).items == [first]


def test_an_idempotency_key_with_another_body_is_rejected(any_store: TodoStore, owner: str) -> None:
    any_store.add_once(owner, a_todo(), "key", "fingerprint")

    with pytest.raises(IdempotencyKeyReused):
        any_store.add_once(owner, a_todo(), "key", "another")
    assert len(any_store.list(owner, TodoQuery()).items) == 1


def test_an_idempotency_key_belongs_to_its_owner(any_store: TodoStore, owner: str) -> None:
    first = any_store.add_once(owner, a_todo(), "key", "fingerprint")

    assert any_store.add_once(f"{owner}-bob", a_todo(), "key", "fingerprint") != first


def test_idempotency_keys_are_not_listed(any_store: TodoStore, owner: str) -> None:
    any_store.add_once(owner, a_todo(), "key", "fingerprint")

    assert any_store.list(f"idempotency#{owner}", TodoQuery(done=False)).items == []


def test_twenty_concurrent_adds_with_one_key_store_one_todo(emulator: str, table: str, owner: str) -> None:
    todos = Todos(TodoTable(boto3.client("dynamodb", endpoint_url=emulator), table))

    def add(_: int) -> str:
        return todos.add(owner, NewTodo("Milk"), "key").id

    with ThreadPoolExecutor(20) as pool:
        ids = set(pool.map(add, range(20)))

    assert [todo.id for todo in todos.list(owner, TodoQuery()).items] == list(ids)


def test_one_of_twenty_concurrent_updates_of_a_version_succeeds(emulator: str, table: str, owner: str) -> None:
    store = TodoTable(boto3.client("dynamodb", endpoint_url=emulator), table)
    todo = store.add(owner, a_todo())

    def update(n: int) -> str:
        try:
            return store.update(owner, todo.id, {"title": str(n)}, ["1"]).title
        except ChaliceViewError as error:
            return type(error).__name__

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(update, range(20)))

    assert results.count("PreconditionFailed") == 19
    stored = store.get(owner, todo.id)
    assert stored is not None
    assert (stored.version, stored.title in results) == (2, True)


@rows("todo-app", "Todo")
def test_a_todo_of_another_release_is_read_and_changed(
    emulator: str, table: str, owner: str, row: dict[str, Any]
) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    client.put_item(TableName=table, Item=dynamodb.item(row | {"owner": owner}))
    store = TodoTable(client, table)

    todo = store.get(owner, row["id"])

    assert todo is not None
    assert todo.title == row["title"]
    assert store.list(owner, TodoQuery(done=False)).items == [todo]
    assert store.update(owner, todo.id, {"title": "Bread"}, ["1"]).title == "Bread"
