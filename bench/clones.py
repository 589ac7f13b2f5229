"""Clones of the last commit, and the sandbox of a clone: the working tree and its own sandbox stay as they are."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localaws.ports import find_free_port
from sandbox.ports import port_variables
from sandbox.settings import ROOT


def clone(root: Path) -> None:
    """Clone the last commit. The packages and zips that are kept here are used there."""
    subprocess.run(["git", "clone", "--quiet", "--", str(ROOT), str(root)], check=True)
    packages = root / "dist" / "packages"
    packages.mkdir(parents=True)
    for kept in (*(ROOT / "dist" / "packages").glob("*"), *(ROOT / "dist").glob("*.zip")):
        (root / kept.relative_to(ROOT)).symlink_to(kept)


@contextlib.contextmanager
def sandbox(root: Path, **variables: str) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Run the sandbox of a clone on free ports until the block ends.

    The values are its outputs and the variables that point to it. Raises RuntimeError with what a command printed.
    """
    ports = {variable: str(find_free_port()) for variable, _ in port_variables().values()}
    own = {"SANDBOX_DIR": str(root / ".sandbox"), "SANDBOX_STAGE": "local"}
    environment = os.environ | own | ports | variables

    def command(name: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sandbox", name],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout

    command("up")
    try:
        outputs = json.loads((root / ".sandbox" / "outputs.json").read_text())
        yield outputs, dict(re.findall(r"export (\w+)='(.*)'", command("env")))
    finally:
        command("down")
