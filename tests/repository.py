"""Copies of the repository, for tests that change it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench import copies

ROOT = copies.ROOT


def copy_to(folder: Path) -> None:
    """Copy the repository to *folder* as after `git clone` and `make`, with everything committed."""
    copies.copy_tree(folder)
    git(folder, "init", "--quiet")
    with (folder / ".git" / "info" / "exclude").open("a") as excluded:
        excluded.write("\n".join(copies.LINKS) + "\n")  # .gitignore names folders, and these are links
    commit(folder)


def commit(folder: Path) -> None:
    """Commit everything in a copy."""
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "All")


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
