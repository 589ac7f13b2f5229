"""The `chalice` command, which keeps the installed packages of an app: `python -m deploy.packaging package ...`.

Chalice installs them for every zip, and each file of the app makes a new zip, even the settings of a stage. The
packages depend on requirements.txt only. So they are installed once for each content of it, whatever app has it, and
kept in ``dist/packages/``.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from chalice.cli import main
from chalice.deploy.packager import DependencyBuilder

KEPT = Path(__file__).parent.parent / "dist" / "packages"

install = DependencyBuilder.build_site_packages


def install_once(builder: DependencyBuilder, abi: str, requirements: str, folder: str) -> None:
    """Copy the packages that the file *requirements* lists to *folder*; install them first if they are not kept."""
    digest = hashlib.sha256(Path(requirements).read_bytes()).hexdigest()[:16]
    kept = KEPT / f"{abi}-{digest}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # apps that are packaged at the same time may have the same packages
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=KEPT) as draft:
                install(builder, abi, requirements, f"{draft}/packages")
                Path(draft, "packages").rename(kept)
    shutil.copytree(kept, folder, dirs_exist_ok=True)


if __name__ == "__main__":
    DependencyBuilder.build_site_packages = install_once  # type: ignore[method-assign, assignment]
    sys.exit(main())
