"""The ports of the sandbox: where they are, and what is said if they are taken."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import __main__ as command
from sandbox import ports
from sandbox.errors import InvalidFile, InvalidVariable
from sandbox.ports import BASE, FILE, PortsBusy
from sandbox.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def write(root: Path, app: str, text: str) -> None:
    (root / app).mkdir()
    (root / app / FILE).write_text(text)


def test_an_app_of_any_name_gets_a_port_and_a_variable_that_moves_it(tmp_path: Path) -> None:
    write(tmp_path, "notes-app", "port = 4711")
    write(tmp_path, "quiet-app", "")
    (tmp_path / "plain-app").mkdir()

    found = ports.port_variables(tmp_path)

    assert found["notes-app"] == ("NOTES_PORT", 4711)
    assert {"quiet-app", "plain-app", "blog-app"}.isdisjoint(found)


@pytest.mark.parametrize(("text", "named"), [("port = 'x'", "`port`"), ("port", "after a key")])
def test_a_port_that_cannot_be_read_is_named(text: str, named: str, tmp_path: Path) -> None:
    write(tmp_path, "notes-app", text)

    with pytest.raises(InvalidFile, match=rf"notes-app.sandbox\.toml: .*{named}"):
        ports.port_variables(tmp_path)


def test_no_two_ports_are_equal() -> None:
    found = list(ports.from_environment({}).values())

    assert len(set(found)) == len(found)


def test_one_variable_moves_all_ports_by_the_same_distance() -> None:
    by_default = ports.from_environment({})

    moved = ports.from_environment({"PORT_BASE": str(BASE + 700), "TODO_PORT": "4999"})

    assert moved == {name: port + 700 for name, port in by_default.items()} | {"todo-app": 4999}


def test_a_second_sandbox_gets_a_free_port_for_everything() -> None:
    found = ports.from_environment(ports.free_variables() | {"SANDBOX_DEBUG": "todo-app"})

    assert found.keys() == ports.port_variables().keys()
    assert set(found.values()).isdisjoint(ports.from_environment({}).values())
    assert ports.busy_ports(found) == {}


@pytest.mark.parametrize("base", ["x", "0", "65000"])
def test_a_base_that_moves_a_port_too_far_is_named(base: str) -> None:
    with pytest.raises(InvalidVariable, match=f"^PORT_BASE={base} is "):
        ports.from_environment({"PORT_BASE": base})


def test_all_taken_ports_are_named_in_one_line_with_the_remedy() -> None:
    with socket.socket() as first, socket.socket() as second:
        for busy in (first, second):
            busy.bind(("127.0.0.1", 0))
        taken = {"console": first.getsockname()[1], "todo-app": second.getsockname()[1]}
        with pytest.raises(PortsBusy) as refused:
            ports.require_free(ports.from_environment({}) | taken)

    message = str(refused.value)
    assert f"{taken['console']} (console, CONSOLE_PORT)" in message
    assert f"{taken['todo-app']} (todo-app, TODO_PORT)" in message
    assert "PORT_BASE=" in message
    assert "\n" not in message


def test_ports_are_checked_before_packages_are_installed(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        environment = {"PATH": os.environ["PATH"], "SANDBOX_DIR": str(tmp_path)}
        environment |= {"CONSOLE_PORT": str(busy.getsockname()[1])}
        without_packages = [sys.executable, "-S", "-m", "sandbox.ports"]
        done = subprocess.run(without_packages, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert "(console, CONSOLE_PORT)" in done.stderr
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_chalice_local_does_not_start_on_a_taken_port() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        port = busy.getsockname()[1]
        refused = command.local(Settings.from_environment({}), "todo-app", port)

    assert f"port {port} is taken" in str(refused)
    assert "make local APP=todo-app PORT=" in str(refused)
