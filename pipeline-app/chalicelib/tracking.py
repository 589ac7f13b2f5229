"""Records of the stream by device, so that a batch of a thousand is one change for each device. Knows no AWS."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Protocol

from chalicelib import records
from chalicelib.devices import FRESH, Devices
from chalicelib.readings import BadReading, Milliseconds, Reading, read
from common.events import Group


class FreshnessStore(Protocol):
    """Where it is noted how fresh the devices are."""

    def note_freshness(self, event_at: Milliseconds, visible_at: Milliseconds) -> None:
        """Take note that a reading of the time *event_at* could be seen at *visible_at*."""


class Tracking:
    """Keeps *devices* up to date with the stream."""

    def __init__(self, devices: Devices, freshness: FreshnessStore, now: Callable[[], float] = time.time) -> None:
        self._devices = devices
        self._freshness = freshness
        self._now = now

    def groups(self, event: dict[str, Any]) -> Iterator[Group]:
        """Yield what is to be done for an event of Kinesis, by device. Bad records are left to the cleansing."""
        readings: dict[str, list[Reading]] = defaultdict(list)
        ids: dict[str, list[str]] = defaultdict(list)
        for record, reading in _readings(event["Records"]):
            readings[reading.device_id].append(reading)
            ids[reading.device_id].append(record["kinesis"]["sequenceNumber"])
        known = self._devices.known(readings)
        for device_id, of in readings.items():
            yield Group(ids[device_id], partial(self._devices.track, device_id, of, known.get(device_id)))
        fresh = [r.ts for of in readings.values() for r in of if r.arrived_at - r.ts <= FRESH]
        if fresh:
            self._freshness.note_freshness(max(fresh), int(self._now() * 1000))


def _readings(event: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Reading]]:
    for record in event:
        sent = records.of_kinesis(record)
        try:
            yield record, read(sent.raw, sent.arrived_at, sent.id, sent.thing)
        except BadReading:
            continue
