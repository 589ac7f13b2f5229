"""A page of `GET /todos?limit=20` of a user with very many todos, beside the page of a user with few."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import boto3

from bench import tables
from bench.emulator import emulator
from bench.row import Row, turns
from sandbox.settings import ROOT

_FEW, _MANY = 100, (1_000, 10_000)
_ROUNDS, _RUNS = 5, 10


def rows() -> Iterator[Row]:
    """Yield the time and the read capacity of a page of all todos, and of the open ones."""
    sys.path.insert(0, str(ROOT / "todo-app"))
    from chalicelib.table import TodoTable
    from chalicelib.todos import TodoQuery

    with emulator():
        client = boto3.client("dynamodb")
        table = tables.create(client, "todo-app", "Todos")
        units: list[float] = []
        client.meta.events.register("before-parameter-build.dynamodb.Query", _ask_for_capacity)
        client.meta.events.register("after-call.dynamodb.Query", lambda parsed, **_: units.append(_units(parsed)))
        store = TodoTable(client, table)

        def measured(owner: int, page: Any) -> tuple[float, float]:
            times = [_milliseconds(store, str(owner), page) for _ in range(_RUNS)]
            return statistics.median(times), units[-1]

        for size in (_FEW, *_MANY):
            _fill(client, table, str(size), size)
        for size, done in product(_MANY, (None, False)):
            many, few = turns(_ROUNDS, *(partial(measured, each, TodoQuery(done=done)) for each in (size, _FEW)))
            what = f"a page of {'open' if done is False else 'all'} todos among {size:,}"
            for unit, here, there in zip(
                ("ms", "read units"), zip(*many, strict=True), zip(*few, strict=True), strict=True
            ):
                yield Row(what, [*here], f"a page among {_FEW}", [*there], unit)


def _fill(client: Any, table: str, owner: str, size: int) -> None:
    """Write *size* todos of *owner*."""
    from chalicelib.todos import new_id

    ids = (new_id() for _ in range(size))
    tables.fill(client, table, ({**tables.TODO, "owner": owner, "id": each, "state": f"open#{each}"} for each in ids))


def _ask_for_capacity(params: dict[str, Any], **_: Any) -> None:
    params["ReturnConsumedCapacity"] = "TOTAL"


def _units(parsed: dict[str, Any]) -> float:
    return float(parsed["ConsumedCapacity"]["CapacityUnits"])


def _milliseconds(store: Any, owner: str, page: Any) -> float:
    started = time.perf_counter()
    store.list(owner, page)
    return (time.perf_counter() - started) * 1000
