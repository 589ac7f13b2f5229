"""The systems on the first page: what each is, one thing to try, its addresses, and how it does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from deploy import stages
from deploy.account import client
from sandbox.apps import ADDRESSES, Card, card
from sandbox.console import metrics
from sandbox.demo.users import PASSWORD, USERS
from sandbox.errors import InvalidFile

PAST = timedelta(hours=1)
"""Over which time calls of functions are counted."""

type Json = dict[str, Any]


def cards(apps: Mapping[str, Json], problems: Mapping[str, str], root: Path) -> list[Json]:
    """Return what the page shows of each deployed app: what its folder below *root* says, and what it was deployed as.

    *problems* has the apps whose last change could not be deployed.
    """
    return [_described(app, outputs, problems.get(app, ""), _card(root / app)) for app, outputs in apps.items()]


def _card(folder: Path) -> Card:
    """Return what the app says of itself, nothing while its file has an error: the reload tells which one."""
    try:
        return card(folder)
    except InvalidFile:
        return Card()


def _described(app: str, outputs: Json, problem: str, said: Card) -> Json:
    return {
        "name": app,
        "problem": problem,
        **msgspec.to_builtins(said),
        "title": said.title or app,
        "addresses": {name: outputs[name] for name in ADDRESSES if name in outputs},
        "sign_ins": list(USERS) if "user_pool_id" in outputs else [],
        "password": PASSWORD,
    }


def states(stage: str, apps: Iterable[str]) -> dict[str, Json]:
    """Return by app ``{state, calls, failed}``: of its stacks, and of its functions in the last hour."""
    names = list(apps)
    if not names:
        return {}
    statuses, counts = _statuses(stage), _counts("Invocations", "Errors")
    return {
        app: {
            "state": state(statuses.get(app, [])),
            "calls": _sum(counts, "Invocations", f"{app}-{stage}-"),
            "failed": _sum(counts, "Errors", f"{app}-{stage}-"),
        }
        for app in names
    }


def _statuses(stage: str) -> dict[str, list[str]]:
    """Return by app the statuses of its stacks."""
    owners = stages.owners(stage)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for page in client("cloudformation").get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            if app := owners.get(stack["StackName"]):
                found[app].append(stack["StackStatus"])
    return found


def state(statuses: Sequence[str]) -> str:
    """Return in words what the statuses of an app's stacks say of it."""
    if not statuses:
        return "Not deployed"
    if any(status.endswith("_IN_PROGRESS") for status in statuses):
        return "Being deployed"
    if any("FAILED" in status or "ROLLBACK" in status for status in statuses):
        return "Last deployment failed"
    return "Ready"


def _counts(*names: str) -> dict[metrics.Metric, int]:
    """Return the sums of these metrics of each function."""
    listed = metrics.listed("AWS/Lambda")
    return metrics.sums([each for each in listed if each.name in names and len(each.dimensions) == 1], PAST)


def _sum(counts: Mapping[metrics.Metric, int], name: str, prefix: str) -> int:
    """Return the sum of a metric over the functions whose names begin with *prefix*."""
    return sum(
        number
        for metric, number in counts.items()
        if metric.name == name and metric.dimensions[0][1].startswith(prefix)
    )
