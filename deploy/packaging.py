"""The `chalice` command with packages that are reproducible: `python -m deploy.packaging package --stage qa ...`.

* A zip has the settings of its own stage alone, and is the same on every machine.
* Every stage works: a function gets the name of its stage and its policy for it, even if ``.chalice/config.json`` does
  not list the stage.
* Chalice installs the packages of an app for every zip, and each file of the app makes a new zip, even the settings of
  a stage. The packages depend on requirements.txt only. So they are installed once for each content of it, whatever app
  has it, and kept in ``dist/packages/``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from chalice.cli import main
from chalice.config import Config
from chalice.deploy.packager import DependencyBuilder, LambdaDeploymentPackager

from deploy import policies, zips

KEPT = Path(__file__).parent.parent / "dist" / "packages"

install = DependencyBuilder.build_site_packages
environment_variables: Any = Config.environment_variables
iam_policy_file: Any = Config.iam_policy_file


def install_once(builder: DependencyBuilder, abi: str, requirements: str, folder: str) -> None:
    """Copy the packages that the file *requirements* lists to *folder*; install them first if they are not kept."""
    digest = hashlib.sha256(Path(requirements).read_bytes()).hexdigest()[:16]
    kept = KEPT / f"{abi}-{builder._machine}-{digest}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # apps that are packaged at the same time may have the same packages
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=KEPT) as draft:
                install(builder, abi, requirements, f"{draft}/packages")
                Path(draft, "packages").rename(kept)
    shutil.copytree(kept, folder, dirs_exist_ok=True)


def variables_with_stage(config: Config) -> dict[str, str]:
    """Return the environment variables of a function. Chalice sets them before it imports the app, too."""
    return {**environment_variables.fget(config), "STAGE": config.chalice_stage}


def policy_of_stage(config: Config) -> str | None:
    """Return the policy file of a function."""
    return iam_policy_file.fget(config) or policies.file(
        config._config_from_disk, config.chalice_stage, config.function_name
    )


def create_package(packager: LambdaDeploymentPackager, project: str, python_version: str) -> str:
    """Write the app's zip to ``.chalice/deployments/`` unless it is there; return the file."""
    folder, files = Path(project), _app_files(packager, Path(project))
    requirements = folder / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes())
    for name, file in sorted(files.items()):
        digest.update(f"\0{name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    suffix = packager._architecture_suffix()
    package = folder / ".chalice" / "deployments" / f"{digest.hexdigest()[:32]}-{python_version}{suffix}.zip"
    if not package.exists():
        package.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as packages:
            packager._build_python_dependencies(python_version, str(requirements), packages)
            zips.write(package, zips.archive(_installed(Path(packages)) | files))
    package.touch()
    return str(package)


def _app_files(packager: LambdaDeploymentPackager, folder: Path) -> dict[str, Path]:
    """Return by name the files of the app and of ``vendor``, with the settings of this stage only."""
    found = {name: Path(file) for file, name in packager._iter_app_filenames(str(folder))}
    vendor = folder / "vendor"
    for place, _, names in os.walk(vendor, followlinks=True):
        found |= {str((Path(place) / name).relative_to(vendor)): Path(place) / name for name in names}
    own = f"chalicelib/stages/{os.environ['STAGE']}.json"
    return {
        name: file
        for name, file in found.items()
        if "__pycache__" not in name and (not name.startswith("chalicelib/stages/") or name == own)
    }


def _installed(packages: Path) -> dict[str, Path]:
    """Return by name the files of the packages. Chalice itself is not in a zip: its runtime is a part of the app."""
    found = {str(file.relative_to(packages)): file for file in packages.rglob("*") if file.is_file()}
    return {name: file for name, file in found.items() if not name.startswith("chalice/")}


if __name__ == "__main__":
    DependencyBuilder.build_site_packages = install_once  # type: ignore[method-assign, assignment]
    LambdaDeploymentPackager.create_deployment_package = create_package  # type: ignore[method-assign, assignment]
    Config.environment_variables = property(variables_with_stage)  # type: ignore[method-assign, assignment]
    Config.iam_policy_file = property(policy_of_stage)  # type: ignore[method-assign, assignment]
    sys.exit(main())
