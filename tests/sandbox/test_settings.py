"""The sandbox reads the needs of an app from the app's folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import apps
from sandbox.settings import InvalidVariable, Settings, port_variables


def write(root: Path, app: str, text: str) -> None:
    (root / app).mkdir()
    (root / app / apps.FILE).write_text(text)


def test_an_app_of_any_name_gets_a_port_and_a_variable_that_moves_it(tmp_path: Path) -> None:
    write(tmp_path, "notes-app", "port = 4711")
    write(tmp_path, "quiet-app", "")
    (tmp_path / "plain-app").mkdir()

    ports = port_variables(tmp_path)

    assert ports["notes-app"] == ("NOTES_PORT", 4711)
    assert {"quiet-app", "plain-app", "todo-app"}.isdisjoint(ports)


@pytest.mark.parametrize(
    ("text", "named"),
    [("prot = 1", "prot"), ("port = 'x'", "port"), ("[outputs]\nweb = 1", "outputs"), ("port", "after a key")],
)
def test_an_error_in_the_file_is_named(text: str, named: str, tmp_path: Path) -> None:
    write(tmp_path, "notes-app", text)

    with pytest.raises(apps.InvalidFile, match=rf"(?s)notes-app.sandbox\.toml: .*{named}"):
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


def test_no_two_ports_are_equal() -> None:
    ports = [port for _, port in port_variables().values()]

    assert len(set(ports)) == len(ports)


def test_a_clone_shares_the_aws_and_has_free_ports_for_itself() -> None:
    first = Settings.from_environment({"SANDBOX_DIR": "/x"})
    clone = Settings.from_environment(first.clone_environment("twin"))

    assert (clone.stage, clone.clone_of, clone.folder) == ("twin", "local", Path("/x/twin"))
    assert replace(clone.aws, origins=()) == replace(first.aws, origins=())
    assert {origin.rpartition(":")[0] for origin in clone.aws.origins} == {"http://127.0.0.1", "http://localhost"}
    assert not set(clone.aws.origins) & set(first.aws.origins)
    shared = {name for name, port in first.ports.items() if clone.ports[name] == port}
    assert shared == {"emulator", "dax", "mqtt"}
