"""Batch reads and writes, of which DynamoDB may return some unprocessed, and numbers, which it has of one type only."""

from __future__ import annotations

import sys
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs

from common import dynamodb
from common.errors import ServiceUnavailable


class Table:
    """Reads and stores at most *at_once* items of a request."""

    def __init__(self, at_once: int) -> None:
        self.at_once, self.requested = at_once, 0
        self.stored: list[dict[str, Any]] = []

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self.requested += 1
        ((table, request),) = RequestItems.items()
        keys, left = request["Keys"][: self.at_once], request["Keys"][self.at_once :]
        later = {table: request | {"Keys": left}} if left else {}
        return {"Responses": {table: keys}, "UnprocessedKeys": later}

    def batch_write_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self.requested += 1
        ((table, requests),) = RequestItems.items()
        self.stored += [dynamodb.values(each["PutRequest"]["Item"]) for each in requests[: self.at_once]]
        left = requests[self.at_once :]
        return {"UnprocessedItems": {table: left} if left else {}}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, recorded instead of waited for."""
    pauses: list[float] = []
    monkeypatch.setattr(dynamodb.time, "sleep", pauses.append)
    return pauses


def test_unprocessed_keys_are_requested_again() -> None:
    keys = [{"id": str(n)} for n in range(7)]

    assert list(dynamodb.get_all(Table(3), "table", keys)) == keys


def test_without_keys_there_is_no_request() -> None:
    table = Table(1)

    assert list(dynamodb.get_all(table, "table", [])) == []
    assert table.requested == 0


def test_a_table_that_never_returns_all_items_is_unavailable() -> None:
    with pytest.raises(ServiceUnavailable):
        list(dynamodb.get_all(Table(0), "table", [{"id": "1"}]))


def test_unprocessed_items_are_stored_after_a_pause(pauses: list[float]) -> None:
    table, items = Table(3), [{"id": str(n)} for n in range(7)]

    dynamodb.put_all(table, "table", items)

    assert table.stored == items
    assert (table.requested, len(pauses)) == (3, 2)


def test_without_items_there_is_no_request() -> None:
    table = Table(1)

    dynamodb.put_all(table, "table", [])

    assert table.requested == 0


def test_a_table_that_never_stores_all_items_is_unavailable(pauses: list[float]) -> None:
    table = Table(0)

    with pytest.raises(ServiceUnavailable):
        dynamodb.put_all(table, "table", [{"id": "1"}])

    assert (table.requested, len(pauses)) == (5, 4)


def test_the_last_attempt_can_succeed(pauses: list[float]) -> None:
    keys = [{"id": str(n)} for n in range(5)]

    assert list(dynamodb.get_all(Table(1), "table", keys)) == keys
    assert len(pauses) == 4


class Measured(Struct):
    quantity: int
    weight: float
    price: Decimal
    left: int | None = None
    sizes: list[float] = []


numbers = st.floats(min_value=-1e100, max_value=1e100).filter(lambda number: not 0 < abs(number) < 1e-100)


@given(
    st.builds(
        Measured,
        quantity=st.integers(-(10**30), 10**30),
        weight=numbers,
        price=st.decimals(min_value=-(10**20), max_value=10**20, places=10),
        left=st.none() | st.integers(0, 100),
        sizes=st.lists(numbers, max_size=3),
    )
)
def test_a_number_is_read_as_the_type_of_its_field(measured: Measured) -> None:
    assert dynamodb.read(dynamodb.item(structs.asdict(measured)), Measured) == measured


def test_the_pauses_between_the_attempts_double(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    monkeypatch.setattr(dynamodb.random, "uniform", lambda shortest, longest: shortest + longest)

    dynamodb.put_all(Table(1), "table", [{"id": str(n)} for n in range(5)])

    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8])


@pytest.mark.parametrize(
    ("version", "number"), [("0", 0), ("9" * 15, 999_999_999_999_999), ("9" * 16, -1), ("-1", -1), ("x", -1)]
)
def test_a_version_that_no_item_can_have_matches_none(version: str, number: int) -> None:
    assert dynamodb.version_condition("id", [version])[1] == {":version0": number}
    assert dynamodb.version_condition("id", [])[1] == {":version0": -1}


def test_a_cluster_has_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(AmazonDaxClient=lambda endpoint_url: SimpleNamespace(endpoint=endpoint_url))
    monkeypatch.setitem(sys.modules, "amazondax", module)

    client = dynamodb.client("dax://cluster-of-a-test")

    assert client.endpoint == "dax://cluster-of-a-test"
    assert dynamodb.client("dax://cluster-of-a-test") is client
