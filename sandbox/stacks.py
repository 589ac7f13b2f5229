"""Deploys every app to the sandbox as to AWS, and gathers what a client needs to know of each."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import boto3

import deploy.apps
import deploy.updates
from sandbox import place
from sandbox.fleet import file_system


def deploy_all() -> dict[str, Any]:
    """Deploy all apps side by side and return, by app, their addresses and the outputs of their resources."""
    with ThreadPoolExecutor() as pool:
        updates = pool.submit(_deploy_updates)
        apps = dict(zip(deploy.apps.names(), pool.map(_deploy, deploy.apps.names()), strict=True))
        return apps | {"updates": updates.result()}


def _deploy(app: str) -> dict[str, str]:
    resources = deploy.apps.deploy_resources(app, place.STAGE, SiteUrl=place.url(app))
    parameters = {}
    if deploy.apps.may_use_dax(app):
        deploy.apps.deploy_dax(app, place.STAGE, EndpointEncryption="NONE")
        parameters["Dax"] = "true"
    released = deploy.apps.release(app, place.STAGE, **parameters)
    outputs = {"api": _local(released["EndpointURL"]), **resources}
    if "author_secret" in resources:
        outputs |= _author_key(resources["author_secret"])
    if deploy.apps.has_edge(app):
        edge = deploy.apps.deploy_edge(app, place.STAGE)
        return outputs | {"site": place.url(app), "distribution_id": edge["DistributionId"]}
    return outputs | {"web": place.url(app)}


def _deploy_updates() -> dict[str, str]:
    stack = deploy.updates.deploy("after", place.STAGE)
    releases = file_system(place.FLEET, stack["FileSystem"])
    return {
        "edge": place.url("updates"),
        "origin": f"{place.url('emulator')}/_alb/updates-{place.STAGE}",
        "distribution_id": stack["DistributionId"],
        "releases": str(releases),
        "root": str(releases / "metadata" / "1.root.json"),
        "signing_key": f"secretsmanager:updates-{place.STAGE}-signing-key",
    }


def _author_key(secret: str) -> dict[str, str]:
    answer = boto3.Session().client("secretsmanager").get_secret_value(SecretId=secret)
    return {f"author_{name}": value for name, value in json.loads(answer["SecretString"]).items()}


def _local(endpoint_url: str) -> str:
    """Return where the emulator answers for ``https://<api>.execute-api.<region>.amazonaws.com/<stage>/``."""
    url = urlsplit(endpoint_url)
    api = str(url.hostname).partition(".")[0]
    return f"{place.url('emulator')}/_aws/execute-api/{api}{url.path.rstrip('/')}"
