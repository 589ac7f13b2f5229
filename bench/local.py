"""Requests to `chalice local`, with the checks that the suite adds to it, beside stock `chalice local` and uvicorn.

All serve a route that only answers, and wrk sends requests to them on connections that stay open.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from bench import peers, zips
from bench.row import Row, Unmeasured, turns
from localaws.ports import find_free_port
from sandbox.settings import ROOT

_ROUNDS, _SECONDS, _CLIENTS, _LONGEST = 5, 2, 8, 120
_STOCK = """
from chalice import Chalice
app = Chalice(app_name="stock")
@app.route("/health", methods=["GET"])
def health():
    return {"status": "ok"}
"""
_ASGI = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/health")
def health():
    return {"status": "ok"}
"""


def rows() -> Iterator[Row]:
    """Yield requests per second, and CPU time of one, beside each peer. Raises Unmeasured."""
    if not shutil.which("wrk"):
        raise Unmeasured("needs wrk")
    packages = peers.packages("handlers")
    chalice = [str(Path(sys.executable).with_name("chalice")), "local", "--no-autoreload"]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stock = Path(folder)
        (stock / ".chalice").mkdir()
        (stock / ".chalice" / "config.json").write_text(
            '{"version": "2.0", "app_name": "stock", "stages": {"dev": {}}}'
        )
        (stock / "app.py").write_text(_STOCK)
        (stock / "asgi.py").write_text(_ASGI)
        ours = zips.settings("todo-app")
        uvicorn = [sys.executable, "-m", "uvicorn", "asgi:app", "--log-level", "error"]
        contestants = [
            stack.enter_context(_serving([*chalice, "--stage", "local"], ROOT / "todo-app", ours)),
            stack.enter_context(_serving(chalice, stock, {"AWS_DEFAULT_REGION": "us-east-1"})),
            stack.enter_context(_serving(uvicorn, stock, {"PYTHONPATH": str(packages)})),
        ]
        here, *others = turns(_ROUNDS, *(partial(_measure, *each) for each in contestants))
    what = f"a request to `chalice local`, {_CLIENTS} clients"
    for peer, its in zip(("stock `chalice local`", "FastAPI with uvicorn"), others, strict=True):
        for index, unit in enumerate(("requests/s", "CPU ms")):
            yield Row(what, [each[index] for each in here], peer, [each[index] for each in its], unit)


@contextmanager
def _serving(command: list[str], folder: Path, variables: dict[str, str]) -> Iterator[tuple[psutil.Process, str]]:
    """Run a server until the block ends; the values are its process and the address of the route."""
    port = find_free_port()
    address, began = f"http://127.0.0.1:{port}/health", time.monotonic()
    process = psutil.Popen(
        [*command, "--port", str(port)],
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _answers(address):
            if process.poll() is not None or time.monotonic() - began > _LONGEST:
                raise RuntimeError(f"{' '.join(command[1:])} does not answer")
            time.sleep(0.1)
        yield process, address
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    with suppress(OSError):
        urllib.request.urlopen(address, timeout=5).close()
        return True
    return False


def _measure(process: psutil.Process, address: str) -> tuple[float, float]:
    """Return the requests per second, and the CPU time of one in ms."""
    command = ["wrk", "-t1", f"-c{_CLIENTS}", f"-d{_SECONDS}s", "--timeout", "30s", address]
    before, began = sum(process.cpu_times()[:2]), time.perf_counter()
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if failed := re.search(r"(Socket errors|Non-2xx|\b0 requests in).*", printed):
        raise RuntimeError(failed[0])
    found = re.search(r"(\d+) requests in", printed)
    assert found, printed
    requests, seconds = int(found[1]), time.perf_counter() - began
    return requests / seconds, (sum(process.cpu_times()[:2]) - before) / requests * 1000
