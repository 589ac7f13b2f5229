"""Starts and stops of the sandbox: the data that it keeps, the files that it leaves, and its error messages."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sandbox.ports import free_variables

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables of a second sandbox beside any other."""
    own = {"SANDBOX_DIR": str(tmp_path), "SANDBOX_STAGE": "kept", "DEVICES": "0"} | free_variables()
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | own


def sandbox(*command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "sandbox", *command]
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def sign_in(outputs: Path) -> tuple[str, str]:
    """Return the address of the API, and a demo user's token."""
    todo = json.loads(outputs.read_text())["todo-app"]
    answer = httpx.post(
        json.loads(outputs.read_text())["endpoint"],
        headers={
            "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
            "Content-Type": "application/x-amz-json-1.1",
        },
        json={
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": todo["user_pool_client_id"],
            "AuthParameters": {"USERNAME": "ann@example.com", "PASSWORD": "Correct-horse-1"},
        },
    )
    return todo["api"], answer.json()["AuthenticationResult"]["IdToken"]


def test_kept_data_is_there_after_the_next_start(tmp_path: Path, environment: dict[str, str]) -> None:
    keeping = environment | {"KEEP": "1"}
    started = sandbox("up", environment=keeping)
    assert started.returncode == 0, started.stderr[-3000:]
    assert "cannot be read" not in (tmp_path / "sandbox.log").read_text(), "its pollers have credentials"
    api, token = sign_in(tmp_path / "outputs.json")
    todo = httpx.post(f"{api}/todos", headers={"Authorization": token}, json={"title": "keep me"}).json()
    assert sandbox("down", environment=keeping).returncode == 0
    left = {path.name for path in tmp_path.iterdir()}

    started = sandbox("up", environment=keeping)
    assert started.returncode == 0, started.stderr[-3000:]
    same_api, _ = sign_in(tmp_path / "outputs.json")
    kept = httpx.get(f"{same_api}/todos/{todo['id']}", headers={"Authorization": token})
    assert sandbox("down", environment=keeping).returncode == 0

    assert (same_api, kept.status_code, kept.json()) == (api, 200, todo)
    assert left == {"sandbox.log", "state"}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(environment["EMULATOR_PORT"]))) != 0


def test_a_busy_port_is_named_with_the_variable_that_moves_it(environment: dict[str, str]) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        port = str(busy.getsockname()[1])
        refused = sandbox("up", environment=environment | {"CONSOLE_PORT": port})

    assert refused.returncode == 1
    assert f"port {port} (console, CONSOLE_PORT) is taken" in refused.stderr


def test_without_a_sandbox_status_and_down_say_so(environment: dict[str, str]) -> None:
    for command in (["status"], ["env"], ["clock"], ["local", "todo-app", "8000"], ["clone", "twin"]):
        done = sandbox(*command, environment=environment)
        assert done.stderr == "The sandbox of this folder is not running. Start it with `make up`.\n", command
        assert (done.stdout, done.returncode) == ("", 1), command
    assert "not running" in sandbox("down", environment=environment).stdout
