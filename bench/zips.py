"""The zips of the apps as `chalice package` makes them, without a stage: the settings are made up."""

from __future__ import annotations

import ast
import os
import zipfile
from pathlib import Path

from deploy import apps, policies

_STAGE = "bench"


def unpacked(app: str, folder: Path) -> None:
    """Package *app* and unpack its zip into *folder*, as Lambda does. Sets the app's settings in this process."""
    os.environ |= settings(app)
    project = apps.ROOT / app
    policies.write(project, _STAGE, dict.fromkeys(policies.places(project), _STAGE))  # the zip has none of them
    with zipfile.ZipFile(apps.package(app, _STAGE) / "deployment.zip") as archive:
        archive.extractall(folder)


def settings(app: str) -> dict[str, str]:
    """Return the environment of a function of *app*: a value for each setting without a default."""
    tree = ast.parse((apps.ROOT / app / "chalicelib" / "wiring.py").read_text())
    [declared] = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == "Settings"]
    fields = [each for each in declared.body if isinstance(each, ast.AnnAssign) and each.value is None]
    values = {ast.unparse(each.target).upper(): _value(each) for each in fields}
    return values | {"STAGE": _STAGE, "AWS_DEFAULT_REGION": "us-east-1"}


def _value(field: ast.AnnAssign) -> str:
    kind = ast.unparse(field.annotation)
    if kind == "int":
        return "300"
    if kind.startswith("Literal["):
        return str(ast.literal_eval(kind[len("Literal[") : -1].split(",")[0]))
    return f"arn:aws:x:us-east-1:000000000000:{ast.unparse(field.target)}"
