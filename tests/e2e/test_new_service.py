"""Make, test and deploy a new service in a copy of the repository, with the README's commands."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import repository
from users import Author, stage

from sandbox.settings import Settings

NEW = "parcels-app"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, as after `git clone` and `make`."""
    folder = tmp_path_factory.mktemp("copy")
    repository.copy_to(folder)
    return folder


def run(copy: Path, *command: str) -> str:
    environment = os.environ | Settings.from_environment().environment
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_service_is_tested_answers_and_is_removed_without_a_trace(copy: Path, sandbox: dict[str, Any]) -> None:
    run(copy, "make", "new-service", f"NAME={NEW}")
    run(copy, "make", f"test-{NEW}", f"types-{NEW}")
    contract = json.loads((copy / NEW / "openapi.json").read_text())
    assert {"/parcels", "/parcels/{parcel_id}", "/health"} <= contract["paths"].keys()

    for step in ("resources", "release"):
        released = run(copy, ".venv/bin/python", "-m", "deploy", step, NEW, stage())
    api_id = next(line.split()[1] for line in released.splitlines() if line.startswith("RestAPIId"))
    outputs = {"api": f"{sandbox['endpoint']}/_aws/execute-api/{api_id}/api"}
    service = Author(outputs, sandbox["access_key_id"], sandbox["secret_access_key"])
    assert httpx.get(f"{outputs['api']}/parcels").status_code == 403
    parcel = service.send("POST", "/parcels", {"name": "A parcel"})
    assert parcel.status_code == 201, parcel.text
    assert service.send("GET", f"/parcels/{parcel.json()['id']}").json() == parcel.json()

    run(copy, "make", "remove-service", f"NAME={NEW}")
    assert not (copy / NEW).exists()
    assert run(copy, "git", "status", "--porcelain") == ""
