"""The stages that the account has, and the stacks of each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deploy import apps, stacks, updates


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
    named = {apps.stack(app, stage, kind): app for kind in kinds for app in apps.names()}
    if "app" in kinds:
        named[updates.stack(stage)] = "updates"
    return {name: app for name, app in named.items() if name in there}
