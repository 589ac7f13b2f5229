"""The files that `make lock` writes: each package has one version everywhere, with hashes; no file names an index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
INPUTS = sorted({*ROOT.glob("*/*requirements.in"), *ROOT.glob("updates/origin/requirements.in")})
LOCKS = [ROOT / "requirements.txt", ROOT / "requirements-test.txt", *(file.with_suffix(".txt") for file in INPUTS)]
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)( ; .+?)?( \\\n    --hash=sha256:[0-9a-f]{64})+")
"""A package with its version, optionally the platforms that need it, and its hashes."""

every_lock = pytest.mark.parametrize("lock", LOCKS, ids=[str(lock.relative_to(ROOT)) for lock in LOCKS])


def pins(lock: Path) -> dict[str, str]:
    return {pin["name"]: pin["version"] for pin in PIN.finditer(lock.read_text())}


@every_lock
def test_a_lock_has_pins_with_hashes_and_nothing_else(lock: Path) -> None:
    rest = PIN.sub("", lock.read_text())

    assert pins(lock)
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []


@every_lock
def test_a_package_has_the_same_version_everywhere(lock: Path) -> None:
    assert pins(lock).items() <= pins(ROOT / "requirements-test.txt").items()


@pytest.mark.parametrize("wanted", INPUTS, ids=[str(file.relative_to(ROOT)) for file in INPUTS])
def test_every_requirement_is_locked(wanted: Path) -> None:
    names = {line.partition("=")[0] for line in wanted.read_text().splitlines() if not line.startswith("#")}

    assert names <= pins(wanted.with_suffix(".txt")).keys()
