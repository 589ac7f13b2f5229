"""The zips of the apps as `chalice package` makes them, by what is in them, beside what Lambda takes.

They are of no real stage: their settings are made up.
"""

from __future__ import annotations

import ast
import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.row import Row
from deploy import apps, policies

_STAGE = "bench"
_LIMIT = 250.0
"""MB of all files of a function: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


def rows() -> Iterator[Row]:
    """Yield the size of each app's zip, which is not compressed, and of its parts."""
    for app in apps.names():
        with tempfile.TemporaryDirectory() as folder:
            unpacked(app, Path(folder))
            own = {file.name for file in (apps.ROOT / app).iterdir()} | {"common"}
            sizes: Counter[str] = Counter()
            for file in Path(folder).rglob("*"):
                if file.is_file():
                    sizes[_part(file.relative_to(folder), own)] += file.stat().st_size
        parts = ", ".join(f"{part} {size / 1e6:.1f}" for part, size in sizes.most_common())
        what = f"MB of the zip of {app}: {parts}"
        yield Row(what, [sum(sizes.values()) / 1e6], "Lambda's limit", [_LIMIT], "MB")


def _part(file: Path, own: set[str]) -> str:
    if file.suffix == ".pyc":
        return "compiled code"
    if file.parts[0] in own:
        return "the app"
    return "Chalice" if file.parts[0] == "chalice" else "packages"


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
