"""The `chalice` command, which keeps the installed packages of an app: `python -m deploy.packaging package ...`.

Chalice installs them for every zip, and each file of the app makes a new zip, even the settings of a stage. The
packages depend on requirements.txt only. So they are installed once for each content of it, and kept in
``dist/packages/``.
"""

from __future__ import annotations

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
    file = Path(requirements)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    kept = KEPT / f"{file.resolve().parent.name}-{abi}-{digest}"
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as draft:
            install(builder, abi, requirements, f"{draft}/packages")
            Path(draft, "packages").rename(kept)
    shutil.copytree(kept, folder, dirs_exist_ok=True)


if __name__ == "__main__":
    DependencyBuilder.build_site_packages = install_once  # type: ignore[method-assign, assignment]
    sys.exit(main())
