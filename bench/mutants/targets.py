"""What is mutated, and by which suites it is tested."""

from __future__ import annotations

import filecmp
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

NOT_MUTATED = ("wiring.py", "local.py", "local_gateway.py")
"""wiring.py builds the objects of a deployed app and decides nothing. The others run only under `chalice local`, which
the tests start as a process of its own, so that the lines that a test runs are not known."""


@dataclass(frozen=True)
class Suite:
    """Tests that run in one process, as `make test` runs them."""

    pythonpath: tuple[str, ...]
    tests: str


@dataclass(frozen=True)
class Target:
    """The modules of a folder, and the suites that test them, the nearest first."""

    name: str
    folder: str
    suites: tuple[Suite, ...]

    def modules(self, tree: Path) -> list[Path]:
        found = (tree / self.folder).glob("*.py")
        return sorted(path.relative_to(tree) for path in found if path.name not in NOT_MUTATED)


def names() -> list[str]:
    return ["common", *_apps()]


def target(name: str) -> Target:
    suites = {app: Suite((app, ".", "tests", f"tests/{app}"), f"tests/{app}") for app in _apps()}
    if name == "common":
        return Target(name, "common", (Suite((".", "tests"), "tests/common"), *suites.values()))
    return Target(name, f"{name}/chalicelib", (suites[name],))


def version(tree: Path, target: Target) -> str:
    """Return a hash of the target's modules and of all tests."""
    files = [tree / module for module in target.modules(tree)]
    files += sorted(path for suite in target.suites for path in (tree / suite.tests).rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def copy_tree(folder: Path) -> Path:
    """Make *folder* a copy of the files that git tracks or would track; return it."""
    files = set(_files())
    if folder.exists():
        for path in list(folder.rglob("*")):
            if (path.is_file() or path.is_symlink()) and str(path.relative_to(folder)) not in files:
                path.unlink()
    for name in files:
        source, copy = ROOT / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() or not (copy.exists() and filecmp.cmp(source, copy, shallow=False)):
            copy.unlink(missing_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
    for name in (".venv", "node_modules"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(ROOT / name)
    return folder


def _apps() -> list[str]:
    return sorted(path.parent.parent.name for path in ROOT.glob("*/.chalice/config.json"))


def _files() -> Iterator[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).is_file() or (ROOT / name).is_symlink():
            yield name
