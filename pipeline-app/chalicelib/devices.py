"""Devices as they are now: the latest reading of each metric, and alerts. Knows no AWS and no HTTP.

A reading counts by when it was measured, so one that comes late or twice changes nothing. An alert is raised above one
threshold and cleared below a lower one, so that a value that trembles about a threshold raises one alert, not many.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta, Struct, field

from chalicelib.readings import LONGEST_DEVICE_ID, Milliseconds, Reading, iso
from common.errors import Conflict, NotFound
from common.pages import Page

FRESH: Milliseconds = 3600 * 1000
"""How old a reading may be when it arrives and still raise or clear an alert: history raises none."""

MOST_METRICS = 100
"""Of one device; more of them are in the reports only."""

_TRIES = 5


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """When a metric raises an alert and when that is cleared, in the unit that readings of it are kept in."""

    metric: str
    unit: str
    raise_above: float
    clear_below: float

    def __post_init__(self) -> None:
        if not self.clear_below < self.raise_above:
            raise ValueError("clear_below: not below raise_above")


class Latest(Struct, frozen=True):
    """The latest reading of a metric."""

    value: float
    unit: str
    ts: Milliseconds
    seq: int


class Raised(Struct, frozen=True):
    """An alert that is not cleared yet: since when, and the value that raised it."""

    raised_at: Milliseconds
    value: float
    threshold: float


class Device(Struct):
    """What is known of a device. ``version`` counts its changes; ``last_seen`` is when its last record arrived."""

    device_id: str
    last_seen: Milliseconds = 0
    metrics: dict[str, Latest] = field(default_factory=dict)
    alerts: dict[str, Raised] = field(default_factory=dict)
    version: int = 0


class Alert(Struct, frozen=True):
    """An alert was raised or cleared, by the reading *seq* of the time *ts*."""

    device_id: str
    metric: str
    state: Literal["raised", "cleared"]
    value: float
    unit: str
    threshold: float
    ts: Milliseconds
    seq: int = 0  # alerts that are older than this field have none

    @property
    def id(self) -> str:
        """Alerts in order of their ids are in order of time, and those of a metric at one time in order of *seq*."""
        return f"{self.ts:013d} {self.device_id} {self.metric} {self.seq + 2**63:020d}"


class DeviceQuery(Struct):
    """Which devices to list: those whose id begins with *prefix*, in order of their ids."""

    prefix: Annotated[str, Meta(max_length=128)] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


class AlertQuery(Struct):
    """Which alerts to list, newest first."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


class DeviceStore(Protocol):
    """Where devices and their alerts are kept."""

    def read(self, device_ids: Collection[str]) -> Mapping[str, Device]:
        """Return the known ones of these devices, as they are after the last write."""

    def write(self, device: Device, alerts: Sequence[Alert]) -> bool:
        """Store the device and its new alerts together; return False if it is not at the version before any more."""

    def page(self, query: DeviceQuery) -> Page[Device]:
        """Return one page of devices."""

    def alerts(self, query: AlertQuery) -> Page[Alert]:
        """Return one page of alerts."""


# What the API says of them.


class MetricView(Struct):
    """The latest reading of a metric; its time is ISO 8601."""

    value: float
    unit: str
    ts: str
    seq: int


class RaisedView(Struct):
    metric: str
    raised_at: str
    value: float
    threshold: float


class DeviceView(Struct):
    """A device as the API shows it; times are ISO 8601."""

    device_id: str
    last_seen: str
    metrics: dict[str, MetricView]
    alerts: list[RaisedView]


class AlertView(Struct):
    """An alert as the API shows it."""

    device_id: str
    metric: str
    state: Literal["raised", "cleared"]
    value: float
    unit: str
    threshold: float
    ts: str


class Devices:
    """All devices, and what *rules* say of their readings."""

    def __init__(self, store: DeviceStore, rules: Iterable[Rule]) -> None:
        self._store = store
        self._rules = {rule.metric: rule for rule in rules}

    def get(self, device_id: str) -> DeviceView:
        """Return the device. Raises NotFound."""
        # A longer one would be more than the store takes for a key.
        device = self._store.read([device_id]).get(device_id) if len(device_id) <= LONGEST_DEVICE_ID else None
        if device is None:
            raise NotFound(f"there is no device {device_id[:LONGEST_DEVICE_ID]!r}")
        return _view(device)

    def page(self, query: DeviceQuery) -> Page[DeviceView]:
        """Return one page of devices."""
        page = self._store.page(query)
        return Page([_view(device) for device in page.items], page.cursor)

    def alerts(self, query: AlertQuery) -> Page[AlertView]:
        """Return one page of alerts, newest first."""
        page = self._store.alerts(query)
        views = [msgspec.convert({**msgspec.to_builtins(a), "ts": iso(a.ts)}, AlertView) for a in page.items]
        return Page(views, page.cursor)

    def known(self, device_ids: Collection[str]) -> Mapping[str, Device]:
        """Return the known ones of these devices, to be handed to `track`."""
        return self._store.read(device_ids)

    def track(self, device_id: str, readings: Sequence[Reading], known: Device | None = None) -> None:
        """Bring a device up to date with readings of its own, in whatever order. Raises Conflict.

        *known* is the device as it was read before, if it was.
        """
        device = known
        for _ in range(_TRIES):
            device = device or Device(device_id)
            alerts = self._apply(device, readings)
            device.version += 1
            if self._store.write(device, alerts):
                return
            device = self._store.read([device_id]).get(device_id)
        raise Conflict(f"device {device_id!r} is being changed by others all the time")

    def _apply(self, device: Device, readings: Iterable[Reading]) -> list[Alert]:
        alerts = []
        for reading in sorted(readings, key=lambda reading: (reading.ts, reading.seq)):
            device.last_seen = max(device.last_seen, reading.arrived_at)
            latest = device.metrics.get(reading.metric)
            if latest is not None and (latest.ts, latest.seq) >= (reading.ts, reading.seq):
                continue
            if latest is None and len(device.metrics) >= MOST_METRICS:
                continue
            device.metrics[reading.metric] = Latest(reading.value, reading.unit, reading.ts, reading.seq)
            if reading.arrived_at - reading.ts <= FRESH and (alert := self._judged(device, reading)):
                alerts.append(alert)
        return alerts

    def _judged(self, device: Device, reading: Reading) -> Alert | None:
        rule = self._rules.get(reading.metric)
        if rule is None or rule.unit != reading.unit:
            return None
        raised = reading.metric in device.alerts
        if not raised and reading.value > rule.raise_above:
            device.alerts[reading.metric] = Raised(reading.ts, reading.value, rule.raise_above)
            return _alert(reading, "raised", rule.raise_above)
        if raised and reading.value < rule.clear_below:
            del device.alerts[reading.metric]
            return _alert(reading, "cleared", rule.clear_below)
        return None


def _alert(reading: Reading, state: Literal["raised", "cleared"], threshold: float) -> Alert:
    return Alert(
        reading.device_id, reading.metric, state, reading.value, reading.unit, threshold, reading.ts, reading.seq
    )


def _view(device: Device) -> DeviceView:
    return DeviceView(
        device.device_id,
        iso(device.last_seen),
        {name: MetricView(each.value, each.unit, iso(each.ts), each.seq) for name, each in device.metrics.items()},
        [RaisedView(name, iso(each.raised_at), each.value, each.threshold) for name, each in device.alerts.items()],
    )
