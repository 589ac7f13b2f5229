"""`python -m services openapi|sdk|new|remove|rename`: see `make help`."""

from __future__ import annotations

import argparse

from deploy import apps
from deploy.command import run_command
from services import openapi, rename, scaffold, sdk


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m services", description="Contracts, clients and new services.")
    steps = parser.add_subparsers(required=True)
    step = steps.add_parser("openapi", help="write an app's openapi.json from its code")
    step.add_argument("app", choices=apps.names())
    step.add_argument("--check", action="store_true", help="write nothing, and fail if the file is stale")
    step.set_defaults(run=_openapi)
    step = steps.add_parser("sdk", help="generate a client of an app's API")
    step.add_argument("app", choices=apps.names())
    step.add_argument("language", choices=sdk.LANGUAGES)
    step.set_defaults(run=_sdk)
    for name, change in (("new", scaffold.new), ("remove", scaffold.remove)):
        step = steps.add_parser(name, help=(change.__doc__ or "").partition(";")[0])
        step.add_argument("app")
        step.set_defaults(run=_scaffold, change=change)
    step = steps.add_parser("rename", help="rename an app, and its noun, everywhere")
    step.add_argument("old", metavar="app")
    step.add_argument("new", metavar="name")
    step.add_argument("noun", nargs="?", help="the new noun, in the singular")
    step.set_defaults(run=_rename)
    arguments = parser.parse_args()
    result: str | None = arguments.run(arguments)
    return result


def _openapi(arguments: argparse.Namespace) -> str | None:
    app = arguments.app
    try:
        if arguments.check:
            stale = openapi.text(app) != (apps.ROOT / app / "openapi.json").read_text()
            return f"{app}/openapi.json is stale: `make openapi APP={app}`" if stale else None
        print(openapi.write(app).relative_to(apps.ROOT))
    except openapi.UnresolvedType as error:
        return f"{app}/app.py: {error}"
    return None


def _sdk(arguments: argparse.Namespace) -> str | None:
    try:
        (folder,) = sdk.make([arguments.app], arguments.language)
        print(folder.relative_to(apps.ROOT))
    except sdk.GeneratorFailed as error:
        return str(error)
    return None


def _scaffold(arguments: argparse.Namespace) -> str | None:
    try:
        for folder in arguments.change(arguments.app):
            print(folder.relative_to(apps.ROOT))
    except scaffold.ScaffoldError as error:
        return str(error)
    return None


def _rename(arguments: argparse.Namespace) -> str | None:
    try:
        for folder in rename.rename(arguments.old, arguments.new, arguments.noun):
            print(folder.relative_to(apps.ROOT))
    except rename.RenameError as error:
        return str(error)
    return None


if __name__ == "__main__":
    run_command(main)
