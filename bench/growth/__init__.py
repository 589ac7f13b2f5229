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
    """Print a table in Markdown with a row for each operation, and the notes of those whose cost grows.

    Exits with the names of the parts that failed, after the others.
    """
    notes: list[str] = []
    failed: list[str] = []
    print(_HEAD)
    with emulator():
        for part in PARTS:
            command = [sys.executable, "-m", "bench.growth", part]
            answer = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
            if answer.returncode:
                failed.append(part)
            for line in answer.stdout.splitlines():
                costs = [Cost(**cost) for cost in json.loads(line)]
                if costs[0].note:
                    notes.append(costs[0].note)
                print(_row(costs, len(notes)), flush=True)
    for number, note in enumerate(notes, start=1):
        print(f"\n({number}) {note}")
    if failed:
        sys.exit(f"growth: not measured: {', '.join(failed)}")


def _row(costs: list[Cost], number: int) -> str:
    """Return the row of an operation, which refers to the note of this number if it has one."""
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
