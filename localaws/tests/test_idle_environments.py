"""Lambda ends the execution environments that are idle: the number of processes is that of the functions in use."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from localaws.lambda_ import idle_environments

LONG_AGO = idle_environments.IDLE_SECONDS + 60


def environment(name: str, idle: float, in_use: bool = False) -> Any:
    return SimpleNamespace(name=name, in_use=in_use, last_used=time.time() - idle, config={})


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the environments that were ended, of three functions."""
    ended: list[str] = []
    pools = {
        "a": [environment("idle", LONG_AGO), environment("idle too", LONG_AGO)],
        "b": [environment("at work", LONG_AGO, in_use=True)],
        "c": [environment("used a minute ago", 60)],
    }
    monkeypatch.setattr(lambda_runtime, "_workers", pools)
    monkeypatch.setattr(lambda_runtime, "kill_workers", lambda workers: ended.extend(each.name for each in workers))
    for module in (lambda_runtime, lambda_svc):
        monkeypatch.setattr(module, "reap_idle_workers", lambda_runtime.reap_idle_workers)
    return ended


def test_the_emulator_keeps_the_first_environment(ended: list[str]) -> None:
    lambda_svc.reap_idle_workers(LONG_AGO - 1)

    assert ended == ["idle too"], "ministack no longer needs localaws/lambda_/idle_environments.py; delete it"


def test_an_idle_environment_ends_and_one_in_use_or_used_lately_stays(ended: list[str]) -> None:
    idle_environments.apply()

    lambda_svc.reap_idle_workers(LONG_AGO - 1)

    assert ended == ["idle too", "idle"]
    assert list(lambda_runtime._workers) == ["b", "c"]
