"""Clones a stage: the same apps, stacks and parameters, without the data."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy import apps, order, stacks, stages, updates
from deploy.account import client
from deploy.errors import NotCloned

_ADDRESSES = {
    *order.ADDRESSES,
    *("Domain", "Certificate", "DomainCertificate", "OriginDomain", "ApiId", "StreamStart", "DeviceTopics"),
}
"""Parameters of one stage alone: its addresses and topics, and the record with which its consumers began."""

_COSTLY = {"Dax"}
"""Parameters that a clone has only if they are passed, because what they turn on costs by the hour."""

_MARK = "/{stage}/clone-of"


def clone(source: str, target: str, **parameters: str) -> dict[str, str]:
    """Make the stage *target* with the apps and the parameters of *source*; return the address of each new API.

    *parameters* are passed to every stack that declares them. ``Dax`` is not copied, and the update servers are cloned
    only if ``Template`` is passed, because both cost by the hour. No data is copied, and keys and secrets are new. The
    same call resumes a clone that was interrupted. Raises NotCloned, InvalidStage, StackFailed and PackageFailed.
    """
    released, there = stages.of(source), stacks.existing()
    for app in released:
        if apps.stack(app, source, "app") not in there:
            raise NotCloned(f"{app} has no release in {source}: run `make release APP={app} STAGE={source}` first")
    begin(source, target)
    if updates.template_of(source) and ("Template" in parameters or updates.template_of(target)):
        released.append(order.UPDATES)
    supply = parameters_for(source, target, **parameters)
    order.check(target, released, supply)
    outputs = order.release(target, released, supply)
    return {name: value for app in outputs.values() for name, value in app.get("register", {}).items()}


def begin(source: str, target: str) -> None:
    """Check that *target* may become a clone of *source*, and mark it as one. Raises NotCloned and InvalidStage."""
    stages.check(target)
    if not stages.of(source):
        raise NotCloned(f"there is no stage {source}")
    ssm, name = client("ssm"), mark(target)
    try:
        marked = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        marked = None
    if marked != source and stages.of(target):
        raise NotCloned(f"{target} already exists and is not a clone of {source}")
    ssm.put_parameter(Name=name, Value=source, Type="String", Overwrite=True)


def mark(stage: str) -> str:
    """Return the name of the SSM parameter with the name of the stage that this one is a clone of."""
    return _MARK.format(stage=stage)


def parameters_for(source: str, target: str, **parameters: str) -> order.ParametersFor:
    """Return what a clone supplies to `order.release`: the settings of *source*, overridden by *parameters*.

    Each stack of *source* is read once.
    """

    @functools.cache
    def supply(app: str, step: str) -> dict[str, str]:
        if app == order.UPDATES:
            return _updates_settings(source) | parameters
        return ClonedApp(app, source, target).settings(step) | parameters if step in apps.KINDS else {}

    return supply


@dataclass(frozen=True)
class ClonedApp:
    """An app of the stage *source* that is cloned to *target*."""

    app: str
    source: str
    target: str

    def settings(self, kind: str) -> dict[str, str]:
        """Return the parameters of the target's stack; none if the source has no such stack.

        The account can have an SES identity of an address only once. The senders of the target get a tag, for example
        ``hello+feature-x@blog.example``, which most mail servers deliver to the same mailbox (RFC 5233).
        """
        settings = _settings(apps.declared(self.app, kind), apps.stack(self.app, self.source, kind))
        settings = {name: value for name, value in settings.items() if name not in _COSTLY}
        if "@" in settings.get("SenderIdentity", ""):  # not that of another sender
            del settings["SenderIdentity"]
        return settings | {
            name: self._tagged(value) for name, value in settings.items() if name.endswith("Sender") and value
        }

    def _tagged(self, address: str) -> str:
        local, _, domain = address.rpartition("@")
        return f"{local.partition('+')[0]}+{self.target}@{domain}"


def _updates_settings(source: str) -> dict[str, str]:
    template = updates.template_of(source)
    if template is None:
        return {}
    return {"Template": template, **_settings(updates.declared(template), updates.stack(source))}


def _settings(declared: Mapping[str, Any], stack: str) -> dict[str, str]:
    """Return the parameters of the stack that another stage can have, too.

    A parameter with a default is a setting. One without a default is an output of another stack of the same stage.
    """
    return {
        name: value
        for name, value in stacks.parameters_of(stack, missing_ok=True).items()
        if "Default" in declared.get(name, {}) and name not in _ADDRESSES
    }
