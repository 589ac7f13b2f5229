"""Pytest fixtures of a local AWS: `pytest_plugins = ["localaws.testing"]` in a conftest.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent
"""The folder from which this package is imported."""


def find_free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """The function that finds a free port."""
    return find_free_port


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty emulator with its gaps closed, without the data planes that run beside it."""
    port = find_free_port()
    folder = tmp_path_factory.mktemp("emulator")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCES),
        "GATEWAY_PORT": str(port),
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder),
        "LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen([sys.executable, "-m", "localaws.emulator"], env=environment, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    _wait_for(f"{url}/_ministack/health", process)
    yield url
    process.terminate()
    process.wait(20)


def eventually[T](look: Callable[[], T], seconds: float = 10) -> T:
    """Call *look* until it returns something true or *seconds* have passed; return its last result."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def until[T](look: Callable[[], T | None], seconds: float = 90) -> T:
    """Call *look* until it returns something true, and return that. Raises AssertionError after *seconds*."""
    found = eventually(look, seconds)
    assert found, f"nothing within {seconds} s"
    return found


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nothing answers at {url}")
