"""The `chalice` command with packages that are reproducible: `python -m deploy.packaging package --stage qa ...`.

* A zip has the settings of its own stage alone, and is the same on every machine. Its code is compiled, too.
* Every stage works: a function gets the name of its stage and its policy for it, even if ``.chalice/config.json`` does
  not list the stage.
* Chalice installs the packages of an app for every zip, and each file of the app makes a new zip, even the settings of
  a stage. Here they are installed once: see `deploy.packages`.
* Templates are read and written by libyaml, which takes a tenth of the time.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from chalice.cli import main
from chalice.config import Config
from chalice.deploy import packager as chalice_packager
from chalice.deploy.packager import LambdaDeploymentPackager
from chalice.package import YAMLTemplateSerializer
from click import ClickException

from deploy import bytecode, packages, policies, stacks, zips
from deploy.errors import PackageFailed

_KEPT_ZIPS = 4
"""How many zips of an app stay in ``.chalice/deployments/``: those of the stages that are deployed in turn."""

environment_variables: Any = Config.environment_variables
iam_policy_file: Any = Config.iam_policy_file


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
    digest = hashlib.sha256(b"compiled" + requirements.read_bytes())
    for name, file in sorted(files.items()):
        digest.update(f"\0{name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    suffix = packager._architecture_suffix()
    package = folder / ".chalice" / "deployments" / f"{digest.hexdigest()[:32]}-{python_version}{suffix}.zip"
    if not package.exists():
        package.parent.mkdir(exist_ok=True)
        installed = kept_packages(packager, requirements, python_version)
        zips.write(package, zips.archive({**installed, **files, **bytecode.compiled(files)}))
    package.touch()
    for older in sorted(package.parent.glob("*.zip"), key=lambda file: file.stat().st_mtime)[:-_KEPT_ZIPS]:
        older.unlink()
    return str(package)


def kept_packages(packager: LambdaDeploymentPackager, requirements: Path, python_version: str) -> dict[str, Path]:
    """Return by name the files of the packages of an app for Lambda, and their compiled code."""
    builder, abi = packager._dependency_builder, packager._RUNTIME_TO_ABI[python_version]

    def install(folder: Path) -> None:
        try:
            builder.build_site_packages(abi, str(requirements), str(folder))
        except (
            chalice_packager.NoSuchPackageError,
            chalice_packager.PackageDownloadError,
            chalice_packager.MissingDependencyError,
        ) as error:
            raise packages.not_installed(requirements, str(error)) from None

    try:
        installed = _installed(packages.kept(f"{abi}-{builder._machine}", requirements, install))
        write = partial(_write_compiled, installed)
        return installed | _installed(packages.kept(f"{abi}-{builder._machine}-compiled", requirements, write))
    except PackageFailed as error:
        raise ClickException(str(error)) from None  # one line, without a traceback


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


def _write_compiled(files: Mapping[str, Path], folder: Path) -> None:
    """Write the compiled code of *files* into *folder*."""
    for name, content in bytecode.compiled(files).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def read_template(serializer: YAMLTemplateSerializer, text: str, filename: str = "") -> Any:
    """Return the template that is merged into Chalice's."""
    return stacks.parse(text)


def template_text(serializer: YAMLTemplateSerializer, template: dict[str, Any]) -> str:
    """Return the text of a template."""
    return str(yaml.dump(template, Dumper=yaml.CSafeDumper, allow_unicode=True))


def run() -> int:
    """Run the command in the arguments of this process; return its exit code."""
    LambdaDeploymentPackager.create_deployment_package = create_package  # type: ignore[method-assign, assignment]
    Config.environment_variables = property(variables_with_stage)  # type: ignore[method-assign, assignment]
    Config.iam_policy_file = property(policy_of_stage)  # type: ignore[method-assign, assignment]
    YAMLTemplateSerializer.load_template = read_template  # type: ignore[method-assign, assignment]
    YAMLTemplateSerializer.serialize_template = template_text  # type: ignore[method-assign, assignment]
    return int(main() or 0)


if __name__ == "__main__":
    sys.exit(run())
