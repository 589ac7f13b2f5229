"""The contract of every edition index: the one in memory and the table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace
from report_memory import MemoryIndex

from chalicelib.editions import Edition
from chalicelib.pacing import Period, Waiting
from chalicelib.report_table import ReportTable
from common import dynamodb
from common.errors import Conflict, ServiceUnavailable
from common.ids import new_id

TABLE = "pipeline-app-unit-reports"


@pytest.fixture(scope="session")
def table(emulator: str) -> ReportTable:
    dynamodb = boto3.client("dynamodb", endpoint_url=emulator)
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("name", "period")],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}, {"AttributeName": "period", "KeyType": "RANGE"}],
    )
    return ReportTable(dynamodb, TABLE)


@pytest.fixture(params=["memory", "table"])
def index(request: pytest.FixtureRequest) -> Any:
    return MemoryIndex() if request.param == "memory" else request.getfixturevalue("table")


@pytest.fixture
def name() -> str:
    return f"report-{new_id()}"


def edition(name: str, version: str, period: str = "2030-01-01") -> Edition:
    return Edition(
        name=name,
        period=period,
        version=version,
        generated_at=1,
        bytes_scanned=2,
        ms=3,
        visible_at=4,
        newest_event=5,
    )


def test_an_edition_is_published_and_found(index: Any, name: str) -> None:
    assert index.latest(name, "2030-01-01") is None

    assert index.publish(edition(name, "1")) == edition(name, "1")
    assert index.latest(name, "2030-01-01") == edition(name, "1")


def test_a_later_edition_replaces_the_previous_one_and_names_it(index: Any, name: str) -> None:
    index.publish(edition(name, "1"))

    assert index.publish(edition(name, "2")).previous == "1"
    assert index.publish(edition(name, "2")).previous == "1", "published twice"


def test_an_edition_replaces_only_the_one_that_it_is_based_on(index: Any, name: str) -> None:
    first, second = (replace(edition(name, str(n)), base=base) for n, base in ((1, ""), (2, "1")))
    with pytest.raises(Conflict):
        index.publish(second)
    index.publish(first)

    assert index.publish(second) == replace(second, previous="1")
    for base in ("", "1"):
        with pytest.raises(Conflict):
            index.publish(replace(edition(name, "3"), base=base))
    assert index.latest(name, "2030-01-01").version == "2"


def test_an_earlier_edition_changes_nothing(index: Any, name: str) -> None:
    index.publish(edition(name, "2"))

    assert index.publish(edition(name, "1")).version == "2"
    assert index.latest(name, "2030-01-01").version == "2"


def test_periods_are_listed_newest_first(index: Any, name: str) -> None:
    for period in ("2030-01-02", "2029-12-31", "2030-01-01"):
        index.publish(edition(name, "1", period))

    assert index.periods(name) == ["2030-01-02", "2030-01-01", "2029-12-31"]


def test_the_last_run_of_each_report_is_recorded(index: Any, name: str) -> None:
    index.record_last_run(edition(name, "1", "2030-01-02"))
    index.record_last_run(edition(name, "2", "2030-01-01"))

    assert [each for each in index.last_runs() if each.name == name] == [edition(name, "2", "2030-01-01")]


def test_event_days_are_added_to_a_day_of_arrival(index: Any) -> None:
    index.add_arrivals({"2030-01-02": {"2030-01-01"}})

    found = index.add_arrivals({"2030-01-02": {"2029-01-01"}, "2030-01-03": set()})

    assert found == {"2030-01-02": {"2030-01-02", "2030-01-01", "2029-01-01"}, "2030-01-03": {"2030-01-03"}}
    assert index.arrivals("2030-01-03") == {"2030-01-03": {"2030-01-03"}}


def test_processed_objects_are_recorded(index: Any, name: str) -> None:
    keys = {f"{name} {number}" for number in range(130)}
    index.mark_processed(keys)

    assert index.processed([*keys, "other"]) == keys


def test_sizes_of_partitions_add_up(index: Any, name: str) -> None:
    index.add_sizes({(name, "2030-01-01"): 10, (name, "2030-01-02"): 7})
    index.add_sizes({(name, "2030-01-01"): 20})

    found = index.sizes([(name, "2030-01-01"), (name, "2030-01-02"), (name, "2030-01-03")])

    assert found == {(name, "2030-01-01"): 30, (name, "2030-01-02"): 7}


@pytest.fixture
def period() -> Period:
    """A period that no other test uses."""
    return Period("event day", f"2030-01-01 {new_id()}")


def test_what_waits_adds_up_from_the_first_on(index: Any, period: Period) -> None:
    others = [Period("event day", f"{period.day} {number}") for number in range(130)]

    index.add_waiting({period: 10}, now=1)
    index.add_waiting({period: 20} | dict.fromkeys(others, 1), now=2)

    assert index.waiting([period]) == [Waiting(kind="event day", day=period.day, bytes=30, since=1)]
    assert len(index.waiting([*others, period, Period("arrival day", period.day)])) == 131


def test_what_waits_is_replaced_unless_it_has_changed(index: Any, period: Period) -> None:
    index.add_waiting({period: 10}, now=1)
    (read,) = index.waiting([period])
    index.add_waiting({period: 20}, now=2)

    assert not index.replace_waiting(read, read.begun(5))
    (read,) = index.waiting([period])
    assert index.replace_waiting(read, read.begun(5))
    assert not index.replace_waiting(read, read.begun(6))
    index.add_waiting({period: 7}, now=8)

    (stored,) = index.waiting([period])
    assert stored == Waiting(kind="event day", day=period.day, bytes=37, since=1, run_bytes=30, run_at=5)


def test_a_period_whose_run_has_ended_waits_again_from_the_next_object_on(index: Any, period: Period) -> None:
    index.add_waiting({period: 10}, now=1)
    for change in (lambda each: each.begun(5), Waiting.ended):
        (read,) = index.waiting([period])
        assert index.replace_waiting(read, change(read))
    assert index.waiting([period]) == []

    index.add_waiting({period: 3}, now=9)

    assert index.waiting([period]) == [Waiting(kind="event day", day=period.day, bytes=3, since=9, ran_at=5)]


def test_a_processed_object_expires_after_its_notification(emulator: str, name: str) -> None:
    """SQS keeps a notification for at most 14 days."""
    client = boto3.client("dynamodb", endpoint_url=emulator)

    ReportTable(client, TABLE, now=lambda: 1_900_000_000.5).mark_processed([name])

    key = dynamodb.item({"name": "#object", "period": name})
    item = dynamodb.values(client.get_item(TableName=TABLE, Key=key)["Item"])
    assert item["expires_at"] == 1_900_000_000 + 15 * 86_400


class Busy:
    """DynamoDB, where others have published before each of the first *changes* conditional writes."""

    def __init__(self, changes: int) -> None:
        self.changes = changes

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {}

    def put_item(self, **_: Any) -> None:
        self.changes -= 1
        if self.changes >= 0:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem")


def test_an_edition_is_published_in_five_attempts_at_most(name: str) -> None:
    busy: Any = Busy(changes=4)
    assert ReportTable(busy, TABLE).publish(edition(name, "1")) == edition(name, "1")

    busy.changes = 5
    with pytest.raises(Conflict, match=name):
        ReportTable(busy, TABLE).publish(edition(name, "1"))


def test_a_table_that_processes_nothing_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
            return {"Responses": {}, "UnprocessedKeys": RequestItems}

        def batch_write_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
            return {"UnprocessedItems": RequestItems}

    monkeypatch.setattr(dynamodb.time, "sleep", lambda seconds: None)
    full = ReportTable(Full(), TABLE)

    with pytest.raises(ServiceUnavailable):
        full.processed(["key"])
    with pytest.raises(ServiceUnavailable):
        full.mark_processed(["key"])


def test_the_freshness_is_that_of_the_newest_reading_when_it_was_first_visible(index: Any) -> None:
    for event_at, visible_at in ((1, 2), (3, 4), (3, 9), (2, 10)):
        index.record_freshness("devices", event_at, visible_at)
    index.record_freshness("reports", 1, 20)

    assert index.freshness() == {"devices": (3, 4), "reports": (1, 20)}


def test_of_many_editions_at_once_the_latest_wins(table: ReportTable, name: str) -> None:
    def publish(number: int) -> Edition:
        return table.publish(edition(name, f"{number:02d}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, [3, 1, 4, 0, 2]))

    latest = table.latest(name, "2030-01-01")
    assert latest
    assert latest.version == "04"


# Items as the first release wrote them. They must stay readable: a field that is added later needs a default.

FIRST_EDITION = {"version": "1", "generated_at": 1, "bytes_scanned": 2, "ms": 3}


def test_an_edition_without_later_fields_is_read(table: ReportTable, emulator: str, name: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    client.put_item(TableName=TABLE, Item=dynamodb.item({"name": name, "period": "2030-01-01", **FIRST_EDITION}))
    last_run = {"name": "#newest", "period": name, "of": "2030-01-01", **FIRST_EDITION}
    client.put_item(TableName=TABLE, Item=dynamodb.item(last_run))

    edition = Edition(name=name, period="2030-01-01", version="1", generated_at=1, bytes_scanned=2, ms=3)
    assert table.latest(name, "2030-01-01") == edition
    assert edition.visible_at == 0
    assert [each for each in table.last_runs() if each.name == name] == [edition]
    assert table.publish(replace(edition, version="2")).previous == "1"


def test_what_waits_without_later_fields_is_read(table: ReportTable, emulator: str, period: Period) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    first = {"name": "#waiting", "period": "/".join(period), "bytes": 10, "since": 1}
    client.put_item(TableName=TABLE, Item=dynamodb.item(first))

    (read,) = table.waiting([period])

    assert read == Waiting(kind="event day", day=period.day, bytes=10, since=1)
    assert table.replace_waiting(read, read.begun(5))


def test_an_object_without_later_fields_is_processed(table: ReportTable, emulator: str, name: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    client.put_item(TableName=TABLE, Item=dynamodb.item({"name": "#object", "period": name}))

    assert table.processed([name]) == {name}
