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
    "reports",
    "report_day",
    "scale",
)

LONGER = ("ageing", "growth", "reload", "traces", "web_images", "markdown")
"""Those that take minutes, or need more tools. They run by their name only."""


def main() -> int:
    """Run the benchmark of the arguments, or all; return 1 if one failed."""
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
    return max([subprocess.run([sys.executable, "-m", "bench", each], check=False).returncode for each in BENCHMARKS])


if __name__ == "__main__":
    sys.exit(main())
