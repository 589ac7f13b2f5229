"""`python -m localaws` as a tool: exit codes, and errors of one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from localaws.settings import Settings

SOURCES = Path(__file__).parents[2]


def localaws(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localaws", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(SOURCES)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "command",
    [
        ["down"],
        ["status"],
        ["env"],
        ["clock"],
        ["down-region", "eu-west-1"],
        ["up-region", "eu-west-1"],
        ["edge", "E1=8080"],
        ["instances", "web"],
    ],
)
def test_without_a_running_aws_a_command_says_so_in_one_line(command: list[str], tmp_path: Path) -> None:
    done = localaws(*command, cwd=tmp_path)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "does not run in .localaws" in done.stderr


def test_a_busy_port_is_named_with_the_option_that_moves_it(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]

        done = localaws("up", "--port", str(port), cwd=tmp_path)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"port {port} (AWS) is busy" in done.stderr
    assert "--port" in done.stderr
    assert not (tmp_path / ".localaws").exists()


@pytest.mark.parametrize("arguments", [[], ["fly"], ["up", "--port", "x"], ["edge"], ["clock", "1d"], ["clock", "+1x"]])
def test_wrong_usage_exits_with_two(arguments: list[str], tmp_path: Path) -> None:
    assert localaws(*arguments, cwd=tmp_path).returncode == 2


def test_a_wrong_variable_is_wrong_usage(tmp_path: Path) -> None:
    done = localaws("up", cwd=tmp_path, LOCALAWS_PORT="x")

    assert done.returncode == 2
    assert "LOCALAWS_PORT=x is not a port" in done.stderr.splitlines()[-1]


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = localaws("--help", cwd=tmp_path)

    assert done.returncode == 0
    for command in ("up", "serve", "down", "status", "env", "edge", "instances"):
        assert f"    {command} " in done.stdout


def test_each_start_makes_a_root_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    settings = Settings(tmp_path)

    settings.make_root_key()
    first = settings.root_key
    settings.make_root_key()

    assert settings.root_key != first
    assert settings.environment["AWS_ACCESS_KEY_ID"] == settings.root_key[0]
    assert (tmp_path / "root-key.json").stat().st_mode & 0o777 == 0o600
