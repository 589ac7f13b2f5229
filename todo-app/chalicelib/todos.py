"""Todos and their operations. Imports no AWS and no HTTP."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from common import times
from common.errors import NotFound
from common.ids import new_id
from common.pages import Page
from common.text import LINE, TEXT

Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=LINE)]
Text = Annotated[str, Meta(max_length=10_000, pattern=TEXT)]
Tag = Annotated[str, Meta(min_length=1, max_length=50, pattern=LINE)]
Tags = Annotated[list[Tag], Meta(max_length=20)]
Due = Annotated[str, Meta(max_length=40)]
Priority = Literal["low", "normal", "high"]


class Todo(Struct, kw_only=True):
    """One todo. Times are ISO 8601 in UTC; each change increments ``version``."""

    id: str
    title: str
    notes: str
    due: str | None
    priority: Priority
    tags: list[str]
    done: bool
    created_at: str
    updated_at: str
    version: int

    @property
    def etag(self) -> str:
        """Return the opaque part of its entity tag."""
        return str(self.version)


class NewTodo(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A todo to create. ``due`` is an ISO 8601 date, or a date and time with an offset."""

    title: Line
    notes: Text = ""
    due: Due | None = None
    priority: Priority = "normal"
    tags: Tags = []

    def __post_init__(self) -> None:
        self.due = _due(self.due)
        self.tags = list(dict.fromkeys(self.tags))

    def fingerprint(self) -> str:
        """Return a hash that is equal for equal bodies. It omits defaults, so a later field changes no earlier hash."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class TodoChange(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The fields to change, as a JSON merge patch (RFC 7396): null removes ``due``."""

    title: Line | UnsetType = UNSET
    notes: Text | UnsetType = UNSET
    due: Due | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    done: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        if isinstance(self.due, str):
            self.due = _due(self.due)
        if isinstance(self.tags, list):
            self.tags = list(dict.fromkeys(self.tags))


class TodoQuery(Struct):
    """A page of todos, newest first: all, or those with ``done``; at most ``limit``, after ``cursor``."""

    done: bool | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, Meta(max_length=200)] | None = None


class TodoStore(Protocol):
    """Storage of todos. Every method reads and writes only the todos of *owner*."""

    def add(self, owner: str, todo: Todo) -> Todo:
        """Store a new todo."""

    def add_once(self, owner: str, todo: Todo, key: str, fingerprint: str) -> Todo:
        """Store a new todo unless *key* was used before; return the todo of the first call.

        Raises IdempotencyKeyReused when the key was used with another *fingerprint*.
        """

    def get(self, owner: str, todo_id: str) -> Todo | None:
        """Return the todo, or None if it does not exist."""

    def list(self, owner: str, query: TodoQuery) -> Page[Todo]:
        """Return one page. Raises InvalidInput for a cursor of another API."""

    def update(self, owner: str, todo_id: str, fields: dict[str, Any], versions: Collection[str] | None) -> Todo:
        """Set *fields* atomically if the version is one of *versions*. Raises NotFound, PreconditionFailed."""

    def remove(self, owner: str, todo_id: str, versions: Collection[str] | None) -> None:
        """Remove the todo if the version is one of *versions*. Raises NotFound, PreconditionFailed."""


class Todos:
    """The todos of all owners. Each owner sees only their own."""

    def __init__(self, store: TodoStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now

    def add(self, owner: str, new: NewTodo, idempotency_key: str | None = None) -> Todo:
        """Create a todo. A second call with the same key returns the todo of the first."""
        now = self._timestamp()
        todo = Todo(**msgspec.structs.asdict(new), id=new_id(), done=False, created_at=now, updated_at=now, version=1)
        if idempotency_key is None:
            return self._store.add(owner, todo)
        return self._store.add_once(owner, todo, idempotency_key, new.fingerprint())

    def list(self, owner: str, query: TodoQuery) -> Page[Todo]:
        """Return one page of the owner's todos."""
        return self._store.list(owner, query)

    def get(self, owner: str, todo_id: str) -> Todo:
        """Return the todo. Raises NotFound."""
        todo = self._store.get(owner, _id(todo_id))
        if todo is None:
            raise NotFound(f"there is no todo {todo_id}")
        return todo

    def change(self, owner: str, todo_id: str, change: TodoChange, versions: Collection[str] | None) -> Todo:
        """Change some fields if the version is one of *versions* (None: any). Raises NotFound, PreconditionFailed."""
        fields = msgspec.to_builtins(change) | {"updated_at": self._timestamp()}
        return self._store.update(owner, _id(todo_id), fields, versions)

    def remove(self, owner: str, todo_id: str, versions: Collection[str] | None) -> None:
        """Remove the todo if the version is one of *versions*. Raises NotFound, PreconditionFailed."""
        self._store.remove(owner, _id(todo_id), versions)

    def _timestamp(self) -> str:
        return times.iso(self._now())


def _id(todo_id: str) -> str:
    try:
        return str(uuid.UUID(todo_id))
    except ValueError as error:
        raise NotFound(f"there is no todo {todo_id[:50]!r}") from error


def _due(due: str | None) -> str | None:
    """Return *due* with its time in UTC. Raises ValueError, which msgspec turns into a ValidationError."""
    if due is None:
        return None
    try:
        if len(due) == len("2026-01-31"):
            return date.fromisoformat(due).isoformat()
    except ValueError as error:
        raise ValueError("due: not an ISO 8601 date, or date and time with an offset") from error
    try:
        return times.iso(times.parse(due), "auto")
    except ValueError as error:
        raise ValueError(f"due: {error}") from error
