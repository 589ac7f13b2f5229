"""The one sequence in which the suite is deployed to a stage.

resources -> dax -> app -> register -> delivery -> edge -> site

`make release`, `make clone` and the sandbox all call `release`. They differ only in the parameters that they supply.
"""

from __future__ import annotations

import graphlib
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from deploy import apps, site, stacks, updates
from deploy.errors import NotDeployed

type Outputs = dict[str, str]
type _Step = tuple[str, str]
"""An app and one of its steps."""

type ParametersFor = Callable[[str, str], dict[str, str]]
"""Returns the parameters of one step, called with the name of the app and of the step.

A step that deploys a stack passes those that its template declares. ``register`` takes none. ``site`` takes more
members of the page's ``config.json``. The only step of ``updates``, ``servers``, also takes ``Template``: ``before`` or
``after``.
"""

STEPS: dict[str, Callable[..., Outputs]] = {
    "resources": apps.deploy_resources,
    "dax": apps.deploy_dax,
    "app": apps.deploy_app,
    "register": apps.register,
    "delivery": apps.deploy_delivery,
    "edge": apps.deploy_edge,
    "site": site.publish,
}
"""The steps of an app in their order, each a function of the app, the stage and the parameters of the step."""

UPDATES = "updates"
"""The update servers, which are not a Chalice app and have one step: ``servers``."""

ADDRESSES = ("SiteUrl", "WebOrigins")
"""The parameters of resources.yaml that a release sets to the address of the distribution, unless they are given."""

STACKS = (*apps.KINDS, "servers")
"""The steps that deploy a stack. The others take no parameters of templates."""


_SILENCE = 60
"""Seconds without a line after which a release says what it waits for."""


def names() -> list[str]:
    """Return what can be released: every app, and the update servers."""
    return [*apps.names(), UPDATES]


def steps(app: str) -> list[str]:
    """Return the steps of the app, read from its templates. ``dax`` is run if the parameter ``Dax`` is true."""
    has = {
        "dax": "Dax" in apps.declared(app, "app"),
        "delivery": apps.template(app, "delivery"),
        "edge": apps.template(app, "edge"),
        "site": apps.site_metadata(app),
    }
    return [step for step in STEPS if has.get(step, True)]


def declared(app: str) -> set[str]:
    """Return the names of the parameters that the steps of the app take and that a template declares."""
    if app == UPDATES:
        return {"Template", *(name for template in updates.TEMPLATES for name in updates.declared(template))}
    return {name for kind in apps.KINDS for name in apps.declared(app, kind)}


def check(stage: str, released: Sequence[str], parameters_for: ParametersFor) -> None:
    """Check that the apps can be released to the stage, before anything is deployed.

    Raises AlreadyDeployed for an app that was deployed to the stage in another way, and NotDeployed for one that needs
    a parameter without a value.
    """
    chalice_apps = [app for app in released if app != UPDATES]
    if missing := {name: app for app in chalice_apps for name in _without_value(app, stage, parameters_for)}:
        needed = ", ".join(f"{app} needs {name}" for name, app in missing.items())
        raise NotDeployed(f'{needed}: add PARAMETERS="{" ".join(f"{name}=…" for name in missing)}"')
    for app in chalice_apps:
        apps.refuse_chalice(app, stage)


def release(
    stage: str,
    released: Sequence[str],
    parameters_for: ParametersFor = lambda app, step: {},
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, dict[str, Outputs]]:
    """Deploy apps to a stage; return by app and by step the outputs. *report* gets a line before and after each step.

    The resources of all apps come first, because an app may name those of another. The other steps of an app follow
    one another, beside those of the other apps. A step waits for the stacks whose exports its template imports, and
    the app for the APIs that it calls, because its policies name them.
    The first step that fails stops the rest: only the steps that have begun go on to their end. Raises StackFailed and
    PackageFailed; the same call resumes. Raises NotDeployed before anything is deployed for an app that needs the stack
    of one that is neither there nor released now.
    """
    _check_imports(stage, released)
    graph = _dependencies(stage, released)
    steps_left = graphlib.TopologicalSorter(graph)
    steps_left.prepare()
    deployment, progress = _Release(stage, parameters_for), itertools.count(1)
    done: dict[Future[float | None], _Step] = {}
    failed: list[BaseException] = []
    with ThreadPoolExecutor(len(released) or 1) as pool:
        while (steps_left.is_active() and not failed) or done:
            for step in () if failed else steps_left.get_ready():
                done[pool.submit(deployment.run, *step, report)] = step
            ended = wait(done, _SILENCE, return_when=FIRST_COMPLETED).done
            if not ended:
                report(f"still running: {', '.join(f'{app}: {step}' for app, step in done.values())}")
            for future in ended:
                step = done.pop(future)
                if error := future.exception():
                    failed.append(error)
                    report(f"{step[0]}: {step[1]} failed: {error}")
                    continue
                steps_left.done(step)
                number, seconds = next(progress), future.result()
                if seconds is not None:
                    report(f"{step[0]}: {step[1]} done in {seconds:.1f} s ({number} of {len(graph)})")
    if failed:
        raise failed[0]
    return {app: deployment.outputs[app] for app in released}


