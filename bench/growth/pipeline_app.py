"""Devices and their alerts."""

from __future__ import annotations

from bench import tables
from bench.growth.subject import Aws, Operation, Subject


def subjects(aws: Aws) -> list[Subject]:
    import msgspec

    from chalicelib.device_table import DeviceTable
    from chalicelib.devices import Alert, AlertQuery, Device, DeviceQuery, Devices, Latest, Rule

    client = aws.client("dynamodb")
    names = [tables.create(client, "pipeline-app", resource) for resource in ("Devices", "Alerts")]
    rule = Rule(metric="temperature", unit="C", raise_above=80, clear_below=70)
    devices = Devices(DeviceTable(client, *names), [rule])
    latest = {name: Latest(value=20, unit="C", ts=1_900_000_000_000, seq=1) for name in ("temperature", "outside")}

    def grow(before: int, size: int) -> None:
        states = (Device(device_id=f"pump-{n:05}", metrics=latest, version=1) for n in range(before, size))
        tables.fill(client, names[0], ({**_listed(each), "list": "devices"} for each in states))

    def _listed(device: Device) -> dict[str, object]:
        state = msgspec.json.encode(device).decode()
        return {"device_id": device.device_id, "version": device.version, "state": state}

    def raise_alerts(before: int, size: int) -> None:
        values = {"device_id": "pump-1", "metric": "temperature", "state": "raised", "value": 81.0, "unit": "C"}
        alerts = (Alert(**values, threshold=80, ts=1_900_000_000_000 + n, seq=n) for n in range(before, size))
        items = ({"list": "alerts", "id": a.id, "state": msgspec.json.encode(a).decode()} for a in alerts)
        tables.fill(client, names[1], items)

    page = Operation("a page of 5 devices", lambda: devices.page(DeviceQuery(limit=5)))
    alerts = Operation("a page of 5 alerts", lambda: devices.alerts(AlertQuery(limit=5)))
    return [Subject("devices", grow, (page,)), Subject("alerts", raise_alerts, (alerts,))]
