"""A start shows how far it is, line by line, and nothing else of the log."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.progress import Progress, Shown


def test_each_step_says_how_long_it_took_and_how_many_are_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, progress = tmp_path / "log", Progress(2)
    shown = Shown(log)
    shown.show()
    with progress.step("local AWS"):
        print("a line of a function")
    with log.open("a") as file:
        file.write(capsys.readouterr().out)
        file.write("start: half of a li")
    shown.show()
    assert re.fullmatch(r"1 of 2  local AWS  \d+\.\d s\n", capsys.readouterr().out)

    with progress.step("apps"):
        progress.release("todo-app: resources")
        progress.release("todo-app: resources done in 0.8 s (1 of 7)")
    with log.open("a") as file:
        file.write("ne\n" + capsys.readouterr().out)
    shown.show()
    assert re.fullmatch(
        r"half of a line\n +todo-app: resources done in 0\.8 s \(1 of 7\)\n2 of 2  apps  \d+\.\d s\n",
        capsys.readouterr().out,
    )


def test_a_start_that_failed_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Shown(tmp_path / "log")
    Progress.fail("connect to a network")
    (tmp_path / "log").write_text("a traceback\n" + capsys.readouterr().out + "the last line\n")

    shown.show()

    assert (shown.failure, capsys.readouterr().out) == ("connect to a network", "")
