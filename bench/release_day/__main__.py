"""Measure how much load the edge takes off the origins: `make release-day CLIENTS=500 SIZE=100`."""

from __future__ import annotations

import argparse
import asyncio
import resource
import signal
import sys
import time
from dataclasses import dataclass

import uvloop

from bench.release_day import clients, costs
from bench.release_day.clients import Tally
from bench.release_day.report import Phase, Sample, page, table
from bench.release_day.servers import Servers, Work
from sandbox.settings import ROOT

_MB = 1_000_000
_EVERY = 0.25


@dataclass
class _Day:
    clients: int
    size: int
    patience: float


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m bench.release_day", description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--size", type=float, default=5, help="size of the package in MB (%(default)g)")
    parser.add_argument("--patience", type=float, default=1800, help="seconds until a phase is aborted (%(default)g)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the context managers stop what they started
    _allow_connections(arguments.clients * 4 + 1000)
    day = _Day(arguments.clients, int(arguments.size * _MB), arguments.patience)
    print(f"{day.clients} clients, {arguments.size:g} MB, three origins.\n")
    with Servers() as servers:
        before = uvloop.run(_phase("without the edge", "2.0.0", servers, day))
        servers.add_edge()
        after = uvloop.run(_phase("with the edge", "3.0.0", servers, day))
    month = costs.Month()
    measured = costs.Measured(after.work.bytes, after.work.requests)
    bills = (costs.without_edge(day.size, month), costs.with_edge(day.size, month, measured))
    print("\n" + table(before, after, bills, month, day.size))
    file = ROOT / "dist" / "release-day.html"
    file.parent.mkdir(exist_ok=True)
    file.write_text(page(before, after, bills, month, day.clients, day.size))
    print(f"\nThe same with a plot: {file.relative_to(ROOT)}")
    wrong = before.tally.wrong + after.tally.wrong
    return f"{wrong} clients got a package whose hash differs from the index" if wrong else None


async def _phase(name: str, version: str, servers: Servers, day: _Day) -> Phase:
    """Let the clients poll, publish a release, and wait until the last client has it."""
    tally, samples = Tally(), []
    counts, work = servers.edge_counts(), servers.work()
    async with asyncio.timeout(day.patience):
        fleet = asyncio.create_task(clients.run(servers.address, version, day.clients, tally))
        await asyncio.sleep(clients.POLL * 1.5)
        await asyncio.to_thread(servers.release, version, day.size)
        tally.began = time.monotonic()
        printed = 0.0
        while not fleet.done():
            await asyncio.wait([fleet], timeout=_EVERY)
            sent = await asyncio.to_thread(servers.work)
            samples.append(Sample(tally.now(), tally.received, sent.bytes - work.bytes, len(tally.done)))
            if tally.now() > printed or fleet.done():
                printed = tally.now() + 1
                print(f"\r{name:17} {_progress(samples[-1], day.clients)}", end="", flush=True)
        await fleet
    print()
    done = servers.work()
    spent = Work(done.requests - work.requests, done.bytes - work.bytes, done.cpu_seconds - work.cpu_seconds)
    now = servers.edge_counts()
    return Phase(name, tally, spent, {metric: now[metric] - counts[metric] for metric in now}, samples)


def _progress(sample: Sample, count: int) -> str:
    return (
        f"{sample.time:6.1f} s   {sample.done:4} of {count} clients have it   {sample.received / 1e9:7.2f} GB received,"
        f" {sample.origin / 1e9:7.2f} GB sent by the origins"
    )


def _allow_connections(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


if __name__ == "__main__":
    raise SystemExit(main())
