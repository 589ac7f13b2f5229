"""The end of a command: its status, its message, and an output that nobody reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.command import run_command

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("result", [None, 3, "what went wrong"])
def test_a_command_ends_with_what_it_returns(result: str | int | None) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: result)

    assert ended.value.code == result


def test_a_command_whose_output_nobody_reads_ends_without_a_trace() -> None:
    reader, writer = os.pipe()
    os.close(reader)

    command = "from deploy.command import run_command; run_command(lambda: print('a line'))"
    ended = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (1, "")
