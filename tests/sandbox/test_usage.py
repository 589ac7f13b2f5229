"""What `make status` says of the processes of a sandbox."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sandbox import usage


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["/x/python", "-m", "localaws.emulator"], "localaws.emulator"),
        (["/x/python", "x/ministack-lambda-todo-app-local-api-a1b2_c3d/_worker.py"], "function todo-app-local-api"),
        (["/usr/bin/node", "/x/y.js", "z"], "node y.js"),
        ([], "ended"),
    ],
)
def test_a_process_has_the_name_of_what_it_runs(command: list[str], name: str) -> None:
    assert usage.name(command) == name


def test_each_process_below_the_sandbox_is_listed_with_what_it_uses() -> None:
    with subprocess.Popen([sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"]) as child:
        found = {each.pid: each for each in usage.of(os.getpid())}
        table = list(usage.lines(list(found.values())))
        child.terminate()

    assert found[child.pid].name == "http.server"
    assert found[child.pid].memory > 1_000_000
    assert any("http.server" in line and f"{found[child.pid].since:%H:%M:%S}" in line for line in table)
    assert table[-1].startswith(f"{len(found)} processes")
    assert usage.of(2**22 + 1) == [], "it has ended"
