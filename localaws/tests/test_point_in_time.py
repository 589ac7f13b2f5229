"""What a table that is restored to a point in time has, and which times are refused."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
from ministack.services import dynamodb

from localaws.dynamodb import point_in_time

PATCHED = (
    "_set_item",
    "_remove_item",
    "_update_continuous_backups",
    "_describe_continuous_backups",
    "_restore_table_to_point_in_time",
)
numbers = itertools.count(1)


class Table:
    """A table with point-in-time recovery, whose clock stands still until it is turned."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.name, self.now = f"recovered-{next(numbers)}", time.time()
        patch.setattr(time, "time", lambda: self.now)
        keys = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
        types = {"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
        self.call("_create_table", BillingMode="PAY_PER_REQUEST", **keys, **types)
        dynamodb._tables[self.name]["TableStatus"] = "ACTIVE"
        self.recover(True)

    def call(self, operation: str, **request: Any) -> Any:
        status, _, body = getattr(dynamodb, operation)({"TableName": self.name, **request})
        answer = json.loads(body)
        return answer if status == 200 else answer["__type"].rpartition("#")[2]

    def recover(self, enabled: bool) -> None:
        specification = {"PointInTimeRecoveryEnabled": enabled}
        self.call("_update_continuous_backups", PointInTimeRecoverySpecification=specification)

    def put(self, key: str, value: str) -> None:
        self.call("_put_item", Item={"id": {"S": key}, "value": {"S": value}})

    def remove(self, key: str) -> None:
        self.call("_delete_item", Key={"id": {"S": key}})

    def restored(self, at: float) -> Any:
        """Return by key the values of a table that is restored to a time, or the name of the error."""
        target = f"{self.name}-{next(numbers)}"
        answer = self.call(
            "_restore_table_to_point_in_time", SourceTableName=self.name, TargetTableName=target, RestoreDateTime=at
        )
        if isinstance(answer, str):
            return answer
        items = [item for items in dynamodb._tables[target]["items"].values() for item in items.values()]
        assert dynamodb._tables[target]["ItemCount"] == len(items)
        return {item["id"]["S"]: item["value"]["S"] for item in items}


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A monkeypatch that takes back what the module patches."""
    for name in PATCHED:
        monkeypatch.setattr(dynamodb, name, getattr(dynamodb, name))
    return monkeypatch


@pytest.fixture
def table(patch: pytest.MonkeyPatch) -> Table:
    point_in_time.apply()
    return Table(patch)


def test_the_emulator_restores_what_is_there_now(patch: pytest.MonkeyPatch) -> None:
    table = Table(patch)
    table.put("one", "first")
    at = table.now
    table.now += 1000
    table.remove("one")

    assert table.restored(at + 1) == {}, "ministack no longer needs localaws/dynamodb/point_in_time.py; delete it"


def test_a_table_is_restored_as_it_was(table: Table) -> None:
    table.put("changed", "first")
    table.put("removed", "first")
    at = table.now + 1
    table.now += 10
    table.put("changed", "second")
    table.put("changed", "third")
    table.remove("removed")
    table.put("new", "first")
    table.now += 1000

    assert table.restored(at) == {"changed": "first", "removed": "first"}
    assert table.restored(table.now - 500) == {"changed": "third", "new": "first"}


def test_the_last_minutes_and_times_before_the_history_are_refused(table: Table) -> None:
    began = table.now
    table.now += 1000

    assert table.restored(began - 1) == "InvalidRestoreTimeException"
    assert table.restored(table.now - 299) == "InvalidRestoreTimeException"
    assert table.restored(table.now - 300) == {}


def test_a_table_describes_the_times_that_can_be_restored(table: Table) -> None:
    began = table.now
    table.now += 1000

    described = table.call("_describe_continuous_backups")["ContinuousBackupsDescription"]
    times = described["PointInTimeRecoveryDescription"]
    assert (times["EarliestRestorableDateTime"], times["LatestRestorableDateTime"]) == (began, table.now - 300)


def test_a_table_without_recovery_is_not_restored(table: Table) -> None:
    table.now += 1000
    table.recover(False)

    assert table.restored(table.now - 500) == "PointInTimeRecoveryUnavailableException"


def test_recovery_begins_when_it_is_enabled(table: Table) -> None:
    began = table.now
    table.recover(False)
    table.now += 1000
    table.recover(True)
    table.now += 1000

    assert table.restored(began + 500) == "InvalidRestoreTimeException"
    assert table.restored(began + 1001) == {}


def test_the_oldest_changes_are_dropped(table: Table, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(point_in_time, "KEPT", 2)
    began = table.now
    for number in range(4):
        table.now += 1000
        table.put("one", str(number))
    table.now += 1000

    assert table.restored(began + 1500) == "InvalidRestoreTimeException"
    assert table.restored(began + 2500) == {"one": "1"}
