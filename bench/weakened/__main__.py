"""`make weakened`: see the package's docstring."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from bench import copies
from bench.weakened.weakenings import WEAKENINGS, admitted_cases
from sandbox.own_sandbox import NotRun, OwnSandbox

FOLDER = copies.ROOT / ".weakened"
_ADMITTED = re.compile(r"^([\w ]+): admitted: (.+?)\. Lost: ", re.MULTILINE)


def main() -> str | None:
    tree = copies.copy_tree(FOLDER / "tree")
    copies.link_packages(tree)
    for changes in WEAKENINGS:
        for change in changes.changes:
            change.apply(tree)
    print(f"{sum(len(each.changes) for each in WEAKENINGS)} guards are taken from a copy in {tree}", flush=True)
    try:
        printed = _attack(tree)
    except NotRun as error:
        return str(error)
    found = {f"{kind}: {name}" for kind, name in _ADMITTED.findall(printed)}
    refused = sorted(admitted_cases() - found)
    print(f"{len(found)} cases were admitted by the copy, {len(refused)} were not.")
    return f"not admitted without their guard: {', '.join(refused)}" if refused else None


def _attack(tree: Path) -> str:
    """Start the copy's sandbox with two stages, attack it, and stop it. Return what the attacks print."""
    lines = []
    sandbox = OwnSandbox(tree / ".sandbox", "local", tree)
    with sandbox.running():
        sandbox.clone("other")
        command = [sys.executable, "-m", "deploy", "attack", "all", "local"]
        environment = os.environ | sandbox.settings.environment
        with subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True) as running:
            for line in running.stdout or ():
                print(line, end="", flush=True)
                lines.append(line)
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
