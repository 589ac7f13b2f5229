"""The generated clients of every API and their journeys pass the type checkers."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import suite

from deploy import apps
from services import sdk

ROOT = Path(__file__).parent.parent.parent
NPM = ROOT / "node_modules"


@suite.of_all_apps
def test_the_python_clients_and_the_journeys(tmp_path: Path) -> None:
    shared = ROOT / "tests" / "clients"
    journeys = [str(file) for file in sorted(shared.glob("*_journey.py"))]
    assert journeys

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *journeys],
        cwd=ROOT,
        env=os.environ
        | {"MYPYPATH": os.pathsep.join([str(shared), *map(str, sdk.make(apps.names(), "python", tmp_path))])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "SuperSecretToken" not in (tmp_path / "todo-app-python" / "README.md").read_text()


@pytest.mark.skipif(not NPM.exists(), reason="no Node.js: `make node_modules` says how to get it")
def test_the_typescript_clients(tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(NPM)

    clients = sdk.make(apps.names(), "typescript", tmp_path)  # which compiles them

    assert all((client / "index.js").exists() for client in clients)


@pytest.mark.parametrize("language", sdk.LANGUAGES)
@pytest.mark.parametrize("app", apps.names())
def test_the_readme_of_a_client_says_how_its_api_is_called(app: str, language: str) -> None:
    schemes = json.loads((ROOT / app / "openapi.json").read_text())["components"].get("securitySchemes", {})

    readme = sdk._readme(app, language)

    assert ("ID token" in readme) == ("cognito" in schemes)
    assert ("Signature Version 4" in readme) == ("iam" in schemes)
    assert not re.search("SuperSecretToken|internal_api|Poetry|my_tag", readme)
    for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL):
        ast.parse(code)
