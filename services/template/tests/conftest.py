from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from chalice.test import Client

ROOT = Path(__file__).parent.parent.parent
# The app reads its settings while it is imported.
os.environ |= {"STAGE": "unit", "TABLE": "{{ app }}-unit-{{ things }}"}

from memory import Memory{{ Things }}  # noqa: E402

import app  # noqa: E402
from chalicelib import wiring  # noqa: E402
from chalicelib.{{ things }} import {{ Things }}  # noqa: E402


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    {{ things }} = {{ Things }}(Memory{{ Things }}())
    monkeypatch.setattr(wiring, "{{ things }}", lambda: {{ things }})
    with Client(app.app, stage_name="unit", project_dir=str(ROOT / "{{ app }}")) as client:
        yield client
