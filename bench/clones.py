"""Clones of the last commit, and the sandbox of a clone: the working tree and its own sandbox stay as they are."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import copies
from sandbox.own_sandbox import OwnSandbox
from sandbox.settings import ROOT


def clone(root: Path) -> None:
    """Clone the last commit. The packages that are kept here are used there."""
    subprocess.run(["git", "clone", "--quiet", "--", str(ROOT), str(root)], check=True)
    copies.link_packages(root)


@contextlib.contextmanager
def sandbox(root: Path, **variables: str) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Run the sandbox of a clone on free ports until the block ends.

    The values are its outputs and the variables that point to it. Raises NotRun with what a command printed.
    """
    own = OwnSandbox(root / ".sandbox", "local", root, **variables)
    with own.running():
        yield own.outputs, own.settings.environment
