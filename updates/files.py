"""Files that are complete at any moment, also after a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def settle(draft: Path, place: Path) -> None:
    """Flush *draft* to disk and replace *place* with it in one step, which is on disk too.

    Without the first flush a crash can leave an empty file, and without the second the old one (fsync(2)).
    """
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    draft.replace(place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write(place: Path, content: bytes) -> None:
    """Replace the content of *place*."""
    draft = place.with_name(place.name + ".draft")
    draft.write_bytes(content)
    settle(draft, place)
