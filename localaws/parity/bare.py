"""The figures of the bare emulator, in `bare.json`: the version of ministack is pinned, so they are measured once."""

from __future__ import annotations

import json

from localaws.parity.suites import HERE

FILE = HERE / "bare.json"


def load() -> dict[str, int]:
    """Return how many cases of each suite the bare emulator equals."""
    figures: dict[str, int] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return figures


def save(figures: dict[str, int]) -> None:
    """Keep *figures*."""
    FILE.write_text(json.dumps(figures, indent=2) + "\n")
