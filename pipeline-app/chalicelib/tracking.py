"""Tracks devices from batches of the stream: one change for each device in a batch. Imports no AWS and no HTTP."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from chalicelib.devices import FRESH, Devices
from chalicelib.readings import BadReading, Milliseconds, Reading, read
from chalicelib.stream_records import from_kinesis
from common.groups import Group


class FreshnessStore(Protocol):
    """Storage of the freshness of the devices: `chalicelib.report_table.ReportTable`."""

    def record_freshness(self, of: str, event_at: Milliseconds, visible_at: Milliseconds) -> None:
        """Record that a reading of the time *event_at* became visible at *visible_at*, if none is newer."""


class Tracking:
    """Keeps *devices* up to date with the stream."""

    def __init__(self, devices: Devices, freshness: FreshnessStore, now: Callable[[], float] = time.time) -> None:
        self._devices = devices
        self._freshness = freshness
        self._now = now

    def groups(self, event: dict[str, Any]) -> Iterator[Group]:
        """Yield the work of a Kinesis event, one group for each device. Skips bad records: `cleansing` keeps them."""
        readings: dict[str, list[Reading]] = defaultdict(list)
        ids: dict[str, list[str]] = defaultdict(list)
        for record, reading in _readings(event["Records"]):
            readings[reading.device_id].append(reading)
            ids[reading.device_id].append(record["kinesis"]["sequenceNumber"])
        stored = self._devices.read(readings)
        for device_id, device_readings in readings.items():
            yield Group(ids[device_id], partial(self._devices.track, device_id, device_readings, stored.get(device_id)))
        arrived = [each for device_readings in readings.values() for each in device_readings]
        # A clock may be ahead, but nothing is measured after it arrives.
        fresh = [min(each.ts, each.arrived_at) for each in arrived if each.arrived_at - each.ts <= FRESH]
        if fresh:
            self._freshness.record_freshness("devices", max(fresh), int(self._now() * 1000))


def _readings(records: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Reading]]:
    for item in records:
        for record in from_kinesis(item):
            with suppress(BadReading):
                yield item, read(record.raw, record.arrived_at, record.id, record.thing)
