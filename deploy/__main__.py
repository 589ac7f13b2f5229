"""`python -m deploy COMMAND …`: see `make help`. Each command first prints where it acts."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from deploy import (
    apps,
    bootstrap,
    budget,
    close,
    dashboards,
    order,
    preflight,
    redrive,
    regions,
    restore,
    signing_keys,
    stages,
)
from deploy.account import api_address, target
from deploy.attack.stage import attack
from deploy.clone import clone
from deploy.command import run_command
from deploy.cost import report
from deploy.delete import contents, delete, delete_standby
from deploy.errors import DeployError, NotDeployed, PackageFailed
from deploy.publish import Publisher
from deploy.verify.journey import LONGEST
from deploy.verify.stage import verify
from updates.publish import wave

_API_URL = re.compile(r"https://\w+\.execute-api\.\S+")
"""The URL of an API, as Chalice prints it."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the list of all commands."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog.split()[-1]} failed: {message}\n")


def main() -> str | None:
    arguments = _parser().parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # show each line of a long command at once
    try:
        if arguments.run is not _cost:  # which needs no account
            print(target())
        result: str | None = arguments.run(arguments)
    except FileNotFoundError as error:
        return f"{arguments.command} failed: there is no file {error.filename}"
    except (DeployError, ClientError, BotoCoreError, subprocess.CalledProcessError) as error:
        return f"{arguments.command} failed: {error}"
    except KeyboardInterrupt:
        return "interrupted: the same command resumes from here"
    return result


