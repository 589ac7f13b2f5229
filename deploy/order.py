"""The one sequence in which the suite is deployed to a stage.

resources -> dax -> app -> register -> delivery -> edge -> site

`make release`, `make clone` and the sandbox all call `release`. They differ only in the parameters that they supply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from deploy import apps, site, stacks, updates

type Outputs = dict[str, str]
type ParametersFor = Callable[[str, str], dict[str, str]]
"""Returns the parameters of one step, called with the name of the app and of the step.

A step that deploys a stack passes those that its template declares. ``register`` takes ``Address``, where the API is if
that is not the endpoint of the stack. ``site`` takes more members of the page's ``config.json``. The only step of
``updates``, ``servers``, also takes ``Template``: ``before`` or ``after``.
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

STACKS = (*apps.KINDS, "servers")
"""The steps that deploy a stack. The others take no parameters of templates."""


def names() -> list[str]:
    """Return what can be released: every app, and the update servers."""
    return [*apps.names(), UPDATES]


def steps(app: str) -> list[str]:
    """Return the steps of the app, read from its templates. ``dax`` is run if the parameter ``Dax`` is true."""
    has = {
        "dax": "Dax" in apps.declared(app, "app"),
        "delivery": apps.template(app, "delivery"),
        "edge": apps.template(app, "edge"),
        "site": site.folder(app),
    }
    return [step for step in STEPS if has.get(step, True)]


def declared(app: str) -> set[str]:
    """Return the names of the parameters that the steps of the app take and that a template declares."""
    if app == UPDATES:
        return {"Template", *(name for template in updates.TEMPLATES for name in updates.declared(template))}
    return {name for kind in apps.KINDS for name in apps.declared(app, kind)}


def check(stage: str, released: Sequence[str]) -> None:
    """Raise AlreadyDeployed for an app that was deployed to the stage in another way."""
    for app in released:
        if app != UPDATES:
            apps.refuse_chalice(app, stage)


def release(
    stage: str,
    released: Sequence[str],
    parameters_for: ParametersFor = lambda app, step: {},
    on_step: Callable[[str, str], None] = lambda app, step: None,
) -> dict[str, dict[str, Outputs]]:
    """Deploy apps to a stage; return by app and by step the outputs. *on_step* is called before each step.

    The resources of all apps come first, because an app may name those of another. The other steps of an app follow
    one another, beside those of the other apps. Raises StackFailed and PackageFailed; the same call resumes.
    """
    releases = [_Release(app, stage, parameters_for, on_step) for app in released if app != UPDATES]
    with ThreadPoolExecutor(len(released) or 1) as pool:
        servers = pool.submit(_release_updates, stage, parameters_for, on_step) if UPDATES in released else None
        list(pool.map(lambda app: app.run("resources"), releases))
        list(pool.map(_Release.run_others, releases))
        outputs = {each.app: each.outputs for each in releases}
        return outputs | ({UPDATES: {"servers": servers.result()}} if servers else {})


@dataclass(frozen=True)
class _Release:
    """The release of one app."""

    app: str
    stage: str
    parameters_for: ParametersFor
    on_step: Callable[[str, str], None]
    outputs: dict[str, Outputs] = field(default_factory=dict)

    def run(self, step: str) -> None:
        self._run(step, self.parameters_for(self.app, step))

    def run_others(self) -> None:
        """Run all steps after the resources."""
        for step in steps(self.app)[1:]:
            if step != "dax" or self._uses_dax():
                self.run(step)
            if step == "edge" and self._has_no_site_url():
                # The address is only known now. It is an output of the resources that the app's zip contains.
                self._run("resources", {"SiteUrl": f"https://{self._domain()}"})
                self._run("app", {})

    def _run(self, step: str, parameters: Mapping[str, str]) -> None:
        self.on_step(self.app, step)
        self.outputs[step] = STEPS[step](self.app, self.stage, **parameters)

    def _uses_dax(self) -> bool:
        """Return whether the app's parameter ``Dax`` is true: as supplied, or as it was in the last release."""
        known = stacks.parameters_of(apps.stack(self.app, self.stage, "app"), missing_ok=True)
        return {**known, **self.parameters_for(self.app, "app")}.get("Dax") == "true"

    def _has_no_site_url(self) -> bool:
        """Return whether the stage's SiteUrl is still the example in the template."""
        declared = apps.declared(self.app, "resources").get("SiteUrl")
        if not declared or "SiteUrl" in self.parameters_for(self.app, "resources"):
            return False
        known = stacks.parameters_of(apps.stack(self.app, self.stage, "resources"))
        return known.get("SiteUrl") == str(declared["Default"])

    def _domain(self) -> str:
        own = self.parameters_for(self.app, "edge").get("Domain")
        return own or self.outputs["edge"]["DistributionDomain"]


def _release_updates(stage: str, parameters_for: ParametersFor, on_step: Callable[[str, str], None]) -> Outputs:
    """Deploy the update servers, by default with the template that the stage has, or else with the edge."""
    on_step(UPDATES, "servers")
    parameters = dict(parameters_for(UPDATES, "servers"))
    template = parameters.pop("Template", None) or updates.template_of(stage) or "after"
    return updates.deploy(template, stage, **parameters)
