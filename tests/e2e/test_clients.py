"""The generated clients run the journeys of the hand-written tests. tests/services/test_sdk.py checks their types."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import suite
from users import User

from services import sdk

ROOT = Path(__file__).parent.parent.parent
CLIENTS = ROOT / "tests" / "clients"
JOURNEYS = {file.stem.replace("_journey", "-app"): file for file in sorted(CLIENTS.glob("*_journey.py"))}
NPM = ROOT / "node_modules"


def run(*command: str, cwd: Path = ROOT, **environment: str) -> None:
    done = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("app", sorted(JOURNEYS.keys() - suite.DELETED))
def test_the_python_client_makes_the_journey(
    app: str, sandbox: dict[str, Any], sign_up: Callable[..., User], tmp_path: Path
) -> None:
    (client,), outputs = sdk.make([app], "python", tmp_path), sandbox[app]
    if "user_pool_id" in outputs:
        credential = sign_up(app).id_token
    else:
        key, secret = "access_key_id", "secret_access_key"  # the author's, or the root key
        credential = f"{outputs.get(f'author_{key}', sandbox[key])}:{outputs.get(f'author_{secret}', sandbox[secret])}"

    run(
        sys.executable,
        str(JOURNEYS[app]),
        outputs["api"],
        credential,
        PYTHONPATH=os.pathsep.join([str(client), str(ROOT)]),
    )


@pytest.mark.skipif(not NPM.exists(), reason="no Node.js: `make node_modules` says how to get it")
def test_the_typescript_client_makes_the_journey(sign_up: Callable[[], User], tmp_path: Path) -> None:
    installed = tmp_path / "node_modules"
    installed.mkdir()
    for package in NPM.iterdir():
        (installed / package.name).symlink_to(package)
    (client,) = sdk.make(["todo-app"], "typescript", tmp_path)
    shutil.move(client, installed / "todo-app-client")
    shutil.copy(CLIENTS / "todo_journey.ts", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    user = sign_up()

    options = ["--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"]
    run(str(NPM / ".bin" / "tsc"), *options, "--outDir", "out", "todo_journey.ts", cwd=tmp_path)
    run("node", str(tmp_path / "out" / "todo_journey.js"), user.outputs["api"], user.id_token, cwd=tmp_path)