def _parser() -> _Parser:
    parser = _Parser(prog="python -m deploy", description="Deploy apps to a stage.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    app = _arguments("app", choices=apps.names())
    released = _arguments("app", choices=["all", *order.names()])
    stage, source, target = _arguments("stage"), _arguments("source"), _arguments("target")
    parameters = _arguments("parameters", nargs="*", metavar="NAME=VALUE", type=_parameter, help="of the templates")
    algorithm = _arguments("--algorithm", choices=["rsa", "ecdsa"], default="rsa", help="of a new key")

    def add(name: str, run: Any, text: str, *parents: _Parser) -> _Parser:
        command = commands.add_parser(name, help=text, description=text, parents=parents)
        command.set_defaults(run=run)
        return command

    add("bootstrap", _bootstrap, "make what an account needs once for each Region")
    budgets = add("budget", _budget, "mail before a month of the account costs more than a limit")
    budgets.add_argument("dollars", type=int, help="the limit of a month")
    budgets.add_argument("email", type=_email, help="who gets the mails")
    add("preflight", _preflight, "list what the account and the Region lack for a release", released, stage, parameters)
    add("cost", _cost, "compute what a stage costs, idle and for each unit of work", released, stage, parameters)
    releasing = add("release", _release, "package and deploy by CloudFormation", released, stage, parameters)
    releasing.add_argument("--regions", default="", help="this Region and a second one, in which an app runs, too")
    add("standby", _standby, "deploy to this Region, as a release to two does it", app, stage, parameters)
    add("delete-standby", _delete_standby, "delete what that deployed", app, stage)
    add("deploy", _deploy, "deploy by `chalice deploy`", app, stage, parameters)
    add("package", _package, "write template and zip to dist/", app, stage, parameters)
    add("resources", _step, "deploy the stack of what outlives the app", app, stage, parameters)
    add("dax", _step, "deploy the DAX cluster, which costs by the hour", app, stage, parameters)
    add("register", _register, "write the API's address to where other services look", app, stage)
    add("delivery", _step, "deploy the delivery stream", app, stage, parameters)
    add("edge", _step, "deploy the distribution", app, stage, parameters)
    add("site", _step, "publish the page; NAME=VALUE adds to its config.json", app, stage, parameters)
    verification = add("verify", _verify, "walk a user's journey through every app of a stage", released, stage)
    verification.add_argument("--longest", type=float, default=LONGEST, help="seconds to wait for a condition")
    attacking = add("attack", _attack, "try what an attacker tries on every app of a stage", released, stage)
    attacking.add_argument("--case", default="", help="only the cases with this in their names")
    add("dashboards", _dashboards, "make a dashboard for each app of a stage", stage)
    add("redrive", _redrive, "send failed messages back to where they came from", app, stage)
    for name, run, text in (
        ("close", close.close, "let a route of an API answer 503 within seconds"),
        ("open", close.reopen, "serve a closed route again"),
    ):
        closing = add(name, _close, text, app, stage)
        closing.add_argument("route", help="such as 'POST /subscribers'")
        closing.set_defaults(change=run)
    tables = add("restore-table", _restore_table, "put back the items that a table had at a time", app, stage)
    tables.add_argument("table", help="the name of the table after the app and the stage")
    tables.add_argument("time", type=_time, help="such as 2030-01-31T09:00:00Z")
    tables.add_argument("--changed", action="store_true", help="also replace the items that have changed since")
    buckets = add("restore-objects", _restore_objects, "bring back deleted objects of a bucket", app, stage)
    buckets.add_argument(
        "bucket", help="the name of the bucket after the app and the stage, without account and Region"
    )
    buckets.add_argument("prefix", help="with which their keys begin")
    buckets.add_argument("--since", type=_time, help="only those that were deleted at this time or later")
    for each in (tables, buckets):
        each.add_argument("--force", action="store_true", help="do it; without it, only say what would be done")
    add("keys", _keys, "make the key that signs links, if there is none", app, stage, algorithm)
    rotate = add("rotate-keys", _rotate_keys, "replace the key that signs links", app, stage, algorithm)
    rotate.add_argument("--propagation", type=float, default=signing_keys.PROPAGATION, help="seconds to every edge")
    rotate.add_argument("--retirement", type=float, help="seconds until no link of the old key is valid")
    publishing = add("publish", _publish, "release software to the update servers", stage)
    publishing.add_argument("file", type=Path)
    publishing.add_argument("version")
    publishing.add_argument("--root-key", type=Path, help="the file of the root key, for the first release")
    publishing.add_argument(
        "--wave", action="append", default=[], type=wave, metavar="TIME=PERCENT", help="e.g. 2030-01-31T09:00:00Z=10"
    )
    withdrawing = add("withdraw", _withdraw, "stop offering a release of software", stage)
    withdrawing.add_argument("version")
    for each in (publishing, withdrawing):
        each.add_argument("--channel", default="stable")
    renewing = add("renew-root", _renew_root, "sign the root of the releases for another year", stage)
    renewing.add_argument("root_key", type=Path, help="the file of the root key")
    renewing.add_argument("--rotate", action="store_true", help="also replace the key that signs releases")
    add("clone", _clone, "make a stage like another; no data is copied", source, target, parameters)
    deletion = add("delete", _delete, "delete a stage with all its data", stage)
    deletion.add_argument("--force", action="store_true", help="do not ask, and delete even prod")
    return parser


def _arguments(name: str, **settings: Any) -> _Parser:
    """Return a parser with one argument, for commands to share."""
    parser = _Parser(add_help=False)
    parser.add_argument(name, **settings)
    return parser


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2030-01-31T09:00:00Z") from None


def _bootstrap(arguments: argparse.Namespace) -> None:
    _print(bootstrap.bootstrap())


def _email(text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an email address")
    return text


def _budget(arguments: argparse.Namespace) -> None:
    budget.limit(arguments.dollars, arguments.email)
    print(
        f"Mails go to {arguments.email} when a month costs 80% and 100% of {arguments.dollars} USD, or will cost 100%"
    )


def _preflight(arguments: argparse.Namespace) -> str | None:
    stages.check(arguments.stage)
    released = _released(arguments)
    lacks = preflight.preflight(arguments.stage, released, _declared(arguments.parameters, released))
    print(*lacks, sep="\n") if lacks else print("Nothing is missing.")
    missing = sum(lack.fails for lack in lacks)
    return f"a release to {arguments.stage} would fail: {missing} missing" if missing else None


def _cost(arguments: argparse.Namespace) -> None:
    released = _released(arguments)
    given = _declared(arguments.parameters, released)
    print(*report.of_stage(arguments.stage, released, given), sep="\n")


def _release(arguments: argparse.Namespace) -> None:
    stages.check(arguments.stage)
    released = _released(arguments)
    parameters = _declared(arguments.parameters, released)
    named = [region for region in arguments.regions.split(",") if region]
    in_two = {app: regions.parameters(app, arguments.stage, named) for app in filter(regions.can, released)}
    if named and not in_two:
        raise NotDeployed(f"REGIONS: {', '.join(released)} cannot run in two Regions")

    def parameters_for(app: str, step: str) -> dict[str, str]:
        own = in_two.get(app, {}) if step == "resources" else {}
        return parameters | own if step in order.STACKS else {}

    order.check(arguments.stage, released, parameters_for)
    outputs = order.release(arguments.stage, released, parameters_for, _report)
    for app, own in in_two.items():
        if own:
            regions.release(app, arguments.stage, own["StandbyRegion"], print)
    for app, by_step in outputs.items():
        print(f"\n{app}")
        for values in by_step.values():
            _print(values)


def _standby(arguments: argparse.Namespace) -> None:
    regions.release_standby(arguments.app, arguments.stage, dict(arguments.parameters), print)


def _delete_standby(arguments: argparse.Namespace) -> None:
    for kind, name in delete_standby(arguments.app, arguments.stage):
        print(f"not deleted, delete it by hand: {kind} {name}")


def _deploy(arguments: argparse.Namespace) -> None:
    app, stage = arguments.app, arguments.stage
    stages.check(stage)
    apps.refuse_stack(app, stage)
    _print(apps.deploy_resources(app, stage, **_declared(arguments.parameters, [app])))
    command = [*apps.CHALICE, "deploy", "--stage", stage]
    environment = apps.chalice_environment() | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=apps.ROOT / app, env=environment, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout or ():
            print(_API_URL.sub(lambda found: api_address(found[0]), line), end="")
    if running.returncode:
        raise PackageFailed(f"`chalice deploy` ended with status {running.returncode}")
    _print(apps.register(app, stage))


def _register(arguments: argparse.Namespace) -> None:
    stages.check(arguments.stage)
    _print(apps.register(arguments.app, arguments.stage))


def _package(arguments: argparse.Namespace) -> None:
    app, stage = arguments.app, arguments.stage
    stages.check(stage)
    _print(apps.deploy_resources(app, stage, **_declared(arguments.parameters, [app])))
    _print({"package": str(apps.package(app, stage))})


def _step(arguments: argparse.Namespace) -> None:
    app, step, parameters = arguments.app, arguments.command, dict(arguments.parameters)
    stages.check(arguments.stage)
    if step not in order.steps(app):
        raise NotDeployed(f"{app} has no {step}")
    if step in order.STACKS:
        parameters = _declared(arguments.parameters, [app])
    _print(order.STEPS[step](app, arguments.stage, **parameters))


def _verify(arguments: argparse.Namespace) -> None:
    verify(arguments.stage, [] if arguments.app == "all" else [arguments.app], arguments.longest)


def _attack(arguments: argparse.Namespace) -> None:
    attack(arguments.stage, arguments.app, arguments.case)


def _redrive(arguments: argparse.Namespace) -> None:
    _print(redrive.redrive(arguments.app, arguments.stage))


def _dashboards(arguments: argparse.Namespace) -> str | None:
    resources = dashboards.resources(stages.stacks_of(arguments.stage))
    if not resources:
        return f"there is no stack of the stage {arguments.stage}: run `make release APP=all STAGE={arguments.stage}`"
    for name in dashboards.deploy(arguments.stage, resources):
        print(name)
    return None


def _close(arguments: argparse.Namespace) -> None:
    closed = arguments.change(arguments.app, arguments.stage, arguments.route)
    print(f"closed: {', '.join(closed) or 'nothing'}")


def _restore_table(arguments: argparse.Namespace) -> None:
    restore.table(
        arguments.app,
        arguments.stage,
        arguments.table,
        arguments.time,
        changed=arguments.changed,
        force=arguments.force,
    )


def _restore_objects(arguments: argparse.Namespace) -> None:
    restore.objects(
        arguments.app, arguments.stage, arguments.bucket, arguments.prefix, arguments.since, force=arguments.force
    )


def _keys(arguments: argparse.Namespace) -> None:
    _print({"key group": signing_keys.ensure(arguments.app, arguments.stage, arguments.algorithm)})


def _rotate_keys(arguments: argparse.Namespace) -> None:
    waits = {"propagation": arguments.propagation, "retirement": arguments.retirement}
    _print({"signing key": signing_keys.rotate(arguments.app, arguments.stage, arguments.algorithm, **waits)})


def _publish(arguments: argparse.Namespace) -> None:
    publisher = Publisher(arguments.stage)
    root_key, waves = arguments.root_key, arguments.wave
    _print(publisher.release(arguments.file, arguments.version, arguments.channel, waves, root_key))


def _withdraw(arguments: argparse.Namespace) -> None:
    Publisher(arguments.stage).withdraw(arguments.version, arguments.channel)


def _renew_root(arguments: argparse.Namespace) -> None:
    _print({"root expires": Publisher(arguments.stage).renew_root(arguments.root_key, arguments.rotate)})


def _clone(arguments: argparse.Namespace) -> None:
    parameters = _declared(arguments.parameters, order.names())
    _print(clone(arguments.source, arguments.target, **parameters))
    print("Its keys and secrets are new: store the payment provider's keys (docs/paid-content.md). It has no data.")


def _delete(arguments: argparse.Namespace) -> str | None:
    stage = arguments.stage
    if not arguments.force and not stages.stacks_of(stage):
        return (
            f"there is no stack of the stage {stage}. SANDBOX=1 deletes a stage of the sandbox, "
            "FORCE=1 the keys and parameters that an interrupted deletion left"
        )
    for kind, name in contents(stage):
        print(f"{kind:28} {name}")
    if not arguments.force and stage != "prod" and not _confirmed(stage):
        return "Nothing was deleted."
    for kind, name in delete(stage, arguments.force):
        print(f"not deleted, delete it by hand: {kind} {name}")
    return None


def _confirmed(stage: str) -> bool:
    try:
        return input(f"All of this is deleted, with the data in it. Type {stage} to continue: ") == stage
    except EOFError:
        return False


def _released(arguments: argparse.Namespace) -> list[str]:
    return order.names() if arguments.app == "all" else [arguments.app]


def _declared(parameters: Iterable[tuple[str, str]], released: Iterable[str]) -> dict[str, str]:
    """Return the parameters by name. Raises NotDeployed for one that no template declares, and for the stage."""
    declared = {name for app in released for name in order.declared(app)} - {"Stage"}
    for name, _ in parameters:
        if name not in declared:
            known = ", ".join(sorted(declared))
            raise NotDeployed(
                f"no template of {', '.join(released)} has a parameter {name}. The parameters are {known}"
            )
    return dict(parameters)


def _report(line: str) -> None:
    """Print a line by one write, because the steps of a release report at the same time."""
    sys.stdout.write(f"{line}\n")


def _print(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        print(f"{name:32} {value}")


if __name__ == "__main__":
    run_command(main)
