"""`make bench`: all benchmarks run, whatever becomes of the others."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from bench import __main__ as bench


@pytest.mark.parametrize(
    ("status", "stderr", "line"),
    [
        (
            1,
            "Traceback\n  …\nValueError: no photo\n",
            "edge failed: ValueError: no photo. All of it: python -m bench edge",
        ),
        (-9, "", "edge failed: exit status -9. All of it: python -m bench edge"),
    ],
    ids=["an error", "a signal"],
)
def test_a_benchmark_that_fails_gives_one_line_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], status: int, stderr: str, line: str
) -> None:
    ran: list[str] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command[-1])
        return subprocess.CompletedProcess(command, status if ran[-1] == "edge" else 0, stderr=stderr)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["bench"])

    with pytest.raises(SystemExit, match=r"^failed: edge$"):
        bench.main()

    assert ran == list(bench.BENCHMARKS)
    assert capfd.readouterr().err == line + "\n"
