"""What is mutated, and by which suites it is tested."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bench.copies import ROOT

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


def _apps() -> list[str]:
    return sorted(path.parent.parent.name for path in ROOT.glob("*/.chalice/config.json"))
