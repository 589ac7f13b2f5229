"""`python -m deploy STEP APP STAGE`: see `make help`."""

import argparse
import sys

from botocore.exceptions import BotoCoreError, ClientError

from deploy import apps
from deploy.stacks import StackFailed


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m deploy", description="Deploy one app to one stage.")
    parser.add_argument("step", choices=["resources", "dax", "package", "release", "edge"])
    parser.add_argument("app", choices=apps.names())
    parser.add_argument("stage")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="parameters of the template")
    arguments = parser.parse_args()
    app, stage = arguments.app, arguments.stage
    parameters = dict(parameter.split("=", 1) for parameter in arguments.parameters)
    try:
        match arguments.step:
            case "resources":
                shown = apps.deploy_resources(app, stage, **parameters)
            case "dax":
                shown = apps.deploy_dax(app, stage, **parameters)
            case "package":
                shown = {"package": str(apps.package(app, stage))}
            case "release":
                shown = apps.release(app, stage, **parameters)
            case "edge":
                shown = apps.deploy_edge(app, stage, **parameters)
    except (StackFailed, apps.PackageFailed, ClientError, BotoCoreError) as error:
        return f"{arguments.step} of {app} to {stage} failed: {error}"
    for name, value in shown.items():
        print(f"{name:24} {value}")
    return None


if __name__ == "__main__":
    sys.exit(main())
