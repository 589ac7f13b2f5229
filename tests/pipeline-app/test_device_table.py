"""The contract of every store of devices: the one in memory and the tables."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from device_memory import MemoryDevices
from msgspec.structs import replace

from chalicelib.device_table import DeviceTable, alert_of
from chalicelib.devices import Alert, AlertQuery, Device, DeviceQuery, Latest
from common import dynamodb
from common.errors import InvalidInput, ServiceUnavailable
from common.ids import new_id

DEVICES, ALERTS = "pipeline-app-unit-devices", "pipeline-app-unit-alerts"


@pytest.fixture(scope="session")
def tables(emulator: str) -> Any:
    """Create the tables and return a client."""
    dynamodb = boto3.client("dynamodb", endpoint_url=emulator)
    dynamodb.create_table(
        TableName=DEVICES,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("device_id", "list")],
        KeySchema=[{"AttributeName": "device_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-name",
                "KeySchema": [
                    {"AttributeName": "list", "KeyType": "HASH"},
                    {"AttributeName": "device_id", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    dynamodb.create_table(
        TableName=ALERTS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("list", "id")],
        KeySchema=[{"AttributeName": "list", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
    )
    return dynamodb


@pytest.fixture(params=["memory", "table"])
def store(request: pytest.FixtureRequest) -> Any:
    if request.param == "memory":
        return MemoryDevices()
    return DeviceTable(request.getfixturevalue("tables"), DEVICES, ALERTS)


def a_device(name: str = "", version: int = 1) -> Device:
    return Device(
        device_id=name or f"pump-{new_id()}",
        last_seen=5,
        metrics={"temperature": Latest(value=0.1 + 0.2, unit="C", ts=3, seq=4)},
        version=version,
    )


def alerts_of(device: Device, count: int = 1) -> list[Alert]:
    now = int(new_id()[:8], 16)
    alert = Alert(
        device_id=device.device_id, metric="temperature", state="raised", value=81, unit="C", threshold=80, ts=0
    )
    return [replace(alert, ts=now * 1000 + number) for number in range(count)]


def test_a_device_is_written_and_read_and_an_unknown_one_is_left_out(store: Any) -> None:
    device = a_device()

    assert store.write(device, [])
    assert store.read([device.device_id, "none"]) == {device.device_id: device}


def test_more_devices_than_one_request_returns_are_read(store: Any) -> None:
    devices = [a_device() for _ in range(130)]
    for device in devices:
        store.write(device, [])

    assert len(store.read([device.device_id for device in devices])) == 130


def test_a_table_that_processes_nothing_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
            return {"Responses": {}, "UnprocessedKeys": RequestItems}

    monkeypatch.setattr(dynamodb.time, "sleep", lambda seconds: None)

    with pytest.raises(ServiceUnavailable):
        DeviceTable(Busy(), DEVICES, ALERTS).read(["pump-1"])


@pytest.mark.parametrize("count", [0, 1])
def test_a_device_is_written_only_from_the_version_before(store: Any, count: int) -> None:
    device = a_device()
    assert store.write(device, alerts_of(device, count))

    assert not store.write(a_device(device.device_id), alerts_of(device, count))
    assert not store.write(a_device(device.device_id, 3), alerts_of(device, count))
    assert store.write(a_device(device.device_id, 2), alerts_of(device, count))
    assert store.read([device.device_id])[device.device_id].version == 2


def test_devices_are_listed_by_name_in_pages_without_gap_or_repeat(store: Any) -> None:
    prefix = new_id()
    for number in range(7):
        store.write(a_device(f"{prefix}-{number}"), [])

    found, cursor = [], None
    while True:
        page = store.page(DeviceQuery(prefix, 3, cursor))
        found.append([device.device_id[-1] for device in page.items])
        if (cursor := page.cursor) is None:
            break

    assert found == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert store.page(DeviceQuery(prefix, 7)).cursor is None, "a last page that is full has no cursor"


def test_alerts_are_listed_newest_first(store: Any) -> None:
    device = a_device()
    alerts = alerts_of(device, 3)
    store.write(device, alerts)

    first = store.alerts(AlertQuery(limit=2))
    second = store.alerts(AlertQuery(limit=2, cursor=first.cursor))

    listed = [alert for alert in [*first.items, *second.items] if alert.device_id == device.device_id]
    assert listed == alerts[::-1]


def test_alerts_of_one_time_are_stored_together_and_once(store: Any) -> None:
    device = a_device()
    (first,) = alerts_of(device)
    alerts = [first, replace(first, state="cleared", seq=1), replace(first, seq=2)]

    assert store.write(device, alerts)
    assert store.write(a_device(device.device_id, 2), alerts)

    listed = [alert for alert in store.alerts(AlertQuery(limit=100)).items if alert.device_id == device.device_id]
    assert listed == alerts[::-1]


def test_of_more_alerts_than_fit_into_a_write_those_to_mail_are_kept(store: Any) -> None:
    device = a_device()
    (first,) = alerts_of(device)
    alerts = [replace(first, seq=seq, mail=seq == 0) for seq in range(200)]

    assert store.write(device, alerts)

    first_page = store.alerts(AlertQuery(limit=100))
    pages = [first_page, *([store.alerts(AlertQuery(100, first_page.cursor))] if first_page.cursor else [])]
    listed = [alert for page in pages for alert in page.items]
    assert alerts[0] in listed
    assert alerts[-1] in listed


@pytest.mark.parametrize(("count", "dropped"), [(90, 0), (91, 1)])
def test_the_last_ninety_alerts_of_a_write_that_need_no_mail_are_kept(tables: Any, count: int, dropped: int) -> None:
    device = a_device()
    (first,) = alerts_of(device)
    alerts = [replace(first, seq=seq, mail=False) for seq in range(count)]
    store = DeviceTable(tables, DEVICES, ALERTS)

    assert store.write(device, alerts)

    listed = [alert for alert in store.alerts(AlertQuery(limit=100)).items if alert.device_id == device.device_id]
    assert listed == alerts[dropped:][::-1]


def test_an_alert_expires_after_ninety_days(tables: Any) -> None:
    device = a_device()
    (alert,) = alerts_of(device)

    DeviceTable(tables, DEVICES, ALERTS, now=lambda: 1_900_000_000.5).write(device, [alert])

    key = dynamodb.item({"list": "alerts", "id": alert.id})
    assert dynamodb.values(tables.get_item(TableName=ALERTS, Key=key)["Item"])["expires_at"] == 1_907_776_000


def test_one_caller_claims_the_mail_of_an_alert_until_it_releases_it(store: Any) -> None:
    device = a_device()
    (alert,) = alerts_of(device)
    assert not store.claim_mail(alert), "it does not exist yet"
    store.write(device, [alert])

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: store.claim_mail(alert), range(8)))
    assert sorted(claims) == [False] * 7 + [True]

    store.release_mail(alert)
    assert store.claim_mail(alert)


def test_an_invalid_cursor_is_rejected(store: Any) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        store.page(DeviceQuery(cursor="%%%"))


def test_more_alerts_than_fit_a_transaction_do_not_stop_a_device(tables: Any) -> None:
    device = a_device()

    assert DeviceTable(tables, DEVICES, ALERTS).write(device, alerts_of(device, 200))


# Items as the first release wrote them. They must stay readable: a field that is added later needs a default.


def test_a_device_without_later_fields_is_read(tables: Any) -> None:
    name = f"pump-{new_id()}"
    state = {
        "device_id": name,
        "metrics": {"temperature": {"value": 81.0, "unit": "C", "ts": 3, "seq": 4}},
        "alerts": {"temperature": {"raised_at": 3, "value": 81.0, "threshold": 80.0}},
    }
    item = {"device_id": name, "list": "devices", "version": 1, "state": json.dumps(state)}
    tables.put_item(TableName=DEVICES, Item=dynamodb.item(item))
    store = DeviceTable(tables, DEVICES, ALERTS)

    device = store.read([name])[name]

    assert (device.metrics["temperature"].value, device.alerts["temperature"].threshold) == (81, 80)
    assert (device.last_seen, device.version) == (0, 0)
    assert device.metrics["temperature"].corrected_at == 0
    assert store.page(DeviceQuery(name)).items == [device]


def test_an_alert_without_later_fields_is_read(tables: Any) -> None:
    alert = {"metric": "temperature", "state": "raised", "value": 81.0, "unit": "C", "threshold": 80.0, "ts": 2**42}
    state = json.dumps(alert | {"device_id": "pump-1"})
    item = dynamodb.item({"list": "alerts", "id": f"{2**42:013d} {new_id()}", "state": state})
    tables.put_item(TableName=ALERTS, Item=item)

    (newest,) = DeviceTable(tables, DEVICES, ALERTS).alerts(AlertQuery(limit=1)).items
    tables.delete_item(TableName=ALERTS, Key={name: item[name] for name in ("list", "id")})

    assert newest == alert_of(item)
    assert (newest.device_id, newest.value, newest.seq) == ("pump-1", 81, 0)
