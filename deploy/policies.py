"""The policies of an app's functions, written for one stage.

``.chalice/policies/<name>.json`` has the policy of a function, with places such as ``${Stage}``. `write` fills them in
and writes ``.chalice/policies/<stage>/<name>.json``, to which the stage in ``.chalice/config.json`` refers. So the role
of a function can use the resources of its own stage, account and Region only, whichever way the app is deployed:
`chalice deploy` and `chalice package` read the same files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy import zips
from deploy.errors import UnknownPlace

_PLACE = re.compile(r"\$\{([\w:-]+)\}")

LIKE = "prod"
"""The stage in ``.chalice/config.json`` like which another one is made."""


def write(project: Path, stage: str, values: Mapping[str, str]) -> list[Path]:
    """Write the policies of the app in *project* for *stage*, and return the files.

    *values* has the values of all places in the policies but ``Stage``. Raises UnknownPlace.
    """
    return [_write(source, stage, {**values, "Stage": stage}) for source in _sources(project)]


def places(project: Path) -> set[str]:
    """Return the names of the places in the policies of the app."""
    return {name for source in _sources(project) for name in _PLACE.findall(source.read_text())}


def file(config: Mapping[str, Any], stage: str, function: str) -> str | None:
    """Return the policy file of a function in a stage, by Chalice's configuration; None for an unknown function.

    A stage that is not in the configuration is like `LIKE`.
    """
    like = config["stages"].get(LIKE, {}).get("lambda_functions", {})
    named: str | None = like.get(function, {}).get("iam_policy_file")
    return named and named.replace(f"policies/{LIKE}/", f"policies/{stage}/")


def _sources(project: Path) -> list[Path]:
    return sorted((project / ".chalice" / "policies").glob("*.json"))


def _write(source: Path, stage: str, values: Mapping[str, str]) -> Path:
    missing = sorted(set(_PLACE.findall(source.read_text())) - values.keys())
    if missing:
        raise UnknownPlace(f"{source}: the stage {stage} has no {', '.join(missing)}")
    text = _PLACE.sub(lambda place: values[place[1]], source.read_text())
    target = source.parent / stage / source.name
    target.parent.mkdir(exist_ok=True)
    zips.write(target, text.encode())
    return target
