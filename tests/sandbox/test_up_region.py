"""`make up-region` brings back the Region in which STS, which names the account, is down."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sandbox import __main__ as command


def test_a_region_comes_back_without_an_answer_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    changes: list[tuple[str, ...]] = []
    aws = SimpleNamespace(endpoint="http://localhost", regions=("us-east-1", "eu-west-1"))
    running: Any = SimpleNamespace(environment={}, aws=aws)
    settings: Any = SimpleNamespace(running=lambda: running)

    def turned(endpoint: str, *change: str) -> list[str]:
        changes.append(change)
        return []

    def is_down(stream: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(command, "_say_where", is_down)
    monkeypatch.setattr(command.regions, "turned", turned)

    assert command._in_running(settings, command.up_region, {"region": "us-east-1"}) is None

    assert changes == [("up", "us-east-1")]
