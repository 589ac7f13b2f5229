"""The packages that the zips of functions and layers contain, installed once and kept in ``dist/packages/``.

They depend on a requirements file only, whatever code is beside them. So after the first time nothing needs a network,
although each start of the sandbox makes other settings and therefore other zips.
"""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.errors import PackageFailed

KEPT = Path(__file__).parent.parent / "dist" / "packages"


def kept(target: str, requirements: Path, install: Callable[[Path], None]) -> Path:
    """Return the folder with the packages of a requirements file for *target*, such as a version of Python.

    If they are not kept, *install* installs them into the folder that it is given. Raises PackageFailed.
    """
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    folder = KEPT / f"{target}-{digest}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # apps that are packaged at the same time may have the same packages
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=KEPT) as draft:
                packages = Path(draft, "packages")
                packages.mkdir()
                install(packages)
                packages.rename(folder)
    return folder


def not_installed(requirements: Path, reason: str) -> PackageFailed:
    """Return the error for packages that could not be installed."""
    last = (reason.strip().splitlines() or ["pip failed"])[-1].removeprefix("ERROR: ")
    return PackageFailed(
        f"{requirements.parent.name}/{requirements.name}: {last}. "
        "The packages are downloaded once: connect to a network and run the command again"
    )
