"""`python -m sandbox up|run|down|status|output|logs|clock|env|clone|delete|serve`: see `make help`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localaws import processes
from localaws.clock.client import seconds, turned
from localaws.ports import PortBusy, require_free_ports
from sandbox.apps import ADDRESSES, InvalidFile
from sandbox.settings import InvalidVariable, Settings, port_variables

_NOT_RUNNING = "The sandbox is not running. Start it with `make up`."


def main() -> str | None:
    """Run the command in the arguments; return an error message if it fails."""
    parser = argparse.ArgumentParser(prog="python -m sandbox")
    commands = parser.add_subparsers(required=True)
    for command in (up, run, down, status, env, serve):
        commands.add_parser(command.__name__, help=command.__doc__).set_defaults(command=command)
    parsed = commands.add_parser("logs", help=logs.__doc__)
    parsed.add_argument("app")
    parsed.set_defaults(command=logs)
    parsed = commands.add_parser("output", help=output.__doc__)
    parsed.add_argument("app")
    parsed.add_argument("name")
    parsed.set_defaults(command=output)
    parsed = commands.add_parser("clock", help=clock.__doc__)
    parsed.add_argument("turn", nargs="?", type=seconds, default=0, metavar="+TIME", help="such as +90s, +2h30m, +1d")
    parsed.set_defaults(command=clock)
    for command_of_a_stage in (clone, delete):
        parsed = commands.add_parser(command_of_a_stage.__name__, help=command_of_a_stage.__doc__)
        parsed.add_argument("stage")
        parsed.set_defaults(command=command_of_a_stage)
    arguments = vars(parser.parse_args())
    command_of: Callable[..., str | None] = arguments.pop("command")
    try:
        settings = Settings.from_environment()
    except (InvalidFile, InvalidVariable) as error:
        return str(error)
    return command_of(settings, **arguments)


def up(settings: Settings) -> str | None:
    """Start the sandbox in the background and return when it is ready."""
    if processes.pid(settings.folder):
        print(f"The sandbox is already up: {settings.url('console')}")
        return None
    try:
        require_free_ports(settings.ports)
    except PortBusy as busy:
        variable, _ = port_variables()[busy.use]
        return f"{busy}; free it or choose another: {variable}=… make run"
    return _start(settings) or status(settings)


def clone(settings: Settings, stage: str) -> str | None:
    """Start a second stage of all apps beside the first, in the same AWS, and return when it is ready."""
    if not processes.pid(settings.folder):
        return _NOT_RUNNING
    variables = settings.clone_environment(stage)
    cloned = Settings.from_environment(os.environ | variables)
    if processes.pid(cloned.folder):
        return f"The stage {stage} is up already: {cloned.outputs_file}"
    if failed := _start(cloned, variables):
        return failed
    _show(cloned.outputs() or {})
    return None


def delete(settings: Settings, stage: str) -> str | None:
    """Stop a stage that was cloned from the first, and delete everything that was deployed to it."""
    from deploy.delete import delete as delete_stage

    if not processes.pid(settings.folder):
        return _NOT_RUNNING
    if stage == settings.stage:
        return f"{stage} is the sandbox's own stage: `make down` deletes it."
    folder = settings.folder / stage
    processes.stop(folder)
    os.environ.update(settings.environment)
    left = delete_stage(stage)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"The stage {stage} is deleted.")
    return f"not deleted: {left}" if left else None


def _start(settings: Settings, variables: dict[str, str] | None = None) -> str | None:
    """Start the process of a stage and wait until it is ready; return an error message if it fails."""
    started = time.monotonic()
    try:
        processes.start(
            ["-m", "sandbox", "serve"],
            log=settings.log,
            ready=settings.outputs_file.exists,
            environment=variables,
            cwd=Path(__file__).parents[1],
        )
    except processes.NotStarted as error:
        return f"The sandbox did not start. {error}"
    print(f"The sandbox is ready after {time.monotonic() - started:.1f} s.\n")
    return None


def run(settings: Settings) -> str | None:
    """Start the sandbox, follow its log, and stop it on Ctrl-C."""
    failed = up(settings)
    if failed:
        return failed
    print("\nThe log follows. Ctrl-C stops the sandbox.\n")
    follow = subprocess.Popen(["tail", "-n", "0", "-F", str(settings.log)])
    try:
        follow.wait()
    except KeyboardInterrupt:
        print()
    finally:
        follow.terminate()
    return down(settings)


def down(settings: Settings) -> str | None:
    """Stop the sandbox with every stage in it, and wait until every process has ended."""
    print("The sandbox is down." if processes.stop(settings.folder) else "The sandbox is not running.")
    return None


def status(settings: Settings) -> str | None:
    """Print every address."""
    outputs = settings.outputs()
    if outputs is None:
        return _NOT_RUNNING
    _show(outputs)
    for folder in settings.clones():
        print(f"\nThe stage {folder.name}, in the same AWS:")
        cloned = Settings.from_environment({"SANDBOX_DIR": str(folder)}).outputs()
        if cloned is None:
            print("it is starting")
        else:
            _show(cloned)
    return None


def _show(outputs: dict[str, Any]) -> None:
    print(f"{'console':14} {outputs['console']}\n{'AWS endpoint':14} {outputs['endpoint']}")
    for app, values in outputs.items():
        if isinstance(values, dict):
            for name in ADDRESSES:
                if name in values:
                    print(f"{app:14} {name:9} {values[name]}")


def output(settings: Settings, app: str, name: str) -> str | None:
    """Print one output of *app*, for a command: its ``api``, its ``stream``."""
    outputs = settings.outputs()
    if outputs is None:
        return _NOT_RUNNING
    print(outputs[app][name])
    return None


def logs(settings: Settings, app: str) -> str | None:
    """Print what the functions of *app* logged, then each new line, until Ctrl-C."""
    from sandbox import function_logs

    if not processes.pid(settings.folder):
        return _NOT_RUNNING
    if app not in (outputs := settings.outputs() or {app: {}}):
        known = sorted(name for name, value in outputs.items() if isinstance(value, dict))
        return f"there is no app {app} in this sandbox, only {', '.join(known)}"
    os.environ.update(settings.environment)
    try:
        for line in function_logs.follow(app, settings.stage):
            print(f"{line.time} {line.function}  {line.text}", flush=True)
    except KeyboardInterrupt:
        print()
    return None


def clock(settings: Settings, turn: float) -> str | None:
    """Print the time of its AWS, after turning its clock forward by +TIME."""
    if not processes.pid(settings.folder):
        return _NOT_RUNNING
    os.environ.update(settings.environment)
    print(turned(settings.aws.endpoint, turn))
    return None


def env(settings: Settings) -> str | None:
    """Print the variables for a shell, as in: eval "$(make env)"."""
    if not processes.pid(settings.folder):
        return _NOT_RUNNING
    for name, value in settings.environment.items():
        print(f"export {name}='{value}'")
    return None


def serve(settings: Settings) -> str | None:
    """Run the sandbox in the foreground."""
    from sandbox import serve as server

    server.main(settings)
    return None


if __name__ == "__main__":
    sys.exit(main())
