"""{{ Things }} and their operations. Imports no AWS and no HTTP."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from common.errors import NotFound
from common.ids import new_id
from common.pages import Page
from common.text import LINE
from common.times import iso

Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=LINE)]


class {{ Thing }}(Struct, kw_only=True):
    """One {{ thing }}. Times are ISO 8601 in UTC; each change increments ``version``.

    Stored {{ things }} lack a field that is added later, so it needs a default.
    """

    id: str
    name: str
    created_at: str
    updated_at: str
    version: int

    @property
    def etag(self) -> str:
        """Return the opaque part of its entity tag."""
        return str(self.version)


class New{{ Thing }}(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """{{ A }} {{ thing }} to create."""

    name: Line

    def fingerprint(self) -> str:
        """Return a hash that is equal for equal bodies. It omits defaults, so a later field changes no earlier hash."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class {{ Thing }}Change(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The fields to change, as a JSON merge patch (RFC 7396)."""

    name: Line | UnsetType = UNSET


class {{ Thing }}Query(Struct):
    """A page of {{ things }}, newest first: at most ``limit``, after ``cursor``."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, Meta(max_length=200)] | None = None


class {{ Thing }}Store(Protocol):
    """Storage of {{ things }}."""

    def add(self, {{ thing }}: {{ Thing }}) -> {{ Thing }}:
        """Store a new {{ thing }}."""

    def add_once(self, {{ thing }}: {{ Thing }}, key: str, fingerprint: str) -> {{ Thing }}:
        """Store a new {{ thing }} unless *key* was used before; return the {{ thing }} of the first call.

        Raises IdempotencyKeyReused when the key was used with another *fingerprint*.
        """

    def get(self, {{ thing }}_id: str) -> {{ Thing }} | None:
        """Return the {{ thing }}, or None if it does not exist."""

    def list(self, query: {{ Thing }}Query) -> Page[{{ Thing }}]:
        """Return one page. Raises InvalidInput for a cursor of another API."""

    def update(self, {{ thing }}_id: str, fields: dict[str, Any], versions: Collection[str] | None) -> {{ Thing }}:
        """Set *fields* atomically if the version is one of *versions*. Raises NotFound, PreconditionFailed."""

    def remove(self, {{ thing }}_id: str, versions: Collection[str] | None) -> None:
        """Remove the {{ thing }} if the version is one of *versions*. Raises NotFound, PreconditionFailed."""


class {{ Things }}:
    """All {{ things }}."""

    def __init__(self, store: {{ Thing }}Store, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now

    def add(self, new: New{{ Thing }}, idempotency_key: str | None = None) -> {{ Thing }}:
        """Create {{ a }} {{ thing }}. A second call with the same key returns the {{ thing }} of the first."""
        now = iso(self._now())
        {{ thing }} = {{ Thing }}(id=new_id(), name=new.name, created_at=now, updated_at=now, version=1)
        if idempotency_key is None:
            return self._store.add({{ thing }})
        return self._store.add_once({{ thing }}, idempotency_key, new.fingerprint())

    def list(self, query: {{ Thing }}Query) -> Page[{{ Thing }}]:
        """Return one page."""
        return self._store.list(query)

    def get(self, {{ thing }}_id: str) -> {{ Thing }}:
        """Return the {{ thing }}. Raises NotFound."""
        {{ thing }} = self._store.get(_id({{ thing }}_id))
        if {{ thing }} is None:
            raise NotFound(f"there is no {{ thing }} { {{- thing }}_id}")
        return {{ thing }}

    def change(self, {{ thing }}_id: str, change: {{ Thing }}Change, versions: Collection[str] | None) -> {{ Thing }}:
        """Change some fields if the version is one of *versions* (None: any). Raises NotFound, PreconditionFailed."""
        fields = msgspec.to_builtins(change) | {"updated_at": iso(self._now())}
        return self._store.update(_id({{ thing }}_id), fields, versions)

    def remove(self, {{ thing }}_id: str, versions: Collection[str] | None) -> None:
        """Remove the {{ thing }} if the version is one of *versions*. Raises NotFound, PreconditionFailed."""
        self._store.remove(_id({{ thing }}_id), versions)


def _id({{ thing }}_id: str) -> str:
    try:
        return str(uuid.UUID({{ thing }}_id))
    except ValueError as error:
        raise NotFound(f"there is no {{ thing }} { {{- thing }}_id[:50]!r}") from error
