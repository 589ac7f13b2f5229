"""Deploys what a developer saves while the sandbox runs.

A saved page is published, and saved code becomes that of the functions. Everything else, such as a route, a policy or
a template, is released as on AWS. An app whose code does not start is not deployed: the earlier version goes on.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from enum import Enum
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from watchfiles import Change, DefaultFilter, awatch

import deploy.apps
import deploy.order
from deploy.errors import DeployError
from sandbox.settings import ROOT

_QUIET = 100
"""Milliseconds without a change after which changes are deployed together, for example those of a checkout."""


_LOOK = 1000
"""Milliseconds between two looks for new apps."""

_is_saved = DefaultFilter()
"""Whether a file is one that a person saves: not bytecode, nor what an editor keeps beside an open file."""

_SHARED = ("common", "deploy", "web")
"""The folders of files that apps share."""


class Step(Enum):
    """What a change of an app needs. A release includes the other two."""

    PAGE = "page"
    CODE = "code"
    RELEASE = "release"


type Plan = Mapping[str, set[Step]]
"""The steps of each app that changed."""


def plan(paths: Iterable[Path], apps: Sequence[str]) -> Plan:
    """Return what changes of the files, whose *paths* are relative to the root, need. Other files need nothing."""
    steps: defaultdict[str, set[Step]] = defaultdict(set)
    for path in paths:
        if not _is_saved(Change.modified, str(path)):
            continue
        folder, rest = path.parts[0], path.parts[1:]
        if folder in apps and (step := _step(rest)):
            steps[folder].add(step)
        elif step := _shared_step(folder, path.suffix):
            for app in apps if step is not Step.PAGE else filter(deploy.apps.site_metadata, apps):
                steps[app].add(step)
    return dict(steps)


def _site_steps(app: str, steps: set[Step]) -> set[Step]:
    """Return what a site needs that a function of the app makes: its files are in the zip, and its code makes them."""
    made = "Function" in deploy.apps.site_metadata(app)
    return {Step.CODE, Step.PAGE} if made and steps & {Step.CODE, Step.PAGE} else set()


def _shared_step(folder: str, suffix: str) -> Step | None:
    """Return what a change of a file that all apps share needs."""
    known = {("common", ".py"): Step.CODE, ("deploy", ".yaml"): Step.RELEASE}
    return Step.PAGE if folder == "web" else known.get((folder, suffix))


def _step(parts: Sequence[str]) -> Step | None:
    """Return what a change of a file of an app needs, by the parts of its path in the app's folder."""
    match list(parts):
        case ["web", *_]:
            return Step.PAGE
        case ["chalicelib", "stages", *_]:
            return None  # what a deployment writes
        case ["app.py"] | ["requirements.txt"] | ["chalicelib", *_] | [".chalice", "config.json"]:
            return Step.CODE
        case [".chalice", "policies", _]:
            return Step.CODE
        case [name] if name.endswith(".yaml") or name in ("edge-function.js", "sandbox.toml"):
            return Step.RELEASE
    return None


class Reload:
    """Deploys changes of the apps to a stage, with the parameters that it was deployed with.

    *report* gets a line for each app that was deployed, or that could not be. *added* gets each new app that was
    released, and the outputs of its steps.
    """

    def __init__(
        self,
        stage: str,
        parameters_for: deploy.order.ParametersFor,
        report: Callable[[str], None] = print,
        added: Callable[[str, Mapping[str, deploy.order.Outputs]], None] = lambda app, outputs: None,
    ) -> None:
        self._stage = stage
        self._parameters_for = parameters_for
        self._report = report
        self._added = added
        self._new: set[str] = set()
        self._apps = deploy.apps.names()
        self._failed: dict[str, set[Step]] = {}
        self._releasing, self._saying = threading.Lock(), threading.Lock()
        self.problems: dict[str, str] = {}
        """By app why its last change could not be deployed."""

    async def watch(self, stop: asyncio.Event, root: Path = ROOT) -> None:
        """Deploy each new app and each change of a file below *root* until *stop*.

        What changes during a deployment is deployed next.
        """
        while not stop.is_set():
            self._new |= {app for app in deploy.apps.names() if self._is_new(root, app)}
            self._apps = [app for app in deploy.apps.names() if app in self._new or app in self._apps]
            if self._new:
                await asyncio.to_thread(self.deploy, {app: {Step.RELEASE} for app in self._new})
            await self._follow(stop, root)

    def _is_new(self, root: Path, app: str) -> bool:
        """Return whether the app was made since the last look: `make new-service` writes its contract last."""
        return app not in self._apps and (root / app / "openapi.json").exists()

    async def _follow(self, stop: asyncio.Event, root: Path) -> None:
        """Deploy each change of a file until *stop*, or until the apps are others."""

        def changed(paths: Iterable[str]) -> Plan:
            real = [Path(path).resolve() for path in paths]  # a folder that `vendor` links to may get that name
            return plan([path.relative_to(root) for path in real if path.is_relative_to(root)], self._apps)

        watching = awatch(
            *(root / folder for folder in (*self._apps, *_SHARED)),
            watch_filter=lambda change, path: bool(changed([path])),
            step=_QUIET,
            stop_event=stop,
            rust_timeout=_LOOK,  # a folder cannot be watched before it is there
            yield_on_timeout=True,
        )
        async with aclosing(watching):
            async for changes in watching:
                if changes:
                    await asyncio.to_thread(self.deploy, changed(path for _, path in changes))
                names = deploy.apps.names()
                if set(self._apps) - set(names) or any(self._is_new(root, app) for app in names):
                    return

    def deploy(self, planned: Plan) -> None:
        """Deploy the apps side by side. One that cannot be deployed stays as it is until its next change."""
        there = [app for app in planned if app in deploy.apps.names()]  # the folder of an app may be deleted
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda app: self._try(app, planned[app] | self._failed.pop(app, set())), there))

    def _try(self, app: str, steps: set[Step]) -> None:
        began = time.monotonic()
        try:
            deployed = self._deploy(app, steps)
        except (DeployError, BotoCoreError, ClientError) as error:
            self._fail(app, steps, str(error))
        except Exception as error:  # such as a template that is not YAML, or a file that is deleted just now
            self._fail(app, steps, f"{type(error).__name__}: {error}")
        else:
            self.problems.pop(app, None)
            self._say(f"{app:14} {', '.join(deployed)}  {time.monotonic() - began:.1f} s")

    def _fail(self, app: str, steps: set[Step], reason: str) -> None:
        self._failed[app] = steps
        self.problems[app] = reason
        self._say(f"{app:14} the earlier version goes on: {reason}")

    def _say(self, line: str) -> None:
        with self._saying:  # a line of another app comes before it or after it
            self._report(line)

    def _deploy(self, app: str, steps: set[Step]) -> list[str]:
        """Run the steps of an app; return what was deployed."""
        steps = steps | _site_steps(app, steps)
        functions: list[str] | None = []
        if Step.CODE in steps and Step.RELEASE not in steps:
            functions = deploy.apps.update_code(app, self._stage)
        if Step.RELEASE in steps or functions is None:
            with self._releasing:  # an app may import what another one exports
                released = deploy.order.release(self._stage, [app], self._parameters_for)
                if app in self._new:
                    self._added(app, released[app])
                    self._new.remove(app)
            return ["all stacks"]
        if Step.PAGE in steps:
            deploy.order.STEPS["site"](app, self._stage, **self._parameters_for(app, "site"))
            functions.append("page")
        return functions
