"""Commands while the home Region is down, and with it STS, which names the account."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from deploy.errors import NoAccount
from sandbox import __main__ as command


@pytest.mark.parametrize(("change", "region"), [("up", "us-east-1"), ("down", "eu-west-1")])
def test_a_region_changes_while_the_home_is_down(monkeypatch: pytest.MonkeyPatch, change: str, region: str) -> None:
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

    assert command._in_running(settings, getattr(command, f"{change}_region"), {"region": region}) is None

    assert changes == [(change, region)]


def test_other_commands_say_in_one_line_that_the_account_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_down(stream: object) -> None:
        raise NoAccount("STS does not answer")

    settings: Any = SimpleNamespace(running=lambda: SimpleNamespace(environment={}))
    monkeypatch.setattr(command, "_say_where", is_down)
    assert command._in_running(settings, command.status, {}) == "STS does not answer"
