"""`make weakened`: see the package's docstring."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from bench.mutants import targets
from bench.weakened.weakenings import WEAKENINGS, admitted_cases
from sandbox import ports

FOLDER = targets.ROOT / ".weakened"
_ADMITTED = re.compile(r"^([\w ]+): admitted: (.+?)\. Lost: ", re.MULTILINE)


def main() -> str | None:
    tree = targets.copy_tree(FOLDER / "tree")
    for changes in WEAKENINGS:
        for change in changes.changes:
            change.apply(tree)
    print(f"{sum(len(each.changes) for each in WEAKENINGS)} guards are taken from a copy in {tree}", flush=True)
    found = {f"{kind}: {name}" for kind, name in _ADMITTED.findall(_attack(tree))}
    refused = sorted(admitted_cases() - found)
    print(f"{len(found)} cases were admitted by the copy, {len(refused)} were not.")
    return f"not admitted without their guard: {', '.join(refused)}" if refused else None


def _attack(tree: Path) -> str:
    """Start the copy's sandbox, attack it, and stop it. Return what the attacks print."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SANDBOX_"))}
    environment |= {"PORT_BASE": str(ports.free_base()), "DEVICES": "0", "RELOAD": "0"}
    sandbox = [sys.executable, "-m", "sandbox"]
    try:
        subprocess.run([*sandbox, "up"], cwd=tree, env=environment, check=True)
        command = ["make", "--assume-old=.venv/run", "--no-print-directory", "attack"]
        with subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True) as running:
            lines = []
            for line in running.stdout or ():
                print(line, end="", flush=True)
                lines.append(line)
        return "".join(lines)
    finally:
        subprocess.run([*sandbox, "down"], cwd=tree, env=environment, check=False)


if __name__ == "__main__":
    sys.exit(main())
