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
import sandbox.payments.client as provider
from sandbox import payments, place


def deploy_all() -> dict[str, Any]:
    """Deploy all apps side by side and return, by app, their addresses and the outputs of their resources.

    All resources come first: an app may name those of another.
    """
    if place.LIKE:
        deploy.stages.begin(place.LIKE, place.STAGE)
    apps = deploy.apps.names()
    with ThreadPoolExecutor() as pool:
        resources = list(pool.map(_deploy_resources, apps))
        return dict(zip(apps, pool.map(_deploy, apps, resources), strict=True))


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
    released = deploy.apps.release(app, place.STAGE, **parameters)
    outputs = {"api": _local(released["EndpointURL"]), **resources}
    deploy.apps.register(app, place.STAGE, outputs["api"])
    for person in ("author", "owner"):
        if f"{person}_secret" in resources:
            outputs |= _access_key(person, resources[f"{person}_secret"])
    if "payments_secret" in resources:
        outputs |= _register_webhook(outputs["api"], resources["payments_secret"])
    if not deploy.apps.has_edge(app):
        return outputs | ({"web": place.url(app)} if deploy.site.is_there(app) else {})
    edge = deploy.apps.deploy_edge(app, place.STAGE, **_like(app, "edge") | {"SignInUrl": place.url("emulator")})
    outputs["distribution_id"] = edge["DistributionId"]
    if not deploy.site.is_there(app):
        return outputs | {"site": place.url(app)}
    deploy.site.publish(app, place.STAGE, endpoint=place.url("emulator"), console=place.url("console"))
    return outputs | {"web": place.url(app), "cdn": place.url(app)}


def _access_key(person: str, secret: str) -> dict[str, str]:
    answer = boto3.Session().client("secretsmanager").get_secret_value(SecretId=secret)
    return {f"{person}_{name}": value for name, value in json.loads(answer["SecretString"]).items()}


def _register_webhook(api: str, secret: str) -> dict[str, str]:
    """Do what a shop's owner does at Stripe: register the webhook, and put the account's keys into the secret."""
    webhook_secret = provider.register(f"{api}/payments/webhook")
    keys = {"api_key": payments.API_KEY, "webhook_secret": webhook_secret}
    boto3.Session().client("secretsmanager").put_secret_value(SecretId=secret, SecretString=json.dumps(keys))
    return {"payments_webhook_secret": webhook_secret}


def _local(endpoint_url: str) -> str:
    """Return where the emulator answers for ``https://<api>.execute-api.<region>.amazonaws.com/<stage>/``."""
    url = urlsplit(endpoint_url)
    api = str(url.hostname).partition(".")[0]
    return f"{place.url('emulator')}/_aws/execute-api/{api}{url.path.rstrip('/')}"
