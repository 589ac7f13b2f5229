"""The cost of `GET /todos?limit=20` for a user with few todos and for a user with very many."""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import boto3

from bench import tables
from bench.emulator import emulator
from sandbox.settings import ROOT

_SIZES = (10, 1_000, 100_000)
_RUNS = 50


def run() -> None:
    """Print read capacity and time of a page for each number of todos, and the ratio to the time of the smallest."""
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
        few: dict[bool | None, float] = {}
        for size in _SIZES:
            _fill(client, table, str(size), size)
            for done in (None, False):
                page = TodoQuery(done=done)
                spent = statistics.median(_milliseconds(store, str(size), page) for _ in range(_RUNS))
                ratio = spent / few.setdefault(done, spent)
                name = "open" if page.done is False else "all"
                print(
                    f"a page of {name:4} of {size:7} todos {units[-1]:6.1f} units {spent:6.1f} ms   ratio {ratio:.2f}"
                )


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
