"""The store of {{ things }} in memory. test_store.py tests it and the table by the same contract."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from chalicelib.{{ things }} import {{ Thing }}, {{ Thing }}Query
from common import pages
from common.errors import IdempotencyKeyReused, NotFound, PreconditionFailed
from common.pages import Page


class Memory{{ Things }}:
    def __init__(self) -> None:
        self._{{ things }}: dict[str, {{ Thing }}] = {}
        self._keys: dict[str, tuple[str, {{ Thing }}]] = {}

    def add(self, {{ thing }}: {{ Thing }}) -> {{ Thing }}:
        self._{{ things }}[{{ thing }}.id] = {{ thing }}
        return {{ thing }}

    def add_once(self, {{ thing }}: {{ Thing }}, key: str, fingerprint: str) -> {{ Thing }}:
        used, stored = self._keys.setdefault(key, (fingerprint, {{ thing }}))
        if used != fingerprint:
            raise IdempotencyKeyReused("this Idempotency-Key was used with another body")
        return self.add({{ thing }}) if stored is {{ thing }} else stored

    def get(self, {{ thing }}_id: str) -> {{ Thing }} | None:
        return self._{{ things }}.get({{ thing }}_id)

    def list(self, query: {{ Thing }}Query) -> Page[{{ Thing }}]:
        found = sorted(self._{{ things }}.values(), key=lambda {{ thing }}: {{ thing }}.id, reverse=True)
        if query.cursor:
            last = pages.position(query.cursor)
            found = [{{ thing }} for {{ thing }} in found if {{ thing }}.id < last]
        page = found[: query.limit]
        return Page(page, pages.cursor(page[-1].id) if len(found) > query.limit else None)

    def update(self, {{ thing }}_id: str, fields: dict[str, Any], versions: Collection[str] | None) -> {{ Thing }}:
        {{ thing }} = self._at_version({{ thing }}_id, versions)
        return self.add(msgspec.structs.replace({{ thing }}, **fields, version={{ thing }}.version + 1))

    def remove(self, {{ thing }}_id: str, versions: Collection[str] | None) -> None:
        self._at_version({{ thing }}_id, versions)
        del self._{{ things }}[{{ thing }}_id]

    def _at_version(self, {{ thing }}_id: str, versions: Collection[str] | None) -> {{ Thing }}:
        {{ thing }} = self.get({{ thing }}_id)
        if {{ thing }} is None:
            raise NotFound(f"there is no {{ thing }} { {{- thing }}_id}")
        if versions is not None and str({{ thing }}.version) not in versions:
            raise PreconditionFailed(f"{{ thing }} { {{- thing }}_id} has changed since that version")
        return {{ thing }}
