"""`python -m sandbox COMMAND`: see `make help`.

Each command that acts on an AWS first prints where it acts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from deploy.command import run_command
from deploy.errors import NoAccount
from localaws import processes
from localaws.clock.client import seconds, turned
from localaws.ports import busy_ports, find_free_port
from localaws.regions import client as regions
from sandbox import apps, ports
from sandbox.apps import ADDRESSES
from sandbox.errors import InvalidFile, InvalidVariable
from sandbox.ports import ROOT, PortsBusy
from sandbox.progress import Shown
from sandbox.settings import Settings

_NOT_RUNNING = "The sandbox of this folder is not running. Start it with `make up`."
_NOT_READY = "The sandbox of this folder is not ready. Try again when `make up` has ended."


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
    parsed = commands.add_parser("local", help=local.__doc__)
    parsed.add_argument("app")
    parsed.add_argument("port", type=int)
    parsed.set_defaults(command=local)
    parsed = commands.add_parser("clock", help=clock.__doc__)
    parsed.add_argument("turn", nargs="?", type=seconds, default=0, metavar="+TIME", help="such as +90s, +2h30m, +1d")
    parsed.set_defaults(command=clock)
    for command_of_a_region in (down_region, up_region):
        name = command_of_a_region.__name__.replace("_", "-")
        parsed = commands.add_parser(name, help=command_of_a_region.__doc__)
        parsed.add_argument("region", help="such as eu-west-1")
        parsed.set_defaults(command=command_of_a_region)
    for command_of_a_stage in (clone, delete):
        parsed = commands.add_parser(command_of_a_stage.__name__, help=command_of_a_stage.__doc__)
        parsed.add_argument("stage")
        parsed.set_defaults(command=command_of_a_stage)
    arguments = vars(parser.parse_args())
    command_of: Callable[..., str | None] = arguments.pop("command")
    try:
        settings = Settings.from_environment()
        apps.found(ROOT)
    except (InvalidFile, InvalidVariable) as error:
        return str(error)
    if command_of in (up, run, down, serve):
        return command_of(settings, **arguments)
    return _in_running(settings, command_of, arguments)


def _in_running(settings: Settings, command: Callable[..., str | None], arguments: dict[str, Any]) -> str | None:
    """Run a command on the sandbox that runs in the folder, whatever ports this environment names."""
    running = settings.running()
    if running is None:
        return _NOT_READY if processes.pid(settings.folder) else _NOT_RUNNING
    os.environ.update(running.environment)
    if command not in (output, down_region, up_region):  # STS does not answer while its Region is down
        try:
            _say_where(sys.stderr if command is env else sys.stdout)
        except NoAccount as error:
            return str(error)
    return command(running, **arguments)


def _say_where(stream: TextIO) -> None:
    from deploy.account import target  # only here, because boto3 is slow to import

    print(target(), file=stream, flush=True)


def up(settings: Settings) -> str | None:
    """Start the sandbox in the background and return when it is ready."""
    if processes.pid(settings.folder):
        print("The sandbox is already up.\n")
        return _in_running(settings, addresses, {})
    try:
        ports.require_free(settings.ports)
    except PortsBusy as busy:
        return str(busy)
    return _start(settings) or _in_running(settings, addresses, {})


def clone(settings: Settings, stage: str) -> str | None:
    """Start a second stage of all apps beside the first, in the same AWS, and return when it is ready."""
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

    if stage == settings.stage:
        return f"{stage} is the sandbox's own stage: `make down` deletes it."
    folder = settings.folder / stage
    processes.stop(folder)
    left = delete_stage(stage)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"The stage {stage} is deleted.")
    return f"not deleted: {left}" if left else None


def _start(settings: Settings, variables: dict[str, str] | None = None) -> str | None:
    """Start the process of a stage and wait until it is ready; return an error message if it fails."""
    started, progress = time.monotonic(), Shown(settings.log)
    settings.outputs_file.unlink(missing_ok=True)  # a sandbox that was killed leaves it

    def ready() -> bool:
        is_ready = settings.outputs_file.exists()
        progress.show()
        return is_ready

    try:
        processes.start(
            ["-m", "sandbox", "serve"],
            log=settings.log,
            ready=ready,
            environment=variables,
            cwd=ROOT,
        )
    except processes.NotStarted as error:
        progress.show()
        return f"The sandbox did not start. {progress.failure or error}"
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
    """Print every address, and what each process uses."""
    from sandbox import usage

    addresses(settings)
    print()
    for folder in (settings.folder, *settings.clones()):
        if pid := processes.pid(folder):
            print(*usage.lines(usage.of(pid)), sep="\n")
    return None


def addresses(settings: Settings) -> str | None:
    """Print every address."""
    _show(settings.outputs() or {})
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
    if "debugger" in outputs:
        print(f"{'debugger':14} {outputs['debugger']}")
    for app, values in outputs.items():
        if isinstance(values, dict):
            for name in ADDRESSES:
                if name in values:
                    print(f"{app:14} {name:9} {values[name]}")


def output(settings: Settings, app: str, name: str) -> str | None:
    """Print one output of *app*, for a command: its ``api``, its ``stream``."""
    print((settings.outputs() or {})[app][name])
    return None


def logs(settings: Settings, app: str) -> str | None:
    """Print what the functions of *app* logged, then each new line, until Ctrl-C."""
    from sandbox import function_logs

    if app not in (outputs := settings.outputs() or {app: {}}):
        known = sorted(name for name, value in outputs.items() if isinstance(value, dict))
        return f"there is no app {app} in this sandbox, only {', '.join(known)}"
    try:
        for line in function_logs.follow(app, settings.stage):
            print(f"{line.time} {line.function}  {line.text}", flush=True)
    except KeyboardInterrupt:
        print()
    return None


def clock(settings: Settings, turn: float) -> str | None:
    """Print the time of its AWS, after turning its clock forward by +TIME."""
    print(turned(settings.aws.endpoint, turn))
    return None


def down_region(settings: Settings, region: str) -> str | None:
    """Take a Region of its AWS away, and print those that are down."""
    return _turn_region(settings, "down", region)


def up_region(settings: Settings, region: str) -> str | None:
    """Bring a Region of its AWS back, and print those that are still down."""
    return _turn_region(settings, "up", region)


def _turn_region(settings: Settings, change: regions.Change, region: str) -> str | None:
    if region not in settings.aws.regions:
        return f"the sandbox has the Regions {' and '.join(settings.aws.regions)}, not {region}"
    print("down:", ", ".join(regions.turned(settings.aws.endpoint, change, region)) or "none")
    return None


def local(settings: Settings, app: str, port: int) -> str | None:
    """Run `chalice local` on *app* against the sandbox, until Ctrl-C."""
    if busy_ports({app: port}):
        free = find_free_port()
        return f"port {port} is taken: end what listens there, or choose another: make local APP={app} PORT={free}"
    os.environ["STAGE"] = settings.stage
    os.chdir(ROOT / app)
    chalice = str(Path(sys.executable).with_name("chalice"))
    os.execv(chalice, [chalice, "local", "--stage", settings.stage, "--port", str(port)])  # noqa: S606 # Ctrl-C ends it


def env(settings: Settings) -> str | None:
    """Print the variables for a shell, as in: eval "$(make env)"."""
    for name, value in settings.environment.items():
        print(f"export {name}='{value}'")
    return None


def serve(settings: Settings) -> str | None:
    """Run the sandbox in the foreground."""
    from sandbox import serve as server

    return server.main(settings)


if __name__ == "__main__":
    run_command(main)
