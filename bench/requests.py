"""A request through API Gateway, a function and a table in the local AWS: its rate and its CPU time.

The function writes an item and reads it, so a request is one of the viewer and two of the function. The CPU time is of
the emulator and of the environments of the function, without the clients.

py-spy says whose code the emulator runs: of the samples that hold the lock of Python, 48 % are in ministack, 27 % in
localaws, of which no function has more than 1.2 %, and 23 % in hypercorn and h11. uvloop would replace a part of
asyncio, but its timers do not follow a clock that is turned.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import time
import urllib.request
from typing import NamedTuple

import boto3
import psutil

from bench.emulator import emulator
from bench.traces import deploy

_CLIENTS = 16
_SECONDS = 5
_ROUNDS = 5


class _Round(NamedTuple):
    """Requests per second, and milliseconds of CPU time for each request."""

    rate: float
    emulator: float
    environments: float


def run() -> None:
    """Print the medians, each with its lowest and highest."""
    if not shutil.which("wrk"):
        print("requests: skipped, needs wrk")
        return
    others = set(psutil.Process().children())
    with emulator() as endpoint:
        # A new account runs ten functions at once, and API Gateway answers 500 for the others.
        boto3.client("service-quotas").request_service_quota_increase(
            ServiceCode="lambda", QuotaCode="L-B99A9384", DesiredValue=1000
        )
        address = deploy(endpoint)
        process = (set(psutil.Process().children()) - others).pop()
        urllib.request.urlopen(address).close()
        _load(address)  # starts the environments
        rounds = [_measure(process, address) for _ in range(_ROUNDS)]
    rate, emulators, environments = (
        f"{statistics.median(each):.1f} ({min(each):.1f} to {max(each):.1f})" for each in zip(*rounds, strict=True)
    )
    print(
        f"requests, {_CLIENTS} clients: {rate} per second; CPU time of each: emulator {emulators} ms, "
        f"environments of the function {environments} ms"
    )


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
    if failed := re.search(r"(Socket errors|Non-2xx).*", done.stdout):
        raise RuntimeError(failed[0])
    found = re.search(r"(\d+) requests in", done.stdout)
    assert found, done.stdout
    return int(found[1])
