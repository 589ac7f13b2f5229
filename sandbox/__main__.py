"""`python -m sandbox up|run|down|status|output|logs|env|serve`: see `make help`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from sandbox import place


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
    arguments = vars(parser.parse_args())
    command_of: Callable[..., str | None] = arguments.pop("command")
    return command_of(**arguments)


def up() -> str | None:
    """Start the sandbox in the background and return when it is ready."""
    if _pid():
        print(f"The sandbox is already up: {place.url('console')}")
        return None
    started = time.monotonic()
    try:
        place.require_free_ports()
    except place.PortBusy as busy:
        return str(busy)
    place.FOLDER.mkdir(parents=True, exist_ok=True)
    with place.LOG.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=place.ROOT,
        )
    while not place.OUTPUTS.exists():
        if process.poll() is not None:
            return f"The sandbox did not start. The end of {place.LOG}:\n{_tail()}"
        time.sleep(0.1)
    print(f"The sandbox is ready after {time.monotonic() - started:.1f} s.\n")
    return status()


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
    """Stop the sandbox and wait until nothing of it is left."""
    pid = _pid()
    if not pid:
        print("The sandbox is not running.")
        return None
    os.kill(pid, signal.SIGTERM)
    while _pid():  # until it has tidied up
        time.sleep(0.05)
    deadline = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    print("The sandbox is down.")
    return None


def status() -> str | None:
    """Print where everything is."""
    if not _pid() or not place.OUTPUTS.exists():
        return "The sandbox is not running. Start it with `make up`."
    outputs = json.loads(place.OUTPUTS.read_text())
    print(f"{'console':14} {outputs['console']}\n{'AWS endpoint':14} {outputs['endpoint']}")
    for app, values in outputs.items():
        if isinstance(values, dict):
            for name in place.ADDRESSES:
                if name in values:
                    print(f"{app:14} {name:9} {values[name]}")
    return None


def output(app: str, name: str) -> str | None:
    """Print one output of *app*, for a command: its ``api``, its ``stream``."""
    if not _pid() or not place.OUTPUTS.exists():
        return "The sandbox is not running. Start it with `make up`."
    print(json.loads(place.OUTPUTS.read_text())[app][name])
    return None


def logs(app: str) -> str | None:
    """Print what the functions of *app* logged, then go on as they log, until Ctrl-C."""
    from sandbox import function_logs

    if not _pid():
        return "The sandbox is not running. Start it with `make up`."
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


def _pid() -> int | None:
    """Return the id of the running sandbox, if it runs."""
    try:
        pid = int(place.PID.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if _runs(pid) else None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _tail() -> str:
    return "\n".join(place.LOG.read_text(errors="replace").splitlines()[-25:])


if __name__ == "__main__":
    sys.exit(main())
