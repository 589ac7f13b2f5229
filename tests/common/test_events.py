"""Batches of records: what is handled, what fails, and what the log says of it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from chalice.app import Chalice

from common.events import each_group
from common.groups import Group


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Chalice:
    monkeypatch.setenv("PARTIAL_BATCH", "1")
    app = Chalice("batches", configure_logs=False)
    app.log.setLevel(logging.INFO)
    return app


def group(name: str, fails: bool = False) -> Group:
    def handle() -> None:
        if fails:
            raise ValueError(name)

    return Group([f"{name}1", f"{name}2"], handle)


@pytest.mark.parametrize(("in_order", "handled"), [(False, 3), (True, 2)])
def test_the_log_counts_the_groups_and_names_the_first_record_of_one_that_failed(
    app: Chalice, caplog: pytest.LogCaptureFixture, in_order: bool, handled: int
) -> None:
    said: list[list[str]] = []
    tell: Callable[..., None] = lambda ids: said.append(list(ids))  # noqa: E731

    answer = each_group(app, [group("a"), group("b", fails=True), group("c")], tell, in_order=in_order)

    assert [failed["itemIdentifier"] for failed in answer["batchItemFailures"]] == ["b1", "b2"]
    assert said == [["b1", "b2"]]
    failure, summary = (vars(record) for record in caplog.records)
    assert (failure["first_id"], failure["records"], failure["reason"]) == ("b1", 2, "b")
    assert (summary["groups"], summary["failed_groups"]) == (handled, 1)
