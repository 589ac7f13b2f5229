"""Deploys every app to the sandbox as to AWS, and gathers what a client needs to know of each."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import boto3

import deploy.apps
import deploy.clone
import deploy.order
import deploy.updates
import sandbox.payments.client as provider
from localaws.autoscaling.instances import file_system
from sandbox import payments
from sandbox import settings as place

_SHORT_BUFFERS = {"ReportSeconds": "2", "BufferSeconds": "5", "CleanseSeconds": "1"}
"""A developer is waiting."""


def deploy_all() -> dict[str, Any]:
    """Deploy everything and return, by app, the addresses and the outputs of the resources."""
    if place.LIKE:
        deploy.clone.begin(place.LIKE, place.STAGE)
    released = deploy.order.release(place.STAGE, deploy.order.names(), parameters_for)
    outputs = {app: _outputs(app, released[app]) for app in deploy.apps.names()}
    return outputs | {"updates": _updates(released["updates"]["servers"])}


def parameters_for(app: str, step: str) -> dict[str, str]:
    """Return the sandbox's parameters of a step, above those that a clone has from its source."""
    cloned = deploy.clone.parameters_for(place.LIKE, place.STAGE)(app, step) if place.LIKE else {}
    site = {"SiteUrl": place.url(app)} if app in place.PORTS else {}
    own: dict[str, dict[str, str]] = {
        "resources": {"PaymentsApi": place.url("payments"), **site},
        "dax": {"EndpointEncryption": "NONE"},
        "app": {"Dax": "true", **_SHORT_BUFFERS},
        "delivery": _SHORT_BUFFERS,
        "edge": {"SignInUrl": place.url("emulator")},
        "servers": {"Template": "after"},
        "site": {"endpoint": place.url("emulator"), "console": place.url("console")},
    }
    if step == "register":
        return {"Address": _local(deploy.apps.endpoint(app, place.STAGE))}
    return {**cloned, **own.get(step, {})}


def _outputs(app: str, released: dict[str, dict[str, str]]) -> dict[str, str]:
    resources, api = released["resources"], _local(released["app"]["EndpointURL"])
    return {"api": api, **resources, **_people(resources), **_payments(api, resources), **_places(app, released)}


def _places(app: str, released: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return where the app's pages are, and what stands before and behind it."""
    if "delivery" in released:
        return {"dashboard": place.url(app), "delivery_stream": released["delivery"]["DeliveryStream"], **_iot()}
    if "edge" not in released:
        return {"web": place.url(app)} if (place.ROOT / app / "web" / "index.html").exists() else {}
    distribution = {"distribution_id": released["edge"]["DistributionId"]}
    pages = ("web", "cdn") if "site" in released else ("site",)
    return dict.fromkeys(pages, place.url(app)) | distribution


def _iot() -> dict[str, str]:
    """Return where devices send to, and who vouches for that address."""
    return {
        "iot_endpoint": f"127.0.0.1:{place.port('mqtt')}",
        "iot_ca": f"{place.url('emulator')}/_ministack/iot/ca.pem",
    }


def _updates(stack: dict[str, str]) -> dict[str, str]:
    releases = file_system(place.FLEET, stack["FileSystem"])
    return {
        "edge": place.url("updates"),
        "origin": f"{place.url('emulator')}/_alb/{deploy.updates.stack(place.STAGE)}",
        "distribution_id": stack["DistributionId"],
        "releases": str(releases),
        "root": str(releases / "metadata" / "1.root.json"),
        "signing_key": f"secretsmanager:{deploy.updates.stack(place.STAGE)}-signing-key",
    }


def _people(resources: dict[str, str]) -> dict[str, str]:
    """Return the access keys of those who sign with one."""
    secrets = boto3.Session().client("secretsmanager")
    return {
        f"{person}_{name}": value
        for person in ("author", "owner")
        if f"{person}_secret" in resources
        for name, value in json.loads(
            secrets.get_secret_value(SecretId=resources[f"{person}_secret"])["SecretString"]
        ).items()
    }


def _payments(api: str, resources: dict[str, str]) -> dict[str, str]:
    """Do what a shop's owner does at Stripe: register the webhook, and put the account's keys into the secret."""
    if "payments_secret" not in resources:
        return {}
    keys = {"api_key": payments.API_KEY, "webhook_secret": provider.register(f"{api}/payments/webhook")}
    secrets = boto3.Session().client("secretsmanager")
    secrets.put_secret_value(SecretId=resources["payments_secret"], SecretString=json.dumps(keys))
    return {"payments": place.url("payments"), "payments_webhook_secret": keys["webhook_secret"]}


def _local(endpoint_url: str) -> str:
    """Return where the emulator answers for ``https://<api>.execute-api.<region>.amazonaws.com/<stage>/``."""
    url = urlsplit(endpoint_url)
    api = str(url.hostname).partition(".")[0]
    return f"{place.url('emulator')}/_aws/execute-api/{api}{url.path.rstrip('/')}"
