"""`python -m deploy STEP APP STAGE`: see `make help`."""

import argparse
import json
import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from deploy import apps, redrive, site
from deploy.stacks import StackFailed


def _release(app: str, stage: str, **parameters: str) -> dict[str, str]:
    released = apps.release(app, stage, **parameters)
    return released | apps.register(app, stage, released["EndpointURL"])


def _register(app: str, stage: str) -> dict[str, str]:
    """Tell other services where `chalice deploy` brought the app, by the file in which it keeps that."""
    deployed = json.loads((apps.ROOT / app / ".chalice" / "deployed" / f"{stage}.json").read_text())
    api = next(resource for resource in deployed["resources"] if resource["resource_type"] == "rest_api")
    return apps.register(app, stage, api["rest_api_url"])


_STEPS: dict[str, Callable[..., dict[str, str]]] = {
    "resources": apps.deploy_resources,
    "dax": apps.deploy_dax,
    "package": lambda app, stage: {"package": str(apps.package(app, stage))},
    "release": _release,
    "register": _register,
    "edge": apps.deploy_edge,
    "delivery": apps.deploy_delivery,
    "site": site.publish,
    "redrive": redrive.redrive,
}


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m deploy", description="Deploy one app to one stage.")
    parser.add_argument("step", choices=list(_STEPS))
    parser.add_argument("app", choices=apps.names())
    parser.add_argument("stage")
    parser.add_argument(
        "parameters", nargs="*", metavar="NAME=VALUE", help="parameters of the template, or of the page"
    )
    arguments = parser.parse_args()
    app, stage = arguments.app, arguments.stage
    parameters = dict(parameter.split("=", 1) for parameter in arguments.parameters)
    try:
        shown = _STEPS[arguments.step](app, stage, **parameters)
    except (StackFailed, apps.PackageFailed, ClientError, BotoCoreError, FileNotFoundError) as error:
        return f"{arguments.step} of {app} to {stage} failed: {error}"
    for name, value in shown.items():
        print(f"{name:24} {value}")
    return None


if __name__ == "__main__":
    sys.exit(main())
