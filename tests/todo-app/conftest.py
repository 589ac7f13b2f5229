from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

ROOT = Path(__file__).parent.parent.parent
# The app reads its settings while it is imported.
os.environ |= {
    "STAGE": "unit",
    "TABLE": "todo-app-unit-todos",
    "FILES_BUCKET": "todo-app-unit-files",
    "USER_POOL_ARN": "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_unit",
    "USER_POOL_ID": "us-east-1_unit",
    "USER_POOL_CLIENT_ID": "unit-client",
    "IDENTITY_POOL_ID": "us-east-1:unit",
}

from memory import MemoryStore  # noqa: E402

import app  # noqa: E402
from chalicelib import wiring  # noqa: E402
from chalicelib.todos import Todos  # noqa: E402


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def client(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(wiring, "todos", lambda: Todos(store))
    monkeypatch.setattr(wiring, "cached_todos", lambda: Todos(store))
    with Client(app.app, stage_name="unit", project_dir=str(ROOT / "todo-app")) as client:
        yield client


@pytest.fixture
def claims() -> dict[str, Any]:
    return {"sub": "ann", "aud": "unit-client", "token_use": "id", "cognito:username": "ann"}
