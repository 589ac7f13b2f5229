"""`python -m localaws`: an AWS on this machine, for Chalice and SAM projects.

Exit codes: 0 done, 1 failed or not running (one line on standard error says why), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from localaws import allowed_pages, processes
from localaws.clock.client import seconds, turned
from localaws.ports import PortBusy, require_free_ports
from localaws.regions import client as regions
from localaws.serve import data_plane, running
from localaws.settings import Settings

LOG = "localaws.log"
RUNNING = "localaws.json"
"""The file in the folder of a running AWS that has its settings."""

NOT_RUNNING = "localaws does not run in {}. Start it: python -m localaws up"


def main() -> str | None:
    """Run the command in the arguments; return an error message if it fails."""
    parser = argparse.ArgumentParser(
        prog="python -m localaws",
        description="An AWS on this machine, for Chalice and SAM projects.",
        epilog='Point a shell to it: eval "$(python -m localaws env)"',
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument(
        "--folder",
        type=Path,
        default=Path(os.environ.get("LOCALAWS_FOLDER", ".localaws")),
        help="its state, log and process id; LOCALAWS_FOLDER (.localaws)",
    )
    for starts in (up, serve):
        parsed = commands.add_parser(starts.__name__, help=starts.__doc__, parents=[folder])
        _add_settings(parsed)
        parsed.set_defaults(command=starts)
    for command in (down, status, env):
        commands.add_parser(command.__name__, help=command.__doc__, parents=[folder]).set_defaults(command=command)
    parsed = commands.add_parser("clock", help=clock.__doc__, parents=[folder])
    parsed.add_argument("turn", nargs="?", type=seconds, default=0, metavar="+TIME", help="such as +90s, +2h30m, +1d")
    parsed.set_defaults(command=clock)
    for region_command in (down_region, up_region):
        name = region_command.__name__.replace("_", "-")
        parsed = commands.add_parser(name, help=region_command.__doc__, parents=[folder])
        parsed.add_argument("region", help="such as eu-west-1")
        parsed.set_defaults(command=region_command)
    parsed = commands.add_parser("edge", help=edge.__doc__, parents=[folder])
    parsed.add_argument("distributions", nargs="+", metavar="ID=PORT", help="a distribution and its port on 127.0.0.1")
    parsed.set_defaults(command=edge)
    parsed = commands.add_parser("instances", help=instances.__doc__, parents=[folder])
    parsed.add_argument("stack", help="the CloudFormation stack with the Auto Scaling group")
    parsed.set_defaults(command=instances)
    arguments = vars(parser.parse_args())
    run: Callable[..., str | None] = arguments.pop("command")
    return run(**arguments)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    for name, use, default in (
        ("port", "every AWS API", Settings.port),
        ("dax-port", "the first DAX cluster", Settings.dax_port),
        ("mqtt-port", "IoT Core's MQTT broker", Settings.mqtt_port),
    ):
        variable = f"LOCALAWS_{name.upper().replace('-', '_')}"
        value = os.environ.get(variable, str(default))
        if not value.isdecimal():
            parser.error(f"{variable}={value} is not a port: give a number")
        parser.add_argument(f"--{name}", type=int, default=value, help=f"port of {use}; {variable} ({default})")
    parser.add_argument(
        "--region",
        dest="regions",
        action="append",
        help="a Region whose streams and queues are polled, the default one first (us-east-1)",
    )
    interval = os.environ.get("LOCALAWS_BUFFER_INTERVAL", str(Settings.buffer_interval))
    parser.add_argument(
        "--buffer-interval",
        type=float,
        default=interval,
        help=f"seconds of a Firehose buffer, at most; LOCALAWS_BUFFER_INTERVAL ({Settings.buffer_interval})",
    )
    parser.add_argument(
        "--origin",
        dest="origins",
        action="append",
        default=sorted(allowed_pages.origins()),
        help=f"an origin of web pages that may call it, as http://localhost:3000; {allowed_pages.VARIABLE} (none)",
    )
    parser.add_argument("--keep", action="store_true", help="keep the state from one start to the next")
    parser.add_argument(
        "--consistency-delay",
        type=float,
        default=0,
        help="seconds until a new role, a deleted bucket, an index, notifications and CloudFront are up to date (0)",
    )
    parser.add_argument(
        "--grant-requests",
        action="store_true",
        help="grant at once what an account asks AWS for: a higher quota, SES outside its sandbox",
    )


def up(folder: Path, regions: list[str] | None, origins: list[str], **given: float) -> str | None:
    """Start in the background and return when it answers."""
    settings = _settings(folder, regions, origins, **given)
    if processes.pid(folder):
        return f"localaws runs already in {folder}: python -m localaws status"
    try:
        require_free_ports(settings.ports)
    except PortBusy as busy:
        option = {"AWS": "--port", "DAX": "--dax-port", "MQTT": "--mqtt-port"}[busy.use]
        return f"{busy}: stop what listens there or choose another port with {option}"
    options = [f"--port={settings.port}", f"--dax-port={settings.dax_port}", f"--mqtt-port={settings.mqtt_port}"]
    options += [f"--region={region}" for region in settings.regions] + ["--keep"] * settings.keep
    options += [f"--origin={origin}" for origin in settings.origins]
    options.append(f"--buffer-interval={settings.buffer_interval}")
    options += ["--grant-requests"] * settings.grant_requests
    options += [f"--consistency-delay={settings.consistency_delay}"]
    try:
        processes.start(
            ["-m", "localaws", "serve", f"--folder={folder}", *options],
            log=folder / LOG,
            ready=(folder / RUNNING).exists,
        )
    except processes.NotStarted as error:
        return str(error)
    return status(folder)


def serve(folder: Path, regions: list[str] | None, origins: list[str], **given: float) -> str | None:
    """Run in the foreground until SIGTERM or Ctrl-C."""
    settings = _settings(folder.resolve(), regions, origins, **given)
    settings.make_root_key()
    os.environ.update(settings.environment)
    with processes.pid_file(folder), processes.limited_log(folder / LOG):
        asyncio.run(_serve(settings))
    return None


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    file = settings.folder / RUNNING
    async with running(settings):
        file.write_text(json.dumps(asdict(settings), default=str))
        try:
            await stop.wait()
        finally:
            file.unlink()


def down(folder: Path) -> str | None:
    """Stop it and wait until it has ended."""
    if not processes.stop(folder):
        return f"localaws does not run in {folder}."
    print("localaws is down.")
    return None


def status(folder: Path) -> str | None:
    """Print its address."""
    settings = _running(folder)
    if settings is None:
        return NOT_RUNNING.format(folder)
    print(f"AWS   {settings.endpoint}\nDAX   127.0.0.1:{settings.dax_port}\nMQTT  127.0.0.1:{settings.mqtt_port}")
    return None


def env(folder: Path) -> str | None:
    """Print the variables that point a shell to it."""
    settings = _running(folder)
    if settings is None:
        return NOT_RUNNING.format(folder)
    for name, value in settings.environment.items():
        print(f"export {name}='{value}'")
    return None


def clock(folder: Path, turn: float) -> str | None:
    """Print its time, after turning its clock forward by +TIME."""
    settings = _running(folder)
    if settings is None:
        return NOT_RUNNING.format(folder)
    os.environ.update(settings.environment)
    print(turned(settings.endpoint, turn))
    return None


def down_region(folder: Path, region: str) -> str | None:
    """Take a Region away, and print those that are down."""
    return _turn_region(folder, "down", region)


def up_region(folder: Path, region: str) -> str | None:
    """Bring a Region back, and print those that are still down."""
    return _turn_region(folder, "up", region)


def _turn_region(folder: Path, change: regions.Change, region: str) -> str | None:
    settings = _running(folder)
    if settings is None:
        return NOT_RUNNING.format(folder)
    os.environ.update(settings.environment)
    try:
        print("down:", ", ".join(regions.turned(settings.endpoint, change, region)) or "none")
    except regions.NoRegion as error:
        return str(error)
    return None


def edge(folder: Path, distributions: list[str]) -> str | None:
    """Serve CloudFront distributions at ports of their own, until Ctrl-C."""
    return _run_data_plane(folder, "localaws.cloudfront", *distributions)


def instances(folder: Path, stack: str) -> str | None:
    """Run the instances of a stack's Auto Scaling group, until Ctrl-C."""
    settings = Settings(folder.resolve())
    folders = str(settings.state / "instances"), str(settings.file_systems)
    return _run_data_plane(folder, "localaws.autoscaling", *folders, stack)


def _run_data_plane(folder: Path, module: str, *arguments: str) -> str | None:
    settings = _running(folder)
    if settings is None:
        return NOT_RUNNING.format(folder)
    with data_plane(settings, module, *arguments) as process:
        try:
            while process.poll() is None:
                time.sleep(0.2)
        except KeyboardInterrupt:
            return None
    return f"{module} ended with status {process.returncode}"


def _settings(folder: Path, regions: list[str] | None, origins: list[str], **given: float) -> Settings:
    named = {"regions": tuple(regions or Settings.regions), "origins": tuple(dict.fromkeys(origins))}
    return Settings(folder, **named, **given)  # type: ignore[arg-type]


def _running(folder: Path) -> Settings | None:
    """Return the settings of the AWS that runs in *folder*."""
    try:
        stored = json.loads((folder / RUNNING).read_text())
    except FileNotFoundError:
        return None
    if processes.pid(folder) is None:
        return None
    tuples = {name: tuple(stored[name]) for name in ("regions", "origins")}
    return Settings(**stored | tuples | {"folder": Path(stored["folder"])})


if __name__ == "__main__":
    sys.exit(main())
