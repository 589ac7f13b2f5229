"""Run all benchmarks: `make bench`; or one: `python -m bench links`.

Each benchmark runs in a process of its own, because each app has its own `chalicelib`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

BENCHMARKS = (
    "imports",
    "thumbnails",
    "pages",
    "signatures",
    "links",
    "edge",
    "cleanse",
    "requests",
    "reports",
    "report_day",
    "scale",
)

LONGER = ("ageing", "growth", "reload", "traces", "web_images", "markdown")
"""Those that take minutes, or need more tools. They run by their name only."""


def main() -> int:
    """Run the benchmark of the arguments, or all. Exits with the names of those that failed, after all have run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Run one benchmark, or all.")
    parser.add_argument("name", nargs="?", choices=(*BENCHMARKS, *LONGER))
    name = parser.parse_args().name
    try:
        modules = {each: import_module(f"bench.{each}") for each in ([name] if name else BENCHMARKS)}
    except ModuleNotFoundError as missing:
        sys.exit(f"There is no package {missing.name}. Install the packages for tests first: make .venv/test")
    if name:
        modules[name].run()
        return 0
    failed = [each for each in BENCHMARKS if not _succeeds(each)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    return 0


def _succeeds(name: str) -> bool:
    """Run a benchmark in a process of its own, and return whether it succeeded. Print a line if it failed."""
    done = subprocess.run([sys.executable, "-m", "bench", name], check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        reason = (done.stderr.splitlines() or [f"exit status {done.returncode}"])[-1]
        print(f"{name} failed: {reason}. All of it: python -m bench {name}", file=sys.stderr, flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
