"""Elastic File System: each file system is a folder of this machine."""

from __future__ import annotations

from pathlib import Path

FOLDER = "efs"
"""The folder of all file systems, within that of the state."""


def file_system(folder: Path, identifier: str) -> Path:
    """Return the folder of the file system *identifier*, within the *folder* of all file systems."""
    files = folder / identifier
    files.mkdir(parents=True, exist_ok=True)
    return files
