"""Zips whose bytes depend on their content only."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path


def archive(files: Mapping[str, Path | bytes]) -> bytes:
    """Return a zip of the files, or their content, by name.

    Equal content makes an equal zip on every machine, so that an update changes only what has changed. The entries have
    one order, no times, and equal permissions: the user that runs a function does not own the files. They are not
    compressed, because the versions of zlib compress differently.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as zipped:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3  # Unix, for the permissions
            entry.external_attr = 0o644 << 16
            zipped.writestr(entry, file if isinstance(file, bytes) else file.read_bytes())
    return content.getvalue()


def write(file: Path, content: bytes) -> None:
    """Write a file at once: an interrupted command leaves no half of it."""
    draft = file.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(file)
