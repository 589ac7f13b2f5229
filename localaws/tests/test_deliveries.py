"""The history of batches: what is kept of it, and how a control call answers it."""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from dataclasses import asdict
from typing import Any

import pytest

from localaws import control
from localaws.lambda_ import deliveries
from localaws.lambda_.journal import Fate, Step


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_kept", defaultdict(OrderedDict))


def step(batch: str, outcome: str = "succeeded", at: float = 0, mapping: str = "m") -> Step:
    return Step(
        *(batch, mapping, "function", "source", "shard", at, 1, "1", "1", 0.5, 1, 3),
        fate=Fate(outcome),
    )


def shown(**query: str) -> list[dict[str, Any]]:
    request = control.Request({name: [value] for name, value in query.items()}, b"")
    batches: list[dict[str, Any]] = json.loads(deliveries.show(request)[2])["batches"]
    return batches


def test_the_steps_of_a_batch_stay_together_and_the_newest_batch_comes_first() -> None:
    steps = [step("a", "retried", 1), step("b", "succeeded", 2), step("a", "succeeded", 3)]

    deliveries.add(control.Request({}, json.dumps([asdict(each) for each in steps]).encode()))

    first, second = shown()
    assert (first["id"], [each["fate"]["outcome"] for each in first["steps"]]) == ("a", ["retried", "succeeded"])
    assert (second["id"], second["function"], second["steps"][0]["attempts"]) == ("b", "function", 3)


def test_batches_that_succeed_do_not_displace_one_that_failed() -> None:
    deliveries.note(step("failed", "bisected"))
    for number in range(2 * deliveries.KEPT):
        deliveries.note(step(str(number), at=number))

    batches = shown(limit="1000")

    assert len(batches) == deliveries.KEPT + 1
    assert batches[-1]["id"] == "failed"
    assert batches[0]["id"] == str(2 * deliveries.KEPT - 1)


def test_a_batch_that_is_retried_without_end_keeps_its_first_and_last_steps() -> None:
    for number in range(deliveries.STEPS + 40):
        deliveries.note(step("a", "retried", at=number))

    (batch,) = shown()

    times = [each["at"] for each in batch["steps"]]
    assert (len(times), batch["omitted"], times[0], times[-1]) == (deliveries.STEPS, 40, 0, deliveries.STEPS + 39)


def test_a_limit_applies_to_each_mapping() -> None:
    for number in range(5):
        for mapping in "ab":
            deliveries.note(step(f"{mapping}{number}", mapping=mapping, at=number))

    assert {batch["id"] for batch in shown(limit="2")} == {"a3", "a4", "b3", "b4"}
    assert shown(limit="0") == []


def test_a_limit_is_a_number() -> None:
    status, _, body = deliveries.show(control.Request({"limit": ["x"]}, b""))

    assert (status, json.loads(body)) == (400, {"message": "limit=x is not a number"})