def _without_value(app: str, stage: str, parameters_for: ParametersFor) -> list[str]:
    """Return the parameters of the resources that have neither a default nor a value, given now or before."""
    needed = [name for name, declared in apps.declared(app, "resources").items() if "Default" not in declared]
    known = stacks.parameters_of(apps.stack(app, stage, "resources"), missing_ok=True)
    return [name for name in needed if name not in {"Stage": stage, **known, **parameters_for(app, "resources")}]


def _dependencies(stage: str, released: Sequence[str]) -> dict[_Step, set[_Step]]:
    """Return by step the steps that it waits for."""
    graph: dict[_Step, set[_Step]] = {(UPDATES, "servers"): set()} if UPDATES in released else {}
    chalice_apps = [app for app in released if app != UPDATES]
    resources: set[_Step] = {(app, "resources") for app in chalice_apps}
    for app in chalice_apps:
        own = steps(app)
        for before, step in itertools.pairwise([None, *own]):
            places = _imports(app, [step or ""], stage).values()
            imported = {place for place in places if place and place[0] in released}
            after = resources | {(app, before)} if before else set()
            called = {(other, "register") for other in apps.called(app) & set(released)} if step == "app" else set()
            graph[app, step or ""] = after | imported | called
    return graph


def _check_imports(stage: str, released: Sequence[str]) -> None:
    there = stacks.exports()
    for app in (app for app in released if app != UPDATES):
        for name, place in _imports(app, steps(app), stage).items():
            if name in there or (place and place[0] in released):
                continue
            if place is None:
                raise NotDeployed(
                    f"{app} needs {name}, which no app of this folder exports: bring back the app that does, "
                    f"or delete the folder {app}"
                )
            raise NotDeployed(
                f"{app} needs {name} of the stack {apps.stack(place[0], stage, place[1])}: "
                f"run `make release APP={place[0]} STAGE={stage}` first"
            )


def _imports(app: str, kinds: Iterable[str], stage: str) -> dict[str, _Step | None]:
    """Return by name the exports of other apps that the app's stacks import, and where each comes from, if known."""
    exported = {
        name: (other, kind)
        for other in apps.names()
        for kind in apps.KINDS
        for name in apps.exports(other, kind, stage)
    }
    imported = {name for kind in kinds if kind in apps.KINDS for name in apps.imports(app, kind, stage)}
    places = {name: exported.get(name) for name in imported}
    return {name: place for name, place in places.items() if place is None or place[0] != app}


@dataclass(frozen=True)
class _Release:
    """A release of apps to a stage."""

    stage: str
    parameters_for: ParametersFor
    outputs: defaultdict[str, dict[str, Outputs]] = field(default_factory=lambda: defaultdict(dict))

    def run(self, app: str, step: str, report: Callable[[str], None]) -> float | None:
        """Run a step of an app; return how many seconds it took, or None if the stage does not have it."""
        if step == "dax" and not apps.uses_dax(app, self.stage, self.parameters_for(app, "app")):
            return None
        report(f"{app}: {step}")
        began = time.monotonic()
        if app == UPDATES:
            self.outputs[app][step] = _release_updates(self.stage, self.parameters_for(app, step))
        else:
            self._run(app, step, self.parameters_for(app, step))
            if step == "edge":
                self._set_address(app)
        return time.monotonic() - began

    def _run(self, app: str, step: str, parameters: Mapping[str, str]) -> None:
        self.outputs[app][step] = STEPS[step](app, self.stage, **parameters)

    def _set_address(self, app: str) -> None:
        """Set the parameters that hold the address of the page, which may only be known now."""
        known = stacks.parameters_of(apps.stack(app, self.stage, "resources"))
        declared = apps.declared(app, "resources")
        unset = {name for name in ADDRESSES if name in declared and known.get(name) == declared[name]["Default"]}
        unset -= self.parameters_for(app, "resources").keys()
        if not unset:
            return
        site = known.get("SiteUrl") if "SiteUrl" not in unset else None
        before = self.outputs[app]["resources"]
        self._run(app, "resources", dict.fromkeys(unset, site or f"https://{self._domain(app)}"))
        if self.outputs[app]["resources"] != before:  # the app's zip contains them
            self._run(app, "app", {})

    def _domain(self, app: str) -> str:
        own = stacks.parameters_of(apps.stack(app, self.stage, "edge")).get("Domain")
        return own or self.outputs[app]["edge"]["DistributionDomain"]


def _release_updates(stage: str, parameters: Mapping[str, str]) -> Outputs:
    """Deploy the update servers, by default with the template that the stage has, or else with the edge."""
    own = dict(parameters)
    template = own.pop("Template", None) or updates.template_of(stage) or "after"
    return updates.deploy(template, stage, **own)
