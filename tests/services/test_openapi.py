"""The contract of each app: an OpenAPI document beside the code that always matches the code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import validate

ROOT = Path(__file__).parent.parent.parent
APPS = sorted(config.parent.parent.name for config in ROOT.glob("*/.chalice/config.json"))


@pytest.mark.parametrize("app", APPS)
def test_the_document_matches_the_code(app: str) -> None:
    command = [sys.executable, "-m", "services", "openapi", app, "--check"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("app", APPS)
def test_the_document_is_valid(app: str) -> None:
    validate(json.loads((ROOT / app / "openapi.json").read_text()))
