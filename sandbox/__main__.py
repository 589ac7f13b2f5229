"""`python -m sandbox up|run|down|status|output|logs|env|clone|delete|serve`: see `make help`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox import settings as place


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m sandbox")
    commands = parser.add_subparsers(required=True)
    for command in (up, run, down, status, env, serve):
        commands.add_parser(command.__name__, help=command.__doc__).set_defaults(command=command)
    logs_parser = commands.add_parser("logs", help=logs.__doc__)
    logs_parser.add_argument("app")
    logs_parser.set_defaults(command=logs)
    output_parser = commands.add_parser("output", help=output.__doc__)
    output_parser.add_argument("app")
    output_parser.add_argument("name")
    output_parser.set_defaults(command=output)
    for command_of_a_stage in (clone, delete):
        stage_parser = commands.add_parser(command_of_a_stage.__name__, help=command_of_a_stage.__doc__)
        stage_parser.add_argument("stage")
        stage_parser.set_defaults(command=command_of_a_stage)
    arguments = vars(parser.parse_args())
    command_of: Callable[..., str | None] = arguments.pop("command")
    return command_of(**arguments)


def up() -> str | None:
    """Start the sandbox in the background and return when it is ready."""
    if place.pid():
        print(f"The sandbox is already up: {place.url('console')}")
        return None
    try:
        place.require_free_ports()
    except place.PortBusy as busy:
        return str(busy)
    return _start(place.FOLDER, {}) or status()


def clone(stage: str) -> str | None:
    """Bring up a second stage of everything beside the first, in the same AWS, and return when it is ready."""
    if not place.pid():
        return _NOT_RUNNING
    folder = place.FOLDER / stage
    if place.pid(folder):
        return f"The stage {stage} is up already: {folder / place.OUTPUTS.name}"
    own = {"SANDBOX_STAGE": stage, "SANDBOX_DIR": str(folder), "SANDBOX_LIKE": place.STAGE}
    failed = _start(folder, own | place.ports_of_a_clone())
    if not failed:
        _show(folder)
    return failed


def delete(stage: str) -> str | None:
    """End a stage that was brought up beside the first, and delete all that was deployed of it."""
    from deploy.delete import delete as delete_stage
    from sandbox.demo import seed

    if not place.pid():
        return _NOT_RUNNING
    if stage == place.STAGE:
        return f"{stage} is the sandbox's own stage: it goes with `make down`."
    folder = place.FOLDER / stage
    _end(folder)
    os.environ.update(place.environment())
    left = delete_stage(stage)
    seed.forget(stage)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"The stage {stage} is gone.")
    return f"left: {left}" if left else None


_NOT_RUNNING = "The sandbox is not running. Start it with `make up`."


def _start(folder: Path, settings: dict[str, str]) -> str | None:
    """Start the process of the stage in *folder*, and return when it is ready, or why it is not."""
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    outputs, log_file = folder / place.OUTPUTS.name, folder / place.LOG.name
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | settings,
            cwd=place.ROOT,
        )
    while not outputs.exists():
        if process.poll() is not None:
            return f"The sandbox did not start. The end of {log_file}:\n{_tail(log_file)}"
        time.sleep(0.1)
    print(f"The sandbox is ready after {time.monotonic() - started:.1f} s.\n")
    return None


def run() -> str | None:
    """Start the sandbox, follow its log, and stop it on Ctrl-C."""
    failed = up()
    if failed:
        return failed
    print("\nThe log follows. Ctrl-C stops the sandbox.\n")
    follow = subprocess.Popen(["tail", "-n", "0", "-F", str(place.LOG)])
    try:
        follow.wait()
    except KeyboardInterrupt:
        print()
    finally:
        follow.terminate()
    return down()


def down() -> str | None:
    """Stop the sandbox, with every stage in it, and wait until nothing of it is left."""
    print("The sandbox is down." if _end(place.FOLDER) else "The sandbox is not running.")
    return None


def _end(folder: Path) -> bool:
    """End the process of the stage in *folder* and wait until it has; return whether there was one."""
    pid = place.pid(folder)
    if not pid:
        return False
    os.kill(pid, signal.SIGTERM)
    while place.pid(folder):  # until it has tidied up
        time.sleep(0.05)
    deadline = time.monotonic() + 5
    while place.runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return True


def status() -> str | None:
    """Print where everything is."""
    if not place.pid() or not place.OUTPUTS.exists():
        return _NOT_RUNNING
    _show(place.FOLDER)
    for folder in place.clones():
        print(f"\nThe stage {folder.name}, in the same AWS:")
        _show(folder)
    return None


def _show(folder: Path) -> None:
    outputs = json.loads((folder / place.OUTPUTS.name).read_text())
    print(f"{'console':14} {outputs['console']}\n{'AWS endpoint':14} {outputs['endpoint']}")
    for app, values in outputs.items():
        if isinstance(values, dict):
            for name in place.ADDRESSES:
                if name in values:
                    print(f"{app:14} {name:9} {values[name]}")


def output(app: str, name: str) -> str | None:
    """Print one output of *app*, for a command: its ``api``, its ``stream``."""
    if not place.pid() or not place.OUTPUTS.exists():
        return "The sandbox is not running. Start it with `make up`."
    print(json.loads(place.OUTPUTS.read_text())[app][name])
    return None


def logs(app: str) -> str | None:
    """Print what the functions of *app* logged, then go on as they log, until Ctrl-C."""
    from sandbox import function_logs

    if not place.pid():
        return _NOT_RUNNING
    os.environ.update(place.environment())
    try:
        for line in function_logs.follow(app):
            print(f"{line.time} {line.function}  {line.text}", flush=True)
    except KeyboardInterrupt:
        print()
    return None


def env() -> str | None:
    """Print the variables for a shell, as in: eval "$(make env)"."""
    for name, value in place.environment().items():
        print(f"export {name}='{value}'")
    return None


def serve() -> str | None:
    """Be the sandbox, in the foreground."""
    from sandbox import serve as server

    server.main()
    return None


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-25:])


if __name__ == "__main__":
    sys.exit(main())
