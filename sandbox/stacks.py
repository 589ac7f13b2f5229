"""Deploys every app to the sandbox as to AWS, and gathers what a client needs to know of each."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import boto3

import deploy.apps
from sandbox import place

_IMPATIENT = {"ReportSeconds": "2", "BufferSeconds": "5", "CleanseSeconds": "1"}
"""How long readings wait for others: on a laptop somebody sits before them."""


def deploy_all() -> dict[str, Any]:
    """Deploy all apps side by side and return, by app, their addresses and the outputs of their resources."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(deploy.apps.names(), pool.map(_deploy, deploy.apps.names()), strict=True))


def _deploy(app: str) -> dict[str, str]:
    resources = deploy.apps.deploy_resources(app, place.STAGE, SiteUrl=place.url(app))
    parameters = {}
    if deploy.apps.may_use_dax(app):
        deploy.apps.deploy_dax(app, place.STAGE, EndpointEncryption="NONE")
        parameters["Dax"] = "true"
    released = deploy.apps.release(app, place.STAGE, **parameters, **_IMPATIENT)
    outputs = {"api": _local(released["EndpointURL"]), **resources}
    if "author_secret" in resources:
        outputs |= _author_key(resources["author_secret"])
    if deploy.apps.has_delivery(app):
        delivery = deploy.apps.deploy_delivery(app, place.STAGE, **_IMPATIENT)
        outputs |= {"delivery_stream": delivery["DeliveryStream"], **_iot()}
        return outputs | {"dashboard": place.url(app)}
    if deploy.apps.has_edge(app):
        edge = deploy.apps.deploy_edge(app, place.STAGE)
        return outputs | {"site": place.url(app), "distribution_id": edge["DistributionId"]}
    return outputs | {"web": place.url(app)}


def _iot() -> dict[str, str]:
    """Return where devices send to, and who vouches for that address."""
    return {
        "iot_endpoint": f"127.0.0.1:{place.port('mqtt')}",
        "iot_ca": f"{place.url('emulator')}/_ministack/iot/ca.pem",
    }


def _author_key(secret: str) -> dict[str, str]:
    answer = boto3.Session().client("secretsmanager").get_secret_value(SecretId=secret)
    return {f"author_{name}": value for name, value in json.loads(answer["SecretString"]).items()}


def _local(endpoint_url: str) -> str:
    """Return where the emulator answers for ``https://<api>.execute-api.<region>.amazonaws.com/<stage>/``."""
    url = urlsplit(endpoint_url)
    api = str(url.hostname).partition(".")[0]
    return f"{place.url('emulator')}/_aws/execute-api/{api}{url.path.rstrip('/')}"
