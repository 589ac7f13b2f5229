"""The generated clients: their types are right, and they pass the journey that the hand-written test makes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from users import User

from services import sdk

ROOT = Path(__file__).parent.parent.parent
JOURNEYS = ROOT / "tests" / "clients"
NPM = ROOT / "node_modules"


def run(*command: str, cwd: Path = ROOT, **environment: str) -> None:
    done = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_python_client_makes_the_journey(sign_up: Callable[[], User], tmp_path: Path) -> None:
    client = str(sdk.make("todo-app", "python"))
    journey = str(JOURNEYS / "todo_journey.py")
    user = sign_up()

    run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), journey, MYPYPATH=client)
    run(sys.executable, journey, user.outputs["api"], user.id_token, PYTHONPATH=client)


@pytest.mark.skipif(not NPM.exists(), reason="no Node.js: `make node_modules` says how to get it")
def test_the_typescript_client_makes_the_journey(sign_up: Callable[[], User], tmp_path: Path) -> None:
    client = sdk.make("todo-app", "typescript")
    installed = tmp_path / "node_modules"
    installed.mkdir()
    for package in NPM.iterdir():
        (installed / package.name).symlink_to(package)
    shutil.copytree(client, installed / "todo-app-client")
    shutil.copy(JOURNEYS / "todo_journey.ts", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    user = sign_up()

    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--outDir", str(tmp_path / "out")]
    run(str(NPM / ".bin" / "tsc"), *options, "todo_journey.ts", cwd=tmp_path)
    run("node", str(tmp_path / "out" / "todo_journey.js"), user.outputs["api"], user.id_token, cwd=tmp_path)
