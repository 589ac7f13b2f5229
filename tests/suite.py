"""The apps of the suite. Who makes a product keeps some of them and deletes the others with their tests."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

APPS = ("blog-app", "pipeline-app", "receipts-app", "todo-app", "video-app")

DELETED = frozenset(app for app in APPS if not (ROOT / app).exists())

of_all_apps = pytest.mark.skipif(bool(DELETED), reason="it is about all apps of the suite, and some were deleted")
"""Marks tests that need every app. A file of tests that names a deleted app needs no mark: it is left out."""


def is_about(file: Path, apps: Collection[str]) -> bool:
    """Return whether the file names one of *apps*."""
    text = file.read_text()
    return any(app in text for app in apps)
