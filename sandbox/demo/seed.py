"""Runs the seeds of the apps: ``<app>/tools/seed.py``, which each make the demo data of their app.

A seed is a client of its app. It reads from standard input
``{"outputs": the app's entry in outputs.json, "stage", "region", "users": [{"email", "id_token"}]}``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sandbox.demo import users
from sandbox.settings import ROOT, Settings

_TRIES = 3
"""On a busy machine the first call of a function can exceed API Gateway's timeout. A seed can run again."""


class SeedFailed(Exception):
    """A seed ended with an error; the message has what it printed."""


def seed(settings: Settings, apps: dict[str, Any], report: Callable[[str], None]) -> None:
    """Create the demo users and run every seed, side by side. *report* gets a line after each. Raises SeedFailed."""

    def timed(app: str) -> None:
        began = time.monotonic()
        _seed(settings, app, apps[app])
        report(f"{app}: demo data done in {time.monotonic() - began:.1f} s")

    with ThreadPoolExecutor() as pool:
        list(pool.map(timed, apps))


def _seed(settings: Settings, app: str, outputs: dict[str, Any]) -> None:
    if "user_pool_id" in outputs:
        users.sign_up(outputs["user_pool_id"])
    if not (ROOT / app / "tools" / "seed.py").exists():
        return
    client_id = outputs.get("user_pool_client_id")
    people = [{"email": user, "id_token": users.id_token(client_id, user)} for user in users.USERS if client_id]
    region = settings.aws.regions[0]
    given = json.dumps({"outputs": outputs, "stage": settings.stage, "region": region, "users": people})
    for _ in range(_TRIES):
        done = subprocess.run(
            [sys.executable, "-m", "tools.seed"],
            input=given,
            cwd=ROOT / app,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
    raise SeedFailed(f"the seed of {app} failed:\n{done.stdout}{done.stderr}")
