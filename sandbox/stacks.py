"""Deploys every app to the sandbox as to AWS, and collects the addresses and outputs that clients need."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import deploy.apps
import deploy.clone
import deploy.order
import deploy.updates
from deploy.account import api_address, client
from localaws.efs import file_system
from sandbox import apps, payments
from sandbox.payments.client import Payments
from sandbox.settings import ROOT, Settings

_NOTHING = apps.Needs()


class Stacks:
    """The stacks of one stage in the sandbox."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def deploy(self, report: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
        """Deploy everything and return, by app, the addresses and the outputs of the resources.

        *report* gets the lines of `deploy.order.release`.
        """
        settings = self._settings
        if settings.clone_of:
            deploy.clone.begin(settings.clone_of, settings.stage)
        released = deploy.order.release(settings.stage, deploy.order.names(), self.parameters_for, report)
        outputs = {app: self.outputs(app, released[app]) for app in deploy.apps.names()}
        return outputs | {deploy.order.UPDATES: self._updates(released[deploy.order.UPDATES]["servers"])}

    def parameters_for(self, app: str, step: str) -> dict[str, str]:
        """Return the sandbox's parameters of a step. They override those that a clone gets from its source."""
        if step == "register":
            return {}
        if step == "site":
            return {"endpoint": self._settings.aws.endpoint, "console": self._settings.url("console")}
        own: dict[str, dict[str, str]] = {
            "dax": {"EndpointEncryption": "NONE"},
            "app": {"Dax": "true"},
            "servers": {"Template": "after"},
        }
        needed = {name: self._filled(app, text) for name, text in self._needs_of(app).parameters.items()}
        cloned = self._cloned(app, step)
        senders = {name: value for name, value in cloned.items() if name.endswith("Sender")}  # of this stage alone
        return {**cloned, **needed, **senders, **own.get(step, {})}

    def _cloned(self, app: str, step: str) -> dict[str, str]:
        """Return the parameters that a clone's stack gets from its source stage."""
        settings = self._settings
        return deploy.clone.parameters_for(settings.clone_of, settings.stage)(app, step) if settings.clone_of else {}

    def background(self, app: str, outputs: Mapping[str, str]) -> list[str]:
        """Return the command that runs beside the app, if there is one."""
        return [self._filled(app, part, outputs) for part in self._needs_of(app).background]

    def _needs_of(self, app: str) -> apps.Needs:
        return apps.found(ROOT).get(app, _NOTHING)  # read again, because it may have been saved

    def _filled(self, app: str, text: str, outputs: Mapping[str, str] | None = None) -> str:
        """Return a text of sandbox.toml with its placeholders filled in."""
        settings = self._settings
        places = {
            "endpoint": settings.aws.endpoint,
            "folder": str(settings.folder),
            "mqtt_port": str(settings.aws.mqtt_port),
            "payments": settings.url("payments"),
            "topics": f"{settings.stage}-devices" if settings.clone_of else "devices",
        }
        page = {"page": settings.url(app)} if app in settings.ports else {}
        return text.format_map(places | page | dict(outputs or {}))

    def outputs(self, app: str, released: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """Return the addresses of an app and the outputs of its resources, from those of its steps."""
        resources, api = released["resources"], api_address(released["app"]["EndpointURL"])
        outputs = {"api": api, **resources, **self._access_keys(app, resources), **self._payments(api, resources)}
        outputs |= {name: self._filled(app, text) for name, text in self._needs_of(app).outputs.items()}
        if "edge" in released:
            outputs["distribution_id"] = released["edge"]["DistributionId"]
        if "delivery" in released:
            outputs["delivery_stream"] = released["delivery"]["DeliveryStream"]
        return outputs

    def _updates(self, stack: Mapping[str, str]) -> dict[str, str]:
        app, name = deploy.order.UPDATES, deploy.updates.stack(self._settings.stage)
        releases = file_system(self._settings.aws.file_systems, stack["FileSystem"])
        return {name: self._filled(app, text) for name, text in self._needs_of(app).outputs.items()} | {
            "origin": f"{self._settings.aws.endpoint}/_alb/{name}",
            "distribution_id": stack["DistributionId"],
            "releases": str(releases),
            "root": str(releases / "metadata" / "1.root.json"),
            "signing_key": f"secretsmanager:{stack['ReleaseKey']}",
            "publisher": stack["Publisher"],
            "root_key": str(self._settings.instances / "root.pem"),
            "log": str(self._settings.instances / "instances.log"),
        }

    def _access_keys(self, app: str, resources: Mapping[str, str]) -> dict[str, str]:
        """Return the access keys of the people who sign their requests to the app."""
        secrets = client("secretsmanager")
        keys: dict[str, str] = {}
        for person in self._needs_of(app).access_keys:
            secret = secrets.get_secret_value(SecretId=resources[f"{person}_secret"])["SecretString"]
            keys |= {f"{person}_{name}": value for name, value in json.loads(secret).items()}
        return keys

    def _payments(self, api: str, resources: Mapping[str, str]) -> dict[str, str]:
        """Do what a shop's owner does at Stripe: register the webhook, and store the account's keys in the secret."""
        if "payments_secret" not in resources:
            return {}
        url = self._settings.url("payments")
        keys = {"api_key": payments.API_KEY, "webhook_secret": Payments(url).register(f"{api}/payments/webhook")}
        secrets = client("secretsmanager")
        secrets.put_secret_value(SecretId=resources["payments_secret"], SecretString=json.dumps(keys))
        return {"payments": url, "payments_webhook_secret": keys["webhook_secret"]}
