"""The ports of the sandbox. `python -m sandbox.ports` checks that they are free.

It runs before the packages are installed, so it needs none.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from localaws import processes
from localaws.ports import busy_ports, find_free_port
from sandbox.errors import InvalidFile, InvalidVariable

ROOT = Path(__file__).parent.parent
FILE = "sandbox.toml"
BASE = 4500
"""The port of the console. The others keep their distances to it when PORT_BASE moves it."""

DEBUGGER = "debugger"
"""The port that a debugger attaches to, if there is an app to debug."""

_PORTS = {
    "emulator": ("EMULATOR_PORT", 4566),
    "dax": ("SANDBOX_DAX_PORT", 8111),
    "mqtt": ("IOT_PORT", 8883),
    "console": ("CONSOLE_PORT", BASE),
    "payments": ("PAYMENTS_PORT", 4507),
    DEBUGGER: ("DEBUG_PORT", 5678),
}
"""The sandbox's own ports: by name the variable that moves a port, and the port."""

SHARED = ("emulator", "dax", "mqtt")
"""The ports of the AWS, which all stages of a sandbox share."""


class PortsBusy(Exception):
    """Other processes listen on ports of the sandbox; the message names the ports and the remedy."""


def folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the sandbox's state, log and outputs."""
    return Path(environment.get("SANDBOX_DIR", ROOT / ".sandbox")).resolve()


def port_variables(root: Path = ROOT) -> dict[str, tuple[str, int]]:
    """Return by name the variable that moves a port, and the port: the sandbox's own, and that of each app's page.

    The variable of an app is its name without ``-app``: ``TODO_PORT`` moves the page of ``todo-app``. Raises
    InvalidFile.
    """
    pages = {file.parent.name: _page_port(file) for file in sorted(root.glob(f"*/{FILE}"))}
    return _PORTS | {
        app: (f"{app.removesuffix('-app').upper().replace('-', '_')}_PORT", port)
        for app, port in pages.items()
        if port is not None
    }


def _page_port(file: Path) -> int | None:
    try:
        port = tomllib.loads(file.read_text()).get("port")
    except tomllib.TOMLDecodeError as error:
        raise InvalidFile(f"{file}: {error}") from error
    if port is not None and not isinstance(port, int):
        raise InvalidFile(f"{file}: `port` is not a number")
    return port


def free_variables() -> dict[str, str]:
    """Return the variables that move every port of the sandbox to one on which nothing listens."""
    return {variable: str(find_free_port()) for variable, _ in port_variables().values()}


def from_environment(environment: Mapping[str, str]) -> dict[str, int]:
    """Return the ports by name. Raises InvalidVariable and InvalidFile."""
    distance = _port(environment, "PORT_BASE", BASE) - BASE
    variables = port_variables()
    if not environment.get("SANDBOX_DEBUG"):
        del variables[DEBUGGER]
    ports = {name: _port(environment, variable, port + distance) for name, (variable, port) in variables.items()}
    for name, port in ports.items():
        if not 0 < port < 65536:
            base = BASE + distance
            raise InvalidVariable(f"PORT_BASE={base} is too far from {BASE}: it moves {name} to the port {port}")
    return ports


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable)
    if text is None:
        return default
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise InvalidVariable(f"{variable}={text} is not a port: give a number from 1 to 65535")
    return int(text)


def require_free(ports: Mapping[str, int]) -> None:
    """Raise PortsBusy if another process listens on one of the *ports*."""
    if not (busy := busy_ports(ports)):
        return
    variables = port_variables()
    named = ", ".join(f"{port} ({name}, {variables[name][0]})" for name, port in busy.items())
    taken = f"port {named} is taken" if len(busy) == 1 else f"ports {named} are taken"
    raise PortsBusy(f"{taken}: end what listens there, or move all ports: PORT_BASE={free_base()} make run")


def free_base() -> int:
    """Return a value of PORT_BASE with which all ports are free."""
    bases = range(BASE + 1000, 60_000, 1000)
    return next((base for base in bases if not busy_ports(from_environment({"PORT_BASE": str(base)}))), bases[0])


def main() -> str | None:
    """Return why the sandbox cannot start, unless it runs."""
    try:
        if not processes.pid(folder(os.environ)):
            require_free(from_environment(os.environ))
    except (InvalidFile, InvalidVariable, PortsBusy) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
