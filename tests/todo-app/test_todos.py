"""The rules of todos."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory import MemoryStore

from chalicelib.todos import NewTodo, TodoChange, TodoQuery, Todos, new_id
from common.errors import NotFound


def parse[T](body: dict[str, Any], cls: type[T]) -> T:
    return msgspec.convert(body, type=cls)


def test_a_new_todo_is_open_and_has_version_1(store: MemoryStore) -> None:
    todo = Todos(store).add("ann", parse({"title": "Milk"}, NewTodo))

    assert (todo.title, todo.done, todo.version, todo.priority) == ("Milk", False, 1, "normal")
    assert todo.created_at == todo.updated_at
    assert todo.created_at.endswith("Z")


def test_ids_sort_by_creation_time() -> None:
    ids = [new_id() for _ in range(3)]

    assert all(uuid.UUID(i).version == 7 and uuid.UUID(i).variant == uuid.RFC_4122 for i in ids)
    assert [i[:13] for i in ids] == sorted(i[:13] for i in ids)


@pytest.mark.parametrize(
    ("due", "stored"),
    [
        ("2030-01-31", "2030-01-31"),
        ("2030-01-31T18:00:00Z", "2030-01-31T18:00:00Z"),
        ("2030-01-31T18:00:00+02:00", "2030-01-31T16:00:00Z"),
        (None, None),
    ],
)
def test_a_due_time_is_stored_in_utc_and_a_due_date_unchanged(due: str | None, stored: str | None) -> None:
    assert parse({"title": "t", "due": due}, NewTodo).due == stored


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "   "}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"title": "broken \ufffd"}, "title"),
        ({"title": "line\n"}, "title"),
        ({"title": "t", "notes": "a\x07"}, "notes"),
        ({"title": "t", "due": "tomorrow"}, "due"),
        ({"title": "t", "due": "2030-01-31T18:00:00"}, "due"),
        ({"title": "t", "due": "2030-02-31"}, "due"),
        ({"title": "t", "due": "0001-01-01T00:00:00+14:00"}, "due"),
        ({"title": "t", "due": "9999-12-31T23:59:59-14:00"}, "due"),
        ({"title": "t", "priority": "urgent"}, "priority"),
        ({"title": "t", "tags": ["a", 1]}, "tags"),
        ({"title": "t", "tags": ["x"] * 21}, "tags"),
        ({"title": "t", "owner": "bob"}, "owner"),
        ({"title": "t", "done": True}, "done"),
    ],
)
def test_an_error_names_the_invalid_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        parse(body, NewTodo)


def test_a_duplicate_tag_is_stored_once() -> None:
    assert parse({"title": "t", "tags": ["a", "b", "a"]}, NewTodo).tags == ["a", "b"]


def test_a_change_sets_only_the_given_fields(store: MemoryStore) -> None:
    todos = Todos(store)
    todo = todos.add("ann", parse({"title": "Milk", "due": "2030-01-31", "notes": "2 l"}, NewTodo))

    changed = todos.change("ann", todo.id, parse({"due": None, "done": True}, TodoChange), None)

    assert (changed.title, changed.notes, changed.due, changed.done, changed.version) == ("Milk", "2 l", None, True, 2)


def test_the_todos_of_others_are_not_found(store: MemoryStore) -> None:
    todos = Todos(store)
    todo = todos.add("ann", NewTodo("Milk"))

    with pytest.raises(NotFound):
        todos.get("bob", todo.id)
    with pytest.raises(NotFound):
        todos.change("bob", todo.id, TodoChange(title="Mine"), None)
    with pytest.raises(NotFound):
        todos.remove("bob", todo.id, None)
    assert todos.list("bob", TodoQuery()).items == []


@pytest.mark.parametrize("todo_id", ["1", "", "x" * 3000, "../bob", "\x00"])
def test_an_invalid_id_is_not_found(store: MemoryStore, todo_id: str) -> None:
    with pytest.raises(NotFound):
        Todos(store).get("ann", todo_id)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_any_other_json_is_a_validation_error_or_a_todo(value: Any) -> None:
    body = msgspec.json.encode(value)
    with contextlib.suppress(msgspec.MsgspecError):
        msgspec.json.decode(body, type=NewTodo)


def test_a_fingerprint_depends_only_on_the_fields_of_the_body() -> None:
    # A stored fingerprint must match a retry after a release that has added a field with a default.
    assert NewTodo("Milk").fingerprint() == hashlib.sha256(b'{"title":"Milk"}').hexdigest()
    assert NewTodo("Milk", notes="2 l").fingerprint() != NewTodo("Milk").fingerprint()
