"""The sandbox reads the needs of an app from the app's folder."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from localaws import processes
from sandbox import apps
from sandbox.errors import InvalidFile, InvalidVariable
from sandbox.ports import FILE
from sandbox.settings import ROOT, Settings


def write(root: Path, app: str, text: str) -> None:
    (root / app).mkdir()
    (root / app / FILE).write_text(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [("prot = 1", "prot"), ("port = 'x'", "port"), ("[outputs]\nweb = 1", "outputs"), ("port", "after a key")],
)
def test_an_error_in_the_file_is_named(text: str, named: str, tmp_path: Path) -> None:
    write(tmp_path, "notes-app", text)

    with pytest.raises(InvalidFile, match=rf"(?s)notes-app.sandbox\.toml: .*{named}"):
        apps.found(tmp_path)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TODO_PORT", "x"),
        ("TODO_PORT", "0"),
        ("EMULATOR_PORT", "65536"),
        ("SANDBOX_STAGE", "My Stage"),
        ("KEEP", "yes"),
        ("DEVICES", "-1"),
        ("RETRY_DELAY", "x"),
        ("RETRY_DELAY", "0"),
        ("RETRY_DELAY", "nan"),
        ("RETRY_DELAY", "inf"),
    ],
)
def test_a_variable_with_a_wrong_value_is_named(variable: str, value: str) -> None:
    with pytest.raises(InvalidVariable, match=f"^{variable}={value} is "):
        Settings.from_environment({variable: value})


def test_the_longest_delay_of_retries_is_that_of_the_aws() -> None:
    assert Settings.from_environment({"RETRY_DELAY": "0.5"}).aws.retry_delay == 0.5


def test_the_account_is_new_only_on_request() -> None:
    assert Settings.from_environment({"ACCOUNT": "fresh"}).fresh
    assert not Settings.from_environment({}).fresh


def test_the_stage_and_the_ports_are_those_that_run_in_the_folder(tmp_path: Path) -> None:
    outputs = {"stage": "mine", "emulator_port": 5001, "dax_port": 5002, "mqtt_port": 5003}
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))
    elsewhere = Settings.from_environment({"SANDBOX_DIR": str(tmp_path)})

    assert elsewhere.running() is None, "its process has ended"
    (tmp_path / processes.PID).write_text(str(os.getpid()))
    running = elsewhere.running()
    assert running
    assert (running.stage, running.aws.endpoint) == ("mine", "http://127.0.0.1:5001")
    assert (running.aws.dax_port, running.aws.mqtt_port) == (5002, 5003)


def test_an_app_takes_a_debugger_on_request() -> None:
    """The name of the app is that of its functions, up to the stage."""
    debugging = Settings.from_environment({"SANDBOX_DEBUG": "todo-app", "PORT_BASE": "4600"})

    assert debugging.debugger["LOCALAWS_DEBUG"] == f"todo-app-local={ROOT / 'todo-app'}"
    assert debugging.debugger["LOCALAWS_DEBUG_PORT"] == "5778"
    assert Settings.from_environment({"SANDBOX_DEBUG": ""}).debugger == {}
    with pytest.raises(InvalidVariable, match=r"^DEBUG=x is not an app: give one of blog-app, "):
        Settings.from_environment({"SANDBOX_DEBUG": "x"})


def test_a_clone_shares_the_aws_and_has_free_ports_for_itself() -> None:
    first = Settings.from_environment({"SANDBOX_DIR": "/x"})
    clone = Settings.from_environment(first.clone_environment("twin"))

    assert (clone.stage, clone.clone_of, clone.folder) == ("twin", "local", Path("/x/twin"))
    assert replace(clone.aws, origins=()) == replace(first.aws, origins=())
    assert {origin.rpartition(":")[0] for origin in clone.aws.origins} == {"http://127.0.0.1", "http://localhost"}
    assert not set(clone.aws.origins) & set(first.aws.origins)
    shared = {name for name, port in first.ports.items() if clone.ports[name] == port}
    assert shared == {"emulator", "dax", "mqtt"}
