"""A request through API Gateway, a function and a table in the local AWS: its rate and its CPU time.

The function writes an item and reads it, so a request is one of the viewer and two of the function. The CPU time is of
the emulator and of the environments of the function, without the clients.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import psutil

from bench.emulator import emulator
from bench.row import Row, Unmeasured, turns
from bench.traces import PLAIN, READS_AND_WRITES, deploy, raise_limit

_CLIENTS = 16
_SECONDS = 3
_ROUNDS = 5

# py-spy (`--gil`) says whose code the emulator runs, and getrusage what the two calls take in a process of their own.
_BINDS = (
    "Python: more than half of the CPU time is boto3 in the function. Its two calls take 2.1 ms in one process, as "
    "they would on AWS, and 3.7 ms in 16 environments that take turns on 2 cores. The emulator's part has no large "
    "function: of py-spy's samples of it, 37 % are the two calls of the table (19 % signatures and policies, 8 % the "
    "table), 31 % API Gateway, 19 % what every request passes first, and the rest is sockets and the event loop. 53 % "
    "are in ministack, 35 % in localaws, and 11 % in asyncio and uvicorn. uvloop would replace a part of asyncio, but "
    "its timers do not follow a clock that is turned."
)


class _Round(NamedTuple):
    """Requests per second, and milliseconds of CPU time for each request."""

    rate: float
    emulator: float
    environments: float


def rows() -> Iterator[Row]:
    """Yield the rate and the CPU time of a request beside the aims, and beside a plain handler."""
    if not shutil.which("wrk"):
        raise Unmeasured("needs wrk")
    others = set(psutil.Process().children())
    with emulator() as endpoint:
        raise_limit()
        addresses = [deploy(endpoint, "todos", READS_AND_WRITES), deploy(endpoint, "plain", PLAIN)]
        process = (set(psutil.Process().children()) - others).pop()
        for address in addresses:
            urllib.request.urlopen(address).close()
            _load(address)  # starts the environments
        here, plain = turns(_ROUNDS, *(partial(_measure, process, address) for address in addresses))
    what = f"a request with a function and a table, {_CLIENTS} clients"
    rates, emulators, environments = ([*column] for column in zip(*here, strict=True))
    whole = [sum(each) for each in zip(emulators, environments, strict=True)]
    yield Row(what, rates, "the aim", [300.0] * _ROUNDS, "requests/s", at_least=1, binds=_BINDS)
    yield Row(what, whole, "the aim", [3.0] * _ROUNDS, "CPU ms", at_most=1, binds=_BINDS)
    yield Row(f"{what}: the emulator's part", emulators, "all CPU time of it", whole, "CPU ms")
    peer = "a plain handler without a table"
    yield Row(what, rates, peer, [each.rate for each in plain], "requests/s")
    yield Row(what, whole, peer, [each.emulator + each.environments for each in plain], "CPU ms")


def _measure(process: psutil.Process, address: str) -> _Round:
    own, all_, began = _cpu(process), _cpu(process, *process.children(recursive=True)), time.perf_counter()
    requests = _load(address)
    seconds, own_after = time.perf_counter() - began, _cpu(process)
    spent, whole = own_after - own, _cpu(process, *process.children(recursive=True)) - all_
    return _Round(requests / seconds, spent / requests * 1000, (whole - spent) / requests * 1000)


def _cpu(*processes: psutil.Process) -> float:
    times = [each.cpu_times() for each in processes]
    return sum(each.user + each.system for each in times)


def _load(address: str) -> int:
    """Send requests for `_SECONDS`. Return how many were answered."""
    command = ["wrk", "-t1", f"-c{_CLIENTS}", f"-d{_SECONDS}s", "--timeout", "30s", address]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if failed := re.search(r"(Socket errors|Non-2xx|\b0 requests in).*", done.stdout):
        raise RuntimeError(failed[0])
    found = re.search(r"(\d+) requests in", done.stdout)
    assert found, done.stdout
    return int(found[1])
