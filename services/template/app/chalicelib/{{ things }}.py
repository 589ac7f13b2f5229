"""{{ Things }} and what may be done with them. Knows no AWS and no HTTP."""

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


class {{ Thing }}(Struct):
    """One {{ thing }}. Times are ISO 8601 in UTC; ``version`` grows by one with each change."""

    id: str
    name: str
    created_at: str
    updated_at: str
    version: int

    @property
    def etag(self) -> str:
        """Return the opaque part of its entity tag."""
        return str(self.version)


class New{{ Thing }}(Struct, forbid_unknown_fields=True):
    """What a caller says of a {{ thing }} that is to be."""

    name: Line

    def fingerprint(self) -> str:
        """Return what is equal for two bodies that ask for the same {{ thing }}."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class {{ Thing }}Change(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The fields that a caller changes, a JSON merge patch (RFC 7396)."""

    name: Line | UnsetType = UNSET


class {{ Thing }}Query(Struct):
    """``limit`` {{ things }}, newest first, after ``cursor``."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, Meta(max_length=200)] | None = None


class {{ Thing }}Store(Protocol):
    """Where the {{ things }} are."""

    def add(self, {{ thing }}: {{ Thing }}) -> {{ Thing }}:
        """Store a new {{ thing }}."""

    def add_once(self, {{ thing }}: {{ Thing }}, key: str, fingerprint: str) -> {{ Thing }}:
        """Store a new {{ thing }} unless *key* came before; return what was stored then or now.

        Raises IdempotencyKeyReused when the key came with another *fingerprint*.
        """

    def get(self, {{ thing }}_id: str) -> {{ Thing }} | None:
        """Return the {{ thing }}, if there is one."""

    def list(self, query: {{ Thing }}Query) -> Page[{{ Thing }}]:
        """Return one page. Raises InvalidInput for a cursor that is not ours."""

    def update(self, {{ thing }}_id: str, fields: dict[str, Any], versions: Collection[str] | None) -> {{ Thing }}:
        """Set *fields* in one step if the version is one of *versions*. Raises NotFound, PreconditionFailed."""

    def remove(self, {{ thing }}_id: str, versions: Collection[str] | None) -> None:
        """Remove the {{ thing }} under the same condition, with the same errors."""


class {{ Things }}:
    """All {{ things }}."""

    def __init__(self, store: {{ Thing }}Store, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now

    def add(self, new: New{{ Thing }}, idempotency_key: str | None = None) -> {{ Thing }}:
        """Make {{ a }} {{ thing }}; a second call with the same key returns the first one's."""
        now = iso(self._now())
        {{ thing }} = {{ Thing }}(new_id(), new.name, created_at=now, updated_at=now, version=1)
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
