"""The packages that the suite is compared with. They are pinned, and installed into `.bench` on first use."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.row import Unmeasured
from sandbox.settings import ROOT

_HERE, _INSTALLED = Path(__file__).parent, ROOT / ".bench"
_PIP = [
    sys.executable,
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--require-hashes",
]


def packages(name: str) -> Path:
    """Return the folder with the packages of ``<name>-requirements.txt``, without compiled code. Raises Unmeasured."""
    requirements = _HERE / f"{name}-requirements.txt"
    folder = _folder(name, requirements)
    _install(folder, [*_PIP, "--no-compile", "--target", str(folder), "--requirement", str(requirements)])
    return folder


def node_packages() -> Path:
    """Return the folder whose ``node_modules`` has the packages of ``package.json``. Raises Unmeasured."""
    if not shutil.which("npm"):
        raise Unmeasured("needs Node.js and npm")
    folder = _folder("node", _HERE / "package-lock.json")
    _install(folder, ["npm", "ci", "--silent", "--no-audit", "--no-fund"], "package.json", "package-lock.json")
    return folder


def versions() -> list[str]:
    """Return the names and pinned versions of what the suite is compared with, without their own dependencies."""
    found = []
    for wanted in sorted(_HERE.glob("*-requirements.in")):
        names = re.findall(r"^[\w-]+", wanted.read_text(), re.MULTILINE)
        pinned = dict(re.findall(r"^([\w-]+)==(\S+)", wanted.with_suffix(".txt").read_text(), re.MULTILINE))
        found += [f"{name} {pinned[name]}" for name in names]
    needed = json.loads((_HERE / "package.json").read_text())["dependencies"]
    return found + [f"{name} {version}" for name, version in needed.items()]


def _folder(name: str, lock: Path) -> Path:
    return _INSTALLED / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"


def _install(folder: Path, command: Sequence[str], *needed: str) -> None:
    """Run *command* in *folder* with the files that it needs, unless an earlier run has succeeded."""
    done = folder / ".installed"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in needed:
        shutil.copy(_HERE / file, folder)
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        reason = (ran.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unmeasured(f"needs packages that could not be installed: {reason}")
    done.touch()
