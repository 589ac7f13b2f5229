"""The records of a stream after a restart that keeps the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ministack.core import persistence
from ministack.services import dynamodb

from localaws.dynamodb import kept_stream_records

TABLE = "kept-stream-records"


@pytest.fixture
def restarted(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[[], list[Any]]:
    """Return a function that restarts DynamoDB with the state that it saves, and returns the records of a stream."""
    for name in ("get_state", "load_persisted_state", "_stream_records", "_stream_trimmed"):
        monkeypatch.setattr(dynamodb, name, getattr(dynamodb, name))
    monkeypatch.setattr(persistence, "PERSIST_STATE", True)
    monkeypatch.setattr(persistence, "STATE_DIR", str(tmp_path))

    def restarted() -> list[Any]:
        monkeypatch.setattr(dynamodb, "_stream_records", dynamodb.AccountRegionScopedDict())
        dynamodb._stream_records[TABLE] = [{"eventID": "1"}]
        persistence.save_state("dynamodb", dynamodb.get_state())
        monkeypatch.setattr(dynamodb, "_stream_records", dynamodb.AccountRegionScopedDict())
        dynamodb.load_persisted_state(persistence.load_state("dynamodb"))
        return list(dynamodb._stream_records.get(TABLE, []))

    return restarted


def test_the_emulator_loses_the_records_of_streams_in_a_restart(restarted: Callable[[], list[Any]]) -> None:
    assert restarted() == [], "ministack no longer needs localaws/dynamodb/kept_stream_records.py; delete it"


def test_the_records_of_streams_are_there_after_a_restart(restarted: Callable[[], list[Any]]) -> None:
    kept_stream_records.apply()

    assert restarted() == [{"eventID": "1"}]
