"""Copies of the repository, for tests that change it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent

LINKS = (".venv", "node_modules")
"""What `make` installs, and a copy shares."""


def copy_to(folder: Path) -> None:
    """Copy the repository to *folder* as after `git clone` and `make`, with everything committed."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if name not in LINKS and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    git(folder, "init", "--quiet")
    with (folder / ".git" / "info" / "exclude").open("a") as excluded:
        excluded.write("\n".join(LINKS) + "\n")  # .gitignore names folders, and these are links
    for name in LINKS:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    commit(folder)


def commit(folder: Path) -> None:
    """Commit everything in a copy."""
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "All")


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
