"""Items as the first release stored them: tests/<app>/rows/<Struct>.json.

Stored items do not change with a release, so these files never change. They lack a field that is added later, so it
needs a default. After a rollback the reverse happens: the older release ignores the attributes of the newer one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent


def rows(app: str, struct: str) -> Any:
    """Parametrize a test with ``row``: the item of *struct* of the first release, and that of a later release."""
    first = json.loads((TESTS / app / "rows" / f"{struct}.json").read_text())
    return pytest.mark.parametrize("row", [first, later(first)], ids=["first release", "later release"])


def later(row: dict[str, Any]) -> dict[str, Any]:
    """Return *row* with an attribute that this release does not know."""
    return row | {"added_later": "x"}
