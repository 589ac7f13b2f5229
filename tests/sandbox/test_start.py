"""A start of the sandbox that follows one that was killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from localaws import processes
from sandbox import __main__ as command
from sandbox.settings import Settings


def test_a_start_is_not_ready_because_of_what_a_killed_sandbox_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.from_environment({"SANDBOX_DIR": str(tmp_path)})
    settings.outputs_file.write_text("{}")
    ready: list[bool] = []

    def start(arguments: list[str], ready_now: Callable[[], bool]) -> None:
        ready.append(ready_now())

    monkeypatch.setattr(processes, "start", lambda arguments, **options: start(arguments, options["ready"]))

    assert command._start(settings) is None

    assert ready == [False]
