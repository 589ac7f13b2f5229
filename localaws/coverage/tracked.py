"""Values of a request or of a resource that record which of their parts are read."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any


def tracked(value: Any) -> Any:
    """Return a copy of a JSON value whose objects are `Tracked`."""
    if isinstance(value, dict):
        return Tracked(value)
    if isinstance(value, list):
        return [tracked(item) for item in value]
    return value


class Tracked(dict[str, Any]):
    """A dict that records which keys are read, for itself and for the dicts within it.

    A lookup reads a key; `in` and the iteration of keys do not. A copy as a whole reads everything.
    """

    def __init__(self, source: dict[str, Any]) -> None:
        super().__init__({key: tracked(value) for key, value in source.items()})
        self._read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._read.add(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self._read.add(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self._read.add(key)
        return super().setdefault(key, default)

    def __iter__(self) -> Iterator[str]:  # makes dict(tracked) and {**tracked} look each key up
        return super().__iter__()

    def items(self) -> Any:
        self._read.update(super().keys())
        return super().items()

    def values(self) -> Any:
        self._read.update(super().keys())
        return super().values()

    def copy(self) -> dict[str, Any]:
        return dict(self)

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {key: copy.deepcopy(value, memo) for key, value in self.items()}

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def untracked(self) -> dict[str, Any]:
        """Return a copy whose first level can be read without a record."""
        return dict(super().items())

    def unread(self) -> Iterator[str]:
        """Yield the paths of what was not read, as `Outer.Inner`; the items of lists have no index.

        An object that was looked up, and none of its keys, was handed on whole: it counts as read.
        """
        for key, value in super().items():
            if key not in self._read:
                yield key
            else:
                yield from (f"{key}.{path}" for path in _unread_within(value))


def _unread_within(value: Any) -> Iterator[str]:
    if isinstance(value, Tracked):
        if value._read:
            yield from value.unread()
    elif isinstance(value, list):
        for item in value:
            yield from _unread_within(item)
