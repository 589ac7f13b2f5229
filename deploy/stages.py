"""The names of stages, the stages that the account has, and the stacks of each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deploy import apps, dashboards, stacks, updates
from deploy.errors import InvalidStage


def check(stage: str) -> None:
    """Check that a stage may have this name. Raises InvalidStage.

    Names and log groups of a stage must not match those of another. A stage that is there keeps its name.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,10}", stage) or stage.endswith(tuple(f"-{kind}" for kind in apps.KINDS)):
        raise InvalidStage(f"{stage!r}: a stage has one to eleven letters, digits and hyphens, such as feature-x")
    known = names()
    for other in known if stage not in known else ():
        if stage.startswith(f"{other}-") or other.startswith(f"{stage}-"):
            raise InvalidStage(f"the name of one stage must not begin with that of another, as {stage} and {other} do")


def names() -> set[str]:
    """Return the stages that have resources."""
    pattern = re.compile(rf"(?:{'|'.join(apps.names())})-(.+)-resources")
    return {match[1] for name in stacks.existing() if (match := pattern.fullmatch(name))}


def of(stage: str) -> list[str]:
    """Return the apps that have stacks of the stage."""
    there = stacks.existing()
    return [app for app in apps.names() if any(apps.stack(app, stage, kind) in there for kind in apps.KINDS)]


def stacks_of(stage: str, kinds: Sequence[str] = apps.KINDS) -> dict[str, str]:
    """Return by name the app of each stack of the stage. The stack of the update servers is of the kind ``app``."""
    there = stacks.existing()
    return {name: app for name, app in owners(stage, kinds).items() if name in there}


def owners(stage: str, kinds: Sequence[str] = apps.KINDS) -> dict[str, str]:
    """Return by name the app of each stack that the stage can have. Its dashboards are deleted with the edges."""
    named = {apps.stack(app, stage, kind): app for kind in kinds for app in apps.names()}
    if "app" in kinds:
        named[updates.stack(stage)] = "updates"
    if "edge" in kinds:
        named[dashboards.stack(stage)] = "dashboards"
    return named
