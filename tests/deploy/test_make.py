"""The Makefile's targets that deploy: none guesses a stage, or where it acts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TARGETS = (
    "preflight",
    "cost",
    "release",
    "deploy",
    "resources",
    "package",
    "redrive",
    "dashboards",
    "verify",
    "dax",
    "keys",
    "rotate-keys",
    "updates",
    "delete",
)

OWN = ("STAGE", "FROM", "TO", "SANDBOX", "SANDBOX_DIR", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
"""Variables of the make, and of the sandbox, that may have started the tests."""


def make(
    *arguments: str, old: Sequence[str] = ("--old-file=.venv/run",), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run make without executing anything: it prints the commands."""
    command = ["make", "--dry-run", *old, *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    return subprocess.run(command, cwd=ROOT, env=environment | variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_without_a_stage_ends_in_one_line(target: str) -> None:
    done = make(target)

    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"STAGE is not set, for example: make {target} STAGE=" in done.stderr


@pytest.mark.parametrize(("given", "missing"), [(["TO=twin"], "FROM"), (["FROM=local"], "TO"), (["FROM=prod"], "TO")])
def test_a_clone_needs_a_source_and_a_target(given: list[str], missing: str) -> None:
    assert f"{missing} is not set" in make("clone", *given).stderr


def test_a_stage_is_deleted_where_the_credentials_point_to_unless_the_sandbox_is_named(tmp_path: Path) -> None:
    """A folder that a sandbox has left changes nothing."""
    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "sandbox.log").touch()

    for variables in ({}, {"SANDBOX_DIR": str(tmp_path)}):
        assert "-m deploy delete twin" in make("delete", "STAGE=twin", **variables).stdout
        assert "-m sandbox delete twin" in make("delete", "STAGE=twin", "SANDBOX=1", **variables).stdout


def test_a_clone_of_the_sandboxs_stage_is_made_in_the_sandbox() -> None:
    assert "-m sandbox clone twin" in make("clone", "FROM=local", "TO=twin").stdout
    assert "-m deploy clone prod twin" in make("clone", "FROM=prod", "TO=twin").stdout


@pytest.mark.parametrize("target", ["preflight", "cost"])
def test_a_report_is_on_every_app_unless_one_is_named(target: str) -> None:
    assert f"-m deploy {target} all prod" in make(target, "STAGE=prod").stdout
    assert f"-m deploy {target} todo-app prod" in make(target, "STAGE=prod", "APP=todo-app").stdout


def test_every_app_is_verified_unless_one_is_named() -> None:
    assert "-m deploy verify all dev" in make("verify", "STAGE=dev").stdout
    assert "-m deploy verify blog-app dev" in make("verify", "STAGE=dev", "APP=blog-app").stdout


def test_help_lists_every_target_that_has_a_description() -> None:
    described = re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    environment = {name: value for name, value in os.environ.items() if name not in OWN}

    printed = subprocess.run(["make", "help"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)

    assert "test-e2e" in described
    assert re.findall(r"^  make (\S+)", printed.stdout, re.MULTILINE) == described


@pytest.mark.parametrize("target", ["logs", "local", "sdk", "openapi", "test-nope", "verify"])
def test_an_unknown_app_ends_in_one_line(target: str) -> None:
    done = make(target, "APP=nope", "STAGE=dev")

    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "There is no app nope. APP is one of: blog-app" in done.stderr


@pytest.mark.parametrize("target", ["run", "up"])
def test_taken_ports_are_found_before_anything_is_installed(target: str) -> None:
    lines = make("--assume-new=requirements.txt", target, old=()).stdout.splitlines()

    commands = [next(number for number, line in enumerate(lines) if part in line) for part in ("sandbox.ports", "pip ")]
    assert commands == sorted(commands)


def test_an_installation_without_a_network_ends_in_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    for file in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / "todo-app" / ".chalice").mkdir(parents=True)
    (tmp_path / "todo-app" / ".chalice" / "config.json").touch()
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name, script in (
        ("python", ""),
        ("pip", "echo retrying; echo 'ERROR: No matching distribution found for x' | tee .venv/pip.log >&2; exit 1"),
    ):
        (commands / name).write_text(f"#!/bin/sh\n{script}\n")
        (commands / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name not in OWN}

    done = subprocess.run(
        ["make", ".venv/run"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout.count("\n") == 1
    line, of_make = done.stderr.splitlines()
    assert line.startswith("requirements.txt: No matching distribution found for x. ")
    assert "connect to a network and run the command again" in line
    assert of_make.startswith("make: ***")


@pytest.mark.parametrize("target", ["devices", "reconcile", "ingest", "post"])
def test_a_command_for_the_sandbox_ends_if_none_runs(target: str) -> None:
    command = make(target, "FILE=x").stdout

    assert command.startswith('variables="$(.venv/bin/python -m sandbox env)" && '), command


def test_only_a_debug_of_the_command_line_chooses_an_app() -> None:
    database = make("--print-data-base", "up", "DEBUG=todo-app").stdout
    assert "SANDBOX_DEBUG = $(if $(filter command,$(origin DEBUG)),$(DEBUG))" in database


def test_clean_removes_the_node_modules() -> None:
    assert " node_modules " in make("clean").stdout


@pytest.mark.parametrize(
    "text", ["value=Price ($)", "value=$(x", 'value=it\'s $HOME `id` "q" \\', 'ts=a,"value=b, c"', "value=#1"]
)
def test_a_value_reaches_a_command_as_it_was_typed(text: str) -> None:
    done = make("ingest", f"MAP={text}", f"FILE={text}.csv", "REPLACE=1", "TZ=+02:00", "DECIMAL=,")

    words = shlex.split(done.stdout.replace("\\\n", ""))
    assert words[words.index("--map") + 1] == text, done.stderr
    assert f"{text}.csv" in words
    assert words[-5:] == ["--tz", "+02:00", "--decimal", ",", "--replace"]


def test_a_release_to_two_regions_names_them() -> None:
    done = make("release", "APP=blog-app", "STAGE=prod", "REGIONS=us-east-1,eu-west-1")

    assert "python -m deploy release blog-app prod" in done.stdout
    assert shlex.split(done.stdout)[-2:] == ["--regions", "us-east-1,eu-west-1"]


@pytest.mark.parametrize("target", ["down-region", "up-region"])
def test_a_region_that_goes_or_comes_has_a_name(target: str) -> None:
    assert f"REGION is not set, for example: make {target} REGION=eu-west-1" in make(target).stderr
    assert make(target, "REGION=eu-west-1").stdout.strip().endswith(f"python -m sandbox {target} eu-west-1")


def test_git_adds_no_private_key_that_a_target_writes() -> None:
    keys = set(re.findall(r"[\w-]+\.pem\b", (ROOT / "Makefile").read_text()))
    ignored = subprocess.run(["git", "check-ignore", *keys], cwd=ROOT, capture_output=True, text=True, check=False)
    assert set(ignored.stdout.split()) == keys
    assert keys
