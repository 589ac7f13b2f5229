"""Groups of the records in a batch. Imports no AWS and no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Group(NamedTuple):
    """Records of an event that are handled together: their sequence numbers or message ids, and how."""

    ids: Sequence[str]
    handle: Callable[[], object]
