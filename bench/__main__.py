"""Measure all, and write docs/figures.md: `make bench`. Or measure one, and print it: `python -m bench links`.

Each benchmark is a module whose `rows()` returns rows, see `bench.row`. Each runs in a process of its own, because each
app has its own `chalicelib`.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from bench import figures
from bench.row import Row, Unmeasured
from deploy.command import run_command

BENCHMARKS = (
    "handlers",
    "cold",
    "zips",
    "local",
    "thumbnails",
    "pages",
    "signatures",
    "links",
    "edge",
    "cleanse",
    "requests",
    "apis",
    "reports",
    "starts",
)

TABLES = (
    "ageing",
    "growth",
    "markdown",
    "regions",
    "reload",
    "report_day",
    "report_law",
    "scale",
    "traces",
    "web_images",
)
"""Those that take longer, need more tools, or simulate. They run by their name only, and print tables of their own."""

CANNOT = 3
"""The exit status of a benchmark that cannot run on this machine. The last line of stderr says why."""

_LONGEST = 600
"""Seconds after which a benchmark is ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments name, or all. Exits with the names of those that failed, after all have run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure one, or all.")
    parser.add_argument("name", nargs="?", choices=(*BENCHMARKS, *TABLES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows of one to a file, too")
    parsed = parser.parse_args(arguments)
    if not parsed.name:
        return _all()
    try:
        module = import_module(f"bench.{parsed.name}")
    except ModuleNotFoundError as missing:
        sys.exit(f"There is no package {missing.name}. Install the packages for tests first: make .venv/test")
    if parsed.name in TABLES:
        module.run()
        return 0
    return _one(module.rows, parsed.json)


def _one(rows: Callable[[], Iterable[Row]], file: Path | None) -> int:
    found = []
    try:
        for row in rows():
            found.append(row)
            print(figures.line(row), flush=True)
    except Unmeasured as reason:
        print(reason, file=sys.stderr)
        return CANNOT
    finally:
        if file:
            file.write_text(json.dumps([asdict(row) for row in found]))
    return 0


def _all() -> int:
    machine, began = figures.machine(), time.monotonic()
    print(machine, flush=True)
    measured: dict[str, list[Row]] = {}
    cannot: dict[str, str] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in BENCHMARKS:
            file = Path(folder, f"{name}.json")
            status, reason = _process(name, file)
            measured[name] = [Row(**row) for row in json.loads(file.read_text())] if file.exists() else []
            if status:
                (cannot if status == CANNOT else failed)[name] = reason
                print(f"{name}: {reason}", file=sys.stderr, flush=True)
    figures.write(measured, cannot | dict.fromkeys(failed, "failed"), machine)
    rows = [row for each in measured.values() for row in each]
    missed = [row.what for row in rows if not row.met]
    print(f"{len(rows)} rows in {time.monotonic() - began:.0f} s, written to docs/figures.md and README.md")
    print(f"{sum(row.has_aim for row in rows)} have an aim, of which these miss it: {'; '.join(missed) or 'none'}")
    if failed:
        sys.exit("failed: " + ", ".join(f"{name} (all of it: python -m bench {name})" for name in failed))
    return 0


def _process(name: str, file: Path) -> tuple[int, str]:
    """Run a benchmark in a process of its own. Return its exit status, and the last line of its errors."""
    command = [sys.executable, "-m", "bench", name, "--json", str(file)]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stderr=errors)
        try:
            status = process.wait(_LONGEST)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # so that it ends what it started
            process.wait()
            return 1, f"took longer than {_LONGEST} s"
        errors.seek(0)
        return status, (errors.read().splitlines() or [f"exit status {status}"])[-1]


if __name__ == "__main__":
    run_command(main)
