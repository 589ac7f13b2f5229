"""An expired shard iterator is refused, and calls to Kinesis do not look at iterators that have not expired."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ministack.services import kinesis

from localaws.kinesis import shard_iterators


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The iterators whose age was read. Six exist: three have expired."""
    looked_at: list[str] = []

    class State(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            looked_at.append(super().__getitem__("token"))
            return super().__getitem__(name)

    iterators = kinesis.AccountRegionScopedDict()
    for minutes in (9, 7, 6, 4, 2, 0):
        token = f"{minutes} minutes"
        iterators[token] = State(
            token=token, created_at=time.time() - 60 * minutes, stream="s", shard_id="a", position=0
        )
    monkeypatch.setattr(kinesis, "_shard_iterators", iterators)
    monkeypatch.setattr(kinesis, "_expire_iterators", kinesis._expire_iterators)
    return looked_at


def test_the_emulator_looks_at_each_iterator(looked_at: list[str]) -> None:
    kinesis._expire_iterators()

    assert len(looked_at) == 6, "ministack no longer needs localaws/kinesis/shard_iterators.py; delete it"


def test_only_expired_iterators_are_deleted_and_the_rest_is_not_looked_at(looked_at: list[str]) -> None:
    shard_iterators.apply()

    kinesis._expire_iterators()

    assert looked_at == ["9 minutes", "7 minutes", "6 minutes", "4 minutes"]
    assert kinesis._shard_iterators.keys() == ["4 minutes", "2 minutes", "0 minutes"]


@pytest.mark.parametrize(("minutes", "error"), [(6, b"ExpiredIteratorException"), (4, b"Records")])
@pytest.mark.usefixtures("looked_at")
def test_an_expired_iterator_is_refused(minutes: int, error: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = kinesis.AccountRegionScopedDict()
    streams["s"] = {"RetentionPeriodHours": 24, "shards": {"a": {"records": []}}}
    monkeypatch.setattr(kinesis, "_streams", streams)
    shard_iterators.apply()

    kinesis._expire_iterators()
    _, _, body = kinesis._get_records({"ShardIterator": f"{minutes} minutes"})

    assert error in body
