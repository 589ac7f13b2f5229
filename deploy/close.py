"""Closes a route of an API within seconds, and opens it again: `make close`, `make open`.

The API's function gets the closed routes as a variable and answers them with 503 (common/rest.py). Lambda replaces the
running environments when a variable changes. A release that changes the function's configuration opens all routes.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from __future__ import annotations

import json

from common.rest import CLOSED_ROUTES
from deploy import stacks
from deploy.account import client
from deploy.apps import ROOT
from deploy.errors import NotDeployed

_METHODS = ("get", "put", "post", "delete", "patch")


def close(app: str, stage: str, route: str) -> list[str]:
    """Close a route such as ``POST /subscribers``; return all that are closed then. Raises NotDeployed."""
    return _set(app, stage, _known(app, route), closed=True)


def reopen(app: str, stage: str, route: str) -> list[str]:
    """Open a route; return those that are still closed. Raises NotDeployed."""
    return _set(app, stage, _known(app, route), closed=False)


def _known(app: str, route: str) -> str:
    """Return the route as the app writes it. Raises NotDeployed with the writes of the app if there is none."""
    paths = json.loads((ROOT / app / "openapi.json").read_text())["paths"]
    routes = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods if method in _METHODS]
    if route not in routes:
        writes = ", ".join(each for each in routes if not each.startswith("GET"))
        raise NotDeployed(f"{app} has no route {route!r}. Its writes: {writes}")
    return route


def _set(app: str, stage: str, route: str, *, closed: bool) -> list[str]:
    functions, name = client("lambda"), _function(app, stage)
    now = functions.get_function_configuration(FunctionName=name)
    variables = now.get("Environment", {}).get("Variables", {})
    routes = set(filter(None, variables.get(CLOSED_ROUTES, "").split(";")))
    routes = routes | {route} if closed else routes - {route}
    variables = {**variables, CLOSED_ROUTES: ";".join(sorted(routes))}
    if not routes:
        del variables[CLOSED_ROUTES]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": variables}, RevisionId=now["RevisionId"]
    )
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    return sorted(routes)


def _function(app: str, stage: str) -> str:
    """Return the function that serves the API: of a release, or of `chalice deploy`."""
    name = f"{app}-{stage}"
    return stacks.resources(name)["APIHandler"][1] if name in stacks.existing() else name
