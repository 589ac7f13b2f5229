"""The properties of a resource, with a record of which of them are read."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator
from typing import Any


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

    def unread(self) -> list[str]:
        """Return the paths of what was not read, as `Outer.Inner`, and empty this dict.

        The items of a list have no index: what is read of one item counts as read of all. A dict within this one that
        something else still refers to is stored as a whole: it counts as read.
        """
        parts = [_Part("", self)]
        for part in parts:
            parts += [_Part(f"{part.path}{key}.", inner) for key in part.keys & part.read for inner in part.inner(key)]
        for part in parts:
            part.release()
        self.clear()
        every = {part.path + key for part in parts for key in part.keys}
        read = {part.path + key for part in parts for key in (part.keys if part.is_stored(self) else part.read)}
        return sorted(path for path in every - read if path.rpartition(".")[0] in read | {""})


class _Part:
    """One dict of a tracked structure, without a reference that keeps it alive once it is released."""

    def __init__(self, path: str, value: Tracked) -> None:
        self.path, self.keys, self.read = path, set(dict.keys(value)), value._read
        self._value: Tracked | None = value
        self._reference = weakref.ref(value)

    def inner(self, key: str) -> list[Tracked]:
        value = dict.get(self._value, key) if self._value is not None else None
        items = value if isinstance(value, list) else [value]
        return [item for item in items if isinstance(item, Tracked)]

    def release(self) -> None:
        self._value = None

    def is_stored(self, root: Tracked) -> bool:
        alive = self._reference()
        return alive is not None and alive is not root


def tracked(value: Any) -> Any:
    """Return a copy of a JSON value whose objects are `Tracked`."""
    if isinstance(value, dict):
        return Tracked(value)
    if isinstance(value, list):
        return [tracked(item) for item in value]
    return value
