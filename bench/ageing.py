"""CPU and memory of a sandbox over a day: `python -m bench ageing`, or `python -m bench.ageing --minutes 10`.

A sandbox runs on a clone of the last commit, with its simulated devices and a few users, while its clock is turned
through 24 hours. It is measured at the age of 10 minutes, 2 hours and 24 hours, while the clock runs as usual.
CPU is in percent of a core. Memory is PSS: each page that several processes share counts once.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil

from bench import clones
from localaws import processes
from sandbox import usage
from sandbox.demo.users import PASSWORD, USERS
from sandbox.settings import ROOT

AGES = {"10 minutes": 600, "2 hours": 7_200, "24 hours": 86_400}
"""The ages in seconds at which the sandbox is measured."""
PICTURE = ROOT / "dist" / "ageing.svg"
_STEP = 5
"""Seconds from one turn of the clock, and from one sample, to the next."""
_TURNING, _SETTLING, _MEASURED = 0.14, 0.07, 0.12
"""The shares of the whole time in which the clock is turned to an age, in which the sandbox does what became due and
starts the functions whose environments ended meanwhile, and in which it is measured."""
_VISITS = 4
"""Seconds between two visits of a user."""
_MIN_SHOWN = 0.1, 20e6
"""The table names each process that uses as much CPU, in percent of a core, or as much memory at the last age."""


@dataclass(frozen=True)
class Sample:
    """What the processes used up to a moment: ``at`` and ``age`` in seconds, CPU in seconds, PSS in bytes, by name."""

    at: float
    age: float
    cpu: Mapping[str, float]
    pss: Mapping[str, int]


class Sandbox:
    """A running sandbox: its processes, and its clock. *outputs* is its outputs.json."""

    def __init__(self, outputs: Mapping[str, Any], pid: int) -> None:
        self._outputs, self._root = outputs, psutil.Process(pid)
        self._began, self._turned = time.monotonic(), 0.0
        self._cpu: dict[tuple[int, float], tuple[str, float]] = {}
        """By id and start of a process, also of one that has ended: its name, and the seconds of CPU that it used."""

    @property
    def age(self) -> float:
        """The seconds since the start by its own clock."""
        return time.monotonic() - self._began + self._turned

    def turn(self, seconds: float) -> None:
        """Turn its clock forward."""
        key = {"Authorization": f"Bearer {self._outputs['secret_access_key']}"}
        url = f"{self._outputs['endpoint']}/_localaws/clock"
        httpx.post(url, json={"advance": seconds}, headers=key, timeout=60).raise_for_status()
        self._turned += seconds

    def sample(self) -> Sample:
        """Return what it has used so far. A process that began and ended between two samples is not seen."""
        pss: Counter[str] = Counter()
        for process in (self._root, *self._root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                name, times = usage.name(process.cmdline()), process.cpu_times()
                self._cpu[process.pid, process.create_time()] = name, times.user + times.system
                memory = process.memory_full_info()
                pss[name] += getattr(memory, "pss", memory.uss)  # only Linux has PSS
        cpu: dict[str, float] = {}
        for name, seconds in self._cpu.values():
            cpu[name] = cpu.get(name, 0) + seconds
        return Sample(time.monotonic() - self._began, self.age, cpu, pss)


def turns(age: float, goal: float, steps: int) -> Iterator[float]:
    """Yield by how many seconds to turn the clock at each step, so that the age reaches *goal* at the end.

    The steps take their own time, too.
    """
    for _ in range(steps):
        yield max(0.0, (goal - age) / steps - _STEP)


def percent(first: Sample, last: Sample) -> float:
    """Return the CPU that all processes used between two samples, in percent of a core."""
    return 100 * (sum(last.cpu.values()) - sum(first.cpu.values())) / (last.at - first.at)


def table(measured: Mapping[str, Sequence[Sample]]) -> Iterator[str]:
    """Yield the lines of a table: a row for each process that uses much, most memory first, and columns by age."""
    yield f"| process | {' | '.join(f'{age}: CPU | memory' for age in measured)} |"
    yield f"|---|{'--:|--:|' * len(measured)}"
    last = list(measured.values())[-1]
    names = sorted(last[-1].cpu, key=lambda name: _memory_of(name, last), reverse=True)
    cpu, memory = _MIN_SHOWN
    shown = [name for name in names if _percent_of(name, last) >= cpu or _memory_of(name, last) >= memory]
    for name in (*shown, None):
        cells = (
            f"{_percent_of(name, samples):.1f} % | {_memory_of(name, samples) / 1e6:.0f} MB"
            for samples in measured.values()
        )
        yield f"| {name or 'all'} | {' | '.join(cells)} |"


def _percent_of(name: str | None, samples: Sequence[Sample]) -> float:
    first, last = samples[0], samples[-1]
    if name is None:
        return percent(first, last)
    return 100 * (last.cpu.get(name, 0) - first.cpu.get(name, 0)) / (last.at - first.at)


def _memory_of(name: str | None, samples: Sequence[Sample]) -> float:
    return sum(sum(each.pss.values()) if name is None else each.pss.get(name, 0) for each in samples) / len(samples)


def picture(samples: Sequence[Sample], measured: Mapping[str, Sequence[Sample]]) -> str:
    """Return an SVG: CPU and memory from sample to sample, with the spans in which the sandbox was measured."""
    cpu = [(two.at, percent(one, two)) for one, two in itertools.pairwise(samples)]
    memory = [(each.at, sum(each.pss.values()) / 1e6) for each in samples]
    end = samples[-1].at
    spans = "".join(
        f'<rect x="{_x(some[0].at, end):.1f}" y="20" width="{_x(some[-1].at, end) - _x(some[0].at, end):.1f}" '
        f'height="260" fill="#eee"/><text x="{_x(some[0].at, end):.1f}" y="14">{age}</text>'
        for age, some in measured.items()
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 310" font-family="sans-serif" font-size="11">'
        f"{spans}{_line(cpu, end, '#c33')}{_line(memory, end, '#36c')}"
        f'<text x="10" y="300" fill="#c33">CPU, up to {max(y for _, y in cpu):.0f} % of a core</text>'
        f'<text x="250" y="300" fill="#36c">memory, up to {max(y for _, y in memory):.0f} MB</text>'
        f'<text x="710" y="300" text-anchor="end">{end / 60:.0f} minutes</text></svg>\n'
    )


def _x(at: float, end: float) -> float:
    return 10 + 700 * at / end


def _line(points: Sequence[tuple[float, float]], end: float, colour: str) -> str:
    most = max(y for _, y in points) or 1
    drawn = " ".join(f"{_x(at, end):.1f},{280 - 250 * y / most:.1f}" for at, y in points)
    return f'<polyline points="{drawn}" fill="none" stroke="{colour}"/>'


def visit(outputs: Mapping[str, Any], ended: threading.Event, number: int) -> None:
    """Be a user who reads each app, and signs in and writes a todo, until *ended*."""
    chance, todo = random.Random(number), outputs["todo-app"]  # noqa: S311
    reads = [
        f"{outputs['blog-app']['api']}/posts",
        f"{outputs['video-app']['api']}/videos",
        *(f"{outputs['pipeline-app']['api']}/{path}" for path in ("devices", "reports", "alerts", "status")),
    ]
    cognito = boto3.client(
        "cognito-idp",
        outputs["region"],
        endpoint_url=outputs["endpoint"],
        aws_access_key_id=outputs["access_key_id"],
        aws_secret_access_key=outputs["secret_access_key"],
    )
    with httpx.Client(timeout=60) as client:
        while not ended.wait(_VISITS):
            with contextlib.suppress(httpx.TransportError):
                client.get(chance.choice(reads))
                signed_in = cognito.initiate_auth(
                    ClientId=todo["user_pool_client_id"],
                    AuthFlow="USER_PASSWORD_AUTH",
                    AuthParameters={"USERNAME": USERS[number % len(USERS)], "PASSWORD": PASSWORD},
                )
                token = {"Authorization": signed_in["AuthenticationResult"]["IdToken"]}
                made = client.post(f"{todo['api']}/todos", json={"title": "Buy milk"}, headers=token)
                client.get(f"{todo['api']}/todos", headers=token)
                if location := made.headers.get("Location"):
                    client.delete(httpx.URL(todo["api"]).join(location), headers=token)


def measure(sandbox: Sandbox, minutes: float) -> tuple[list[Sample], dict[str, list[Sample]]]:
    """Turn the clock through the ages, and print a line for each. Return all samples, and those at each age."""
    samples, measured = [sandbox.sample()], dict[str, list[Sample]]()
    shares = _TURNING, _SETTLING, _MEASURED
    turning, settling, measuring = (max(2, round(share * minutes * 60 / _STEP)) for share in shares)
    for name, goal in AGES.items():
        for seconds in (*turns(sandbox.age, goal - settling * _STEP, turning), *[0] * settling):
            if seconds:
                sandbox.turn(seconds)
            time.sleep(_STEP)
            samples.append(sandbox.sample())
        measured[name] = samples[-1:]
        for _ in range(measuring):
            time.sleep(_STEP)
            measured[name].append(sandbox.sample())
        samples += measured[name][1:]
        percents, memory = _percent_of(None, measured[name]), _memory_of(None, measured[name]) / 1e6
        print(f"{name}: {percents:.1f} % of a core, {memory:.0f} MB", flush=True)
    return samples, measured


def run(minutes: float = 9, users: int = 2) -> None:
    """Print the table, and write the picture."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the context managers stop what they started
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "clone"
        clones.clone(root)
        with clones.sandbox(root, DEVICES="1") as (outputs, _), ThreadPoolExecutor(users) as pool:
            ended = threading.Event()
            visits = [pool.submit(visit, outputs, ended, number) for number in range(users)]
            try:
                pid = processes.pid(root / ".sandbox")
                assert pid
                samples, measured = measure(Sandbox(outputs, pid), minutes)
            finally:
                ended.set()
            for each in visits:
                each.result()
    print("", *table(measured), sep="\n")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(samples, measured))
    print(f"\nThe picture is {PICTURE.relative_to(ROOT)}.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ageing", description="Measure a sandbox over a day.")
    parser.add_argument("--minutes", type=float, default=9, help="how long it is measured, after its start")
    parser.add_argument("--users", type=int, default=2)
    given = parser.parse_args()
    run(given.minutes, given.users)


if __name__ == "__main__":
    main()
