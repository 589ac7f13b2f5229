"""The store of todos in memory. test_store.py tests it and the table by the same contract."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from chalicelib.todos import Todo, TodoQuery
from common import pages
from common.errors import IdempotencyKeyReused, NotFound, PreconditionFailed
from common.pages import Page


class MemoryStore:
    def __init__(self) -> None:
        self._todos: dict[tuple[str, str], Todo] = {}
        self._keys: dict[tuple[str, str], tuple[str, Todo]] = {}

    def add(self, owner: str, todo: Todo) -> Todo:
        self._todos[owner, todo.id] = todo
        return todo

    def add_once(self, owner: str, todo: Todo, key: str, fingerprint: str) -> Todo:
        used, stored = self._keys.setdefault((owner, key), (fingerprint, todo))
        if used != fingerprint:
            raise IdempotencyKeyReused("this Idempotency-Key was used with another body")
        if stored is todo:
            self.add(owner, todo)
        return stored

    def get(self, owner: str, todo_id: str) -> Todo | None:
        return self._todos.get((owner, todo_id))

    def list(self, owner: str, query: TodoQuery) -> Page[Todo]:
        todos = [t for (o, _), t in self._todos.items() if o == owner and query.done in (None, t.done)]
        todos.sort(key=lambda todo: todo.id, reverse=True)
        if query.cursor:
            last = pages.position(query.cursor)
            todos = [todo for todo in todos if todo.id < last]
        page = todos[: query.limit]
        return Page(page, pages.cursor(page[-1].id) if len(todos) > query.limit else None)

    def update(self, owner: str, todo_id: str, fields: dict[str, Any], versions: Collection[str] | None) -> Todo:
        todo = self._at_version(owner, todo_id, versions)
        changed = msgspec.structs.replace(todo, **fields, version=todo.version + 1)
        return self.add(owner, changed)

    def remove(self, owner: str, todo_id: str, versions: Collection[str] | None) -> None:
        self._at_version(owner, todo_id, versions)
        del self._todos[owner, todo_id]

    def _at_version(self, owner: str, todo_id: str, versions: Collection[str] | None) -> Todo:
        todo = self.get(owner, todo_id)
        if todo is None:
            raise NotFound(f"there is no todo {todo_id}")
        if versions is not None and str(todo.version) not in versions:
            raise PreconditionFailed(f"todo {todo_id} has changed since that version")
        return todo
