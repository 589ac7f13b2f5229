"""Copies of the repository, which a command or a test changes or runs while the working tree stays as it is."""

from __future__ import annotations

import filecmp
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

LINKS = (".venv", "node_modules")
"""What `make` installs, and a copy shares."""


def copy_tree(folder: Path) -> Path:
    """Make *folder* a copy of the files that git tracks or would track; return it. Other files in it are removed."""
    files = set(_files())
    for path in list(folder.rglob("*")):
        if (path.is_file() or path.is_symlink()) and str(path.relative_to(folder)) not in files:
            path.unlink()
    for name in files:
        source, copy = ROOT / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() or not (copy.exists() and filecmp.cmp(source, copy, shallow=False)):
            copy.unlink(missing_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
    for name in LINKS:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return folder


def link_packages(folder: Path) -> None:
    """Let a copy use the packages that are kept here for the zips of functions, which take minutes to download."""
    packages = folder / "dist" / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    for kept in (ROOT / "dist" / "packages").glob("*"):
        (packages / kept.name).symlink_to(kept)


def _files() -> Iterator[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if name not in LINKS and ((ROOT / name).is_file() or (ROOT / name).is_symlink()):
            yield name
