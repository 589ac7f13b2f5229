"""The start of the whole sandbox with its six systems, beside an empty emulator and moto's server, in seconds.

The sandbox is that of a clone of the last commit. Its first start, which packages the apps, is not measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench import clones, peers
from bench.emulator import emulator
from bench.row import Row, turns
from localaws.ports import find_free_port

_ROUNDS = 3
_LONGEST = 120


def rows() -> Iterator[Row]:
    """Yield the start of the sandbox and of the emulator, beside peers. Raises Unmeasured."""
    tools = peers.packages("tools")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "clone")
        clones.clone(root)
        _sandbox(root)
        sandbox, empty, moto = turns(_ROUNDS, lambda: _sandbox(root), _emulator, lambda: _moto(tools))
    yield Row("start of the sandbox with all six systems", sandbox, "an empty emulator", empty, "s", short=True)
    yield Row("start of an empty emulator", empty, "moto's server", moto, "s")


def _sandbox(root: Path) -> float:
    began = time.perf_counter()
    with clones.sandbox(root, DEVICES="1", RELOAD="1"):
        return time.perf_counter() - began


def _emulator() -> float:
    began = time.perf_counter()
    with emulator():
        return time.perf_counter() - began


def _moto(packages: Path) -> float:
    port, began = find_free_port(), time.perf_counter()
    command = [sys.executable, "-m", "moto.server", "--port", str(port)]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(packages)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while time.perf_counter() - began < _LONGEST and process.poll() is None:
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/").close()
                return time.perf_counter() - began
            time.sleep(0.02)
        raise RuntimeError("moto's server does not answer")
    finally:
        process.terminate()
        process.wait()
