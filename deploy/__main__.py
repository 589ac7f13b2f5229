"""`python -m deploy STEP APP STAGE`: see `make help`."""

import argparse
import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from deploy import apps, redrive
from deploy.stacks import StackFailed

_STEPS: dict[str, Callable[..., dict[str, str]]] = {
    "resources": apps.deploy_resources,
    "dax": apps.deploy_dax,
    "package": lambda app, stage: {"package": str(apps.package(app, stage))},
    "release": apps.release,
    "edge": apps.deploy_edge,
    "delivery": apps.deploy_delivery,
    "redrive": redrive.redrive,
}


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m deploy", description="Deploy one app to one stage.")
    parser.add_argument("step", choices=list(_STEPS))
    parser.add_argument("app", choices=apps.names())
    parser.add_argument("stage")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="parameters of the template")
    arguments = parser.parse_args()
    app, stage = arguments.app, arguments.stage
    parameters = dict(parameter.split("=", 1) for parameter in arguments.parameters)
    try:
        shown = _STEPS[arguments.step](app, stage, **parameters)
    except (StackFailed, apps.PackageFailed, ClientError, BotoCoreError) as error:
        return f"{arguments.step} of {app} to {stage} failed: {error}"
    for name, value in shown.items():
        print(f"{name:24} {value}")
    return None


if __name__ == "__main__":
    sys.exit(main())
