"""The processes of a running sandbox: since when each runs, and what it uses."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

import psutil

_SAMPLE = 0.5
"""Seconds for which the use of CPU is measured."""

_FUNCTION = re.compile(r"ministack-lambda-(.+)-\w{8}/_worker")
"""The program of an execution environment, in a folder with the name of its function."""


@dataclass(frozen=True)
class Usage:
    """What a process uses: ``cpu`` in percent of one core, ``memory`` in bytes.

    Processes of functions share memory, of which each has its part here: the proportional set size of Linux. Other
    systems tell the resident set size only.
    """

    name: str
    pid: int
    since: datetime
    cpu: float
    memory: int


def of(pid: int) -> list[Usage]:
    """Return what a process and all processes below it use, itself first."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        found = [root, *root.children(recursive=True)]
        for _ in _percent(found):  # the first call only begins the measurement
            pass
        time.sleep(_SAMPLE)
        return [
            Usage(name(each.cmdline()), each.pid, datetime.fromtimestamp(each.create_time()), cpu, memory)
            for each, cpu, memory in _percent(found)
        ]
    return []


def _percent(found: Sequence[psutil.Process]) -> Iterator[tuple[psutil.Process, float, int]]:
    """Yield each process that still runs, with its use of CPU since the last call and its memory."""
    for each in found:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            memory = each.memory_full_info()
            yield each, each.cpu_percent(), getattr(memory, "pss", memory.rss)


def name(command: Sequence[str]) -> str:
    """Return what a process is: the name of a function, the module that Python runs, or else program and file."""
    if function := _FUNCTION.search(" ".join(command)):
        return f"function {function[1]}"
    if "-m" in command[:-1]:
        return command[command.index("-m") + 1]
    return " ".join(PurePath(part).name for part in command[:2]) or "ended"


def lines(usages: Sequence[Usage]) -> Iterator[str]:
    """Yield a table of what the processes use, and their sums."""
    megabyte = 1_000_000
    yield f"{'process':52} {'pid':>7} {'since':>8} {'CPU':>6} {'memory':>8}"
    for each in usages:
        use = f"{each.cpu:4.0f} % {each.memory / megabyte:5.0f} MB"
        yield f"{each.name:52} {each.pid:7} {each.since:%H:%M:%S} {use}"
    cpu, memory = sum(each.cpu for each in usages), sum(each.memory for each in usages)
    yield f"{f'{len(usages)} processes':69} {cpu:4.0f} % {memory / megabyte:5.0f} MB"
