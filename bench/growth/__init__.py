"""What one operation of the apps costs as their data grows: `python -m bench growth`.

Each app runs in a process of its own, because each has its own `chalicelib`. All use one emulator.
"""

from __future__ import annotations

import json
import subprocess
import sys

from bench.emulator import emulator
from bench.growth.subject import Cost
from sandbox.settings import ROOT

PARTS = ("todo-app", "blog-app", "pipeline-app", "video-app", "receipts-app", "deploy")

_HEAD = """\
| operation | data beside it | requests | items read | items written | kB | CPU time |
|---|---|---|---|---|---|---|"""


def run() -> None:
    """Print a table in Markdown with a row for each operation, and the notes of those that are not constant."""
    found: list[list[Cost]] = []
    with emulator():
        for part in PARTS:
            found += _measured(part)
    print(_HEAD)
    for number, costs in enumerate(found, start=1):
        print(_row(costs, number))
    for number, costs in enumerate(found, start=1):
        if costs[0].note:
            print(f"\n({number}) {costs[0].note}")


def _measured(part: str) -> list[list[Cost]]:
    """Return the costs of each operation of a part, by size."""
    command = [sys.executable, "-m", "bench.growth", part]
    answer = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    if answer.returncode:
        raise SystemExit(f"growth: {part} failed")
    return [[Cost(**cost) for cost in costs] for costs in json.loads(answer.stdout)]


def _row(costs: list[Cost], number: int) -> str:
    first = costs[0]
    cells = [
        first.operation + (f" ({number})" if first.note else ""),
        f"{_series([f'{cost.size:,}' for cost in costs])} {first.data}",
        *(_series([f"{getattr(cost, name):,}" for cost in costs]) for name in ("requests", "read", "written")),
        _series([f"{cost.sent / 1000:,.1f}" for cost in costs]),
        _series([f"{cost.seconds / first.seconds:.1f}" for cost in costs]),
    ]
    return f"| {' | '.join(cells)} |"


def _series(values: list[str]) -> str:
    return values[0] if len(set(values)) == 1 else " / ".join(values)
