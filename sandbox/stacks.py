"""Deploys every app to the sandbox as to AWS, and gathers what a client needs to know of each."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import boto3

import deploy.apps
import deploy.site
import deploy.stages
import deploy.updates
import sandbox.payments.client as provider
from localaws.autoscaling.instances import file_system
from sandbox import payments
from sandbox import settings as place

_IMPATIENT = {"ReportSeconds": "2", "BufferSeconds": "5", "CleanseSeconds": "1"}
"""How long readings wait for others: on a laptop somebody sits before them."""


def deploy_all() -> dict[str, Any]:
    """Deploy all apps side by side and return, by app, their addresses and the outputs of their resources.

    All resources come first: an app may name those of another.
    """
    if place.LIKE:
        deploy.stages.begin(place.LIKE, place.STAGE)
    apps = deploy.apps.names()
    with ThreadPoolExecutor() as pool:
        updates = pool.submit(_deploy_updates)
        resources = list(pool.map(_deploy_resources, apps))
        deployed = dict(zip(apps, pool.map(_deploy, apps, resources), strict=True))
        return deployed | {"updates": updates.result()}


def _deploy_resources(app: str) -> dict[str, str]:
    parameters = _like(app, "resources") | {"PaymentsApi": place.url("payments")}
    if app in place.PORTS:
        parameters["SiteUrl"] = place.url(app)
    return deploy.apps.deploy_resources(app, place.STAGE, **parameters)


def _like(app: str, kind: str) -> dict[str, str]:
    """Return the parameters that a clone's stack has from the stage of which it is a clone."""
    return deploy.stages.Like(app, place.LIKE, place.STAGE).parameters(kind) if place.LIKE else {}


def _deploy(app: str, resources: dict[str, str]) -> dict[str, str]:
    parameters = _like(app, "")
    if deploy.apps.may_use_dax(app):
        deploy.apps.deploy_dax(app, place.STAGE, **_like(app, "dax") | {"EndpointEncryption": "NONE"})
        parameters["Dax"] = "true"
    released = deploy.apps.release(app, place.STAGE, **parameters | _IMPATIENT)
    outputs = {"api": _local(released["EndpointURL"]), **resources}
    deploy.apps.register(app, place.STAGE, outputs["api"])
    return outputs | _people(resources) | _payments(outputs["api"], resources) | _places(app)


def _places(app: str) -> dict[str, str]:
    """Bring what stands before and behind the app, and return where its pages are."""
    if deploy.apps.has_delivery(app):
        delivery = deploy.apps.deploy_delivery(app, place.STAGE, **_IMPATIENT)
        return {"dashboard": place.url(app), "delivery_stream": delivery["DeliveryStream"], **_iot()}
    if not deploy.apps.has_edge(app):
        return {"web": place.url(app)} if deploy.site.is_there(app) else {}
    edge = deploy.apps.deploy_edge(app, place.STAGE, **_like(app, "edge") | {"SignInUrl": place.url("emulator")})
    if not deploy.site.is_there(app):
        return {"site": place.url(app), "distribution_id": edge["DistributionId"]}
    deploy.site.publish(app, place.STAGE, endpoint=place.url("emulator"), console=place.url("console"))
    return {"web": place.url(app), "cdn": place.url(app), "distribution_id": edge["DistributionId"]}


def _iot() -> dict[str, str]:
    """Return where devices send to, and who vouches for that address."""
    return {
        "iot_endpoint": f"127.0.0.1:{place.port('mqtt')}",
        "iot_ca": f"{place.url('emulator')}/_ministack/iot/ca.pem",
    }


def _deploy_updates() -> dict[str, str]:
    stack = deploy.updates.deploy("after", place.STAGE)
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
