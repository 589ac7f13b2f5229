"""Reading many items at once, of which DynamoDB may leave some for later."""

from __future__ import annotations

from typing import Any

import pytest

from common import dynamodb
from common.errors import ServiceUnavailable


class Table:
    """Answers with at most *at_once* items of those asked for."""

    def __init__(self, at_once: int) -> None:
        self.at_once, self.asked = at_once, 0

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        ((table, request),) = RequestItems.items()
        keys, left = request["Keys"][: self.at_once], request["Keys"][self.at_once :]
        later = {table: request | {"Keys": left}} if left else {}
        return {"Responses": {table: keys}, "UnprocessedKeys": later}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb.time, "sleep", lambda seconds: None)


def test_what_was_left_is_asked_for_again() -> None:
    keys = [{"id": str(n)} for n in range(7)]

    assert list(dynamodb.get_all(Table(3), "table", keys)) == keys


def test_no_keys_are_no_request() -> None:
    table = Table(1)

    assert list(dynamodb.get_all(table, "table", [])) == []
    assert table.asked == 0


def test_a_table_that_never_answers_in_full_is_busy() -> None:
    with pytest.raises(ServiceUnavailable):
        list(dynamodb.get_all(Table(0), "table", [{"id": "1"}]))
