"""`make verify`: runs the journeys through a stage, and writes the report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from deploy import order, stages, updates
from deploy.account import target
from deploy.apps import ROOT
from deploy.errors import NotDeployed, NotVerified
from deploy.verify import report, runner
from deploy.verify.blog import Blog
from deploy.verify.health import Health
from deploy.verify.journey import LONGEST, Journey
from deploy.verify.pipeline import Pipeline
from deploy.verify.receipts import Receipts
from deploy.verify.todo import Todos
from deploy.verify.update_servers import Updates
from deploy.verify.video import Shop

JOURNEYS: dict[str, type[Journey]] = {each.app: each for each in (Todos, Blog, Shop, Receipts, Pipeline, Updates)}
"""The journey through each app. An app without one gets `Health`."""


def verify(stage: str, chosen: Sequence[str] = (), longest: float = LONGEST, folder: Path = ROOT / "dist") -> None:
    """Verify the apps of the stage, or those *chosen*, and write the report to *folder*.

    Raises NotVerified, which names the first step that failed, and NotDeployed.
    """
    deployed = stages.of(stage) + ([order.UPDATES] if updates.template_of(stage) else [])
    missing = [app for app in chosen if app not in deployed]
    if missing or not deployed:
        raise NotDeployed(f"{', '.join(missing) or 'nothing'} is not deployed to {stage}: make release STAGE={stage}")
    journeys = [journey_of(app) for app in chosen or deployed]
    results = runner.run(journeys, stage, longest, _show)
    for file in report.write(results, stage, target(), f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", folder):
        print(f"report: {file}")
    failure = runner.first_failure(results)
    if failure:
        raise NotVerified(f"{failure.app}: “{failure.step}” {failure.reason}")
    if any(result.outcome == "not run" for result in results):
        raise NotVerified("it was interrupted")


def _show(result: runner.Result) -> None:
    sys.stdout.write(f"{result}\n")  # in one piece, because the journeys run side by side
    sys.stdout.flush()


def journey_of(app: str) -> type[Journey]:
    """Return the journey through an app."""
    return JOURNEYS.get(app) or type("OtherApp", (Health,), {"app": app})
