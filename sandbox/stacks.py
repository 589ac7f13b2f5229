"""Deploys every app to the sandbox as to AWS, and gathers what a client needs to know of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import deploy.apps
from sandbox import place


def deploy_all() -> dict[str, Any]:
    """Deploy all apps side by side and return, by app, their addresses and the outputs of their resources."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(deploy.apps.names(), pool.map(_deploy, deploy.apps.names()), strict=True))


def _deploy(app: str) -> dict[str, str]:
    resources = deploy.apps.deploy_resources(app, place.STAGE)
    parameters = {}
    if (place.ROOT / app / "dax.yaml").exists():
        deploy.apps.deploy_dax(app, place.STAGE, EndpointEncryption="NONE")
        parameters["Dax"] = "true"
    released = deploy.apps.release(app, place.STAGE, **parameters)
    api = f"{place.url('emulator')}/_aws/execute-api/{released['RestAPIId']}/{place.STAGE}"
    return {"api": api, "web": place.url(app), **resources}
