"""Ports of 127.0.0.1."""

from __future__ import annotations

import socket
from collections.abc import Mapping


class PortBusy(Exception):
    """Another process listens on a port; ``use`` says what the port is for."""

    def __init__(self, use: str, port: int) -> None:
        super().__init__(f"port {port} ({use}) is busy")
        self.use = use


def find_free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def busy_ports(ports: Mapping[str, int]) -> dict[str, int]:
    """Return those of *ports*, given by their use, on which another process listens."""
    return {use: port for use, port in ports.items() if _is_busy(port)}


def _is_busy(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def require_free_ports(ports: Mapping[str, int]) -> None:
    """Raise PortBusy if another process listens on one of *ports*, given by their use."""
    for use, port in busy_ports(ports).items():
        raise PortBusy(use, port)
