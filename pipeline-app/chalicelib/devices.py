"""Devices as they are now: the latest reading of each metric, and alerts. Imports no AWS and no HTTP.

Readings are ordered by when they were measured, so a late or repeated reading changes nothing. An alert is raised above
one threshold and cleared below a lower one, so a value that varies around a threshold raises one alert. A value that
swings across both raises many, of which only some send a mail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta, Struct, field

from chalicelib.readings import MAX_DEVICE_ID_LENGTH, Milliseconds, Reading, iso
from common.errors import Conflict, NotFound
from common.pages import Page

FRESH: Milliseconds = 3600 * 1000
"""How old a reading may be on arrival to raise or clear an alert. History raises none."""

MAX_METRICS = 100
"""Metrics of one device. Others are in the reports only."""

_MAX_ATTEMPTS = 5

# Stored. Later fields have defaults: items that are older than a field do not have it.


class Latest(Struct, frozen=True, kw_only=True):
    """The latest reading of a metric."""

    value: float
    unit: str
    ts: Milliseconds
    seq: int
    corrected_at: Milliseconds = 0


class Raised(Struct, frozen=True, kw_only=True):
    """An alert that is not cleared yet: when it was raised, and the value that raised it."""

    raised_at: Milliseconds
    value: float
    threshold: float


class Device(Struct, kw_only=True):
    """The state of a device. *version* counts its changes; *last_seen* is when its last record arrived.

    *mailed* is when the reading arrived that last sent a mail, by metric.
    """

    device_id: str
    last_seen: Milliseconds = 0
    metrics: dict[str, Latest] = field(default_factory=dict)
    alerts: dict[str, Raised] = field(default_factory=dict)
    mailed: dict[str, Milliseconds] = field(default_factory=dict)
    version: int = 0


class Alert(Struct, frozen=True, kw_only=True):
    """An alert that was raised or cleared, by the reading *seq* of the time *ts*. *mail* says whether to mail it."""

    device_id: str
    metric: str
    state: Literal["raised", "cleared"]
    value: float
    unit: str
    threshold: float
    ts: Milliseconds
    seq: int = 0
    mail: bool = True

    @property
    def id(self) -> str:
        """An id that sorts by time, and the alerts of a metric at one time by *seq*."""
        return f"{self.ts:013d} {self.device_id} {self.metric} {self.seq + 2**63:020d}"


class DeviceStore(Protocol):
    """Storage of devices and their alerts: `chalicelib.device_table.DeviceTable`."""

    def read(self, device_ids: Collection[str]) -> Mapping[str, Device]:
        """Return those of the devices that are stored, as of the last write."""

    def write(self, device: Device, alerts: Sequence[Alert]) -> bool:
        """Store the device and its new alerts together. Return False if the stored version is not the one before."""

    def page(self, query: DeviceQuery) -> Page[Device]:
        """Return one page of devices."""

    def alerts(self, query: AlertQuery) -> Page[Alert]:
        """Return one page of alerts."""


# The API


class DeviceQuery(Struct):
    """Which devices to list: those whose id begins with *prefix*, ordered by id."""

    prefix: Annotated[str, Meta(max_length=128)] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


class AlertQuery(Struct):
    """Which alerts to list, newest first."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


class MetricView(Struct):
    """The latest reading of a metric. The time is ISO 8601."""

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
    """A device as the API shows it. Times are ISO 8601."""

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


# The rules


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The thresholds at which a metric raises and clears an alert, in the unit that its readings are stored in.

    A device sends at most one mail about the metric in *minutes_between_mails*, whatever its readings are.
    """

    metric: str
    unit: str
    raise_above: float
    clear_below: float
    minutes_between_mails: Annotated[int, Meta(ge=1)] = 60

    def __post_init__(self) -> None:
        if not self.clear_below < self.raise_above:
            raise ValueError("clear_below: not below raise_above")


class Devices:
    """All devices, and the alerts that *rules* raise."""

    def __init__(self, store: DeviceStore, rules: Iterable[Rule]) -> None:
        self._store = store
        self._rules = {rule.metric: rule for rule in rules}

    def get(self, device_id: str) -> DeviceView:
        """Return the device. Raises NotFound."""
        # The store rejects a key that is longer than 2048 bytes.
        device = self._store.read([device_id]).get(device_id) if len(device_id) <= MAX_DEVICE_ID_LENGTH else None
        if device is None:
            raise NotFound(f"there is no device {device_id[:MAX_DEVICE_ID_LENGTH]!r}")
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

    def read(self, device_ids: Collection[str]) -> Mapping[str, Device]:
        """Return those of the devices that are stored. Pass them to `track`."""
        return self._store.read(device_ids)

    def track(self, device_id: str, readings: Sequence[Reading], stored: Device | None = None) -> None:
        """Bring a device up to date with its *readings*, which may be in any order. Raises Conflict.

        *stored* is the device as `read` returned it, if it did.
        """
        device = stored
        for _ in range(_MAX_ATTEMPTS):
            device = device or Device(device_id=device_id)
            alerts = self._apply(device, readings)
            device.version += 1
            if self._store.write(device, alerts):
                return
            device = self._store.read([device_id]).get(device_id)
        raise Conflict(f"device {device_id!r} is being changed by others; try again")

    def _apply(self, device: Device, readings: Iterable[Reading]) -> list[Alert]:
        """Apply *readings* to *device*, and return the alerts that they raise and clear."""
        alerts = []
        for reading in sorted(readings, key=lambda each: (each.ts, each.seq, each.corrected_at or 0)):
            device.last_seen = max(device.last_seen, reading.arrived_at)
            latest = device.metrics.get(reading.metric)
            corrected_at = reading.corrected_at or 0
            if latest is not None and (
                (latest.ts, latest.seq, latest.corrected_at) >= (reading.ts, reading.seq, corrected_at)
            ):
                continue
            if latest is None and len(device.metrics) >= MAX_METRICS:
                continue
            device.metrics[reading.metric] = Latest(
                value=reading.value, unit=reading.unit, ts=reading.ts, seq=reading.seq, corrected_at=corrected_at
            )
            if reading.arrived_at - reading.ts <= FRESH and (alert := self._check(device, reading)):
                alerts.append(alert)
        return alerts

    def _check(self, device: Device, reading: Reading) -> Alert | None:
        """Return the alert that *reading* raises or clears, if any, and record it in *device*."""
        rule = self._rules.get(reading.metric)
        if rule is None or rule.unit != reading.unit:
            return None
        is_raised = reading.metric in device.alerts
        if not is_raised and reading.value > rule.raise_above:
            device.alerts[reading.metric] = Raised(
                raised_at=reading.ts, value=reading.value, threshold=rule.raise_above
            )
            return _alert(reading, "raised", rule.raise_above, mail=_may_mail(device, reading, rule))
        if is_raised and reading.value < rule.clear_below:
            del device.alerts[reading.metric]
            return _alert(reading, "cleared", rule.clear_below, mail=False)
        return None


def _may_mail(device: Device, reading: Reading, rule: Rule) -> bool:
    """Return whether an alert that *reading* raises may be mailed, and record it in *device* then.

    This goes by the time of arrival, which a device does not choose.
    """
    last = device.mailed.get(reading.metric)
    if last is not None and reading.arrived_at - last < rule.minutes_between_mails * 60_000:
        return False
    device.mailed[reading.metric] = reading.arrived_at
    return True


def _alert(reading: Reading, state: Literal["raised", "cleared"], threshold: float, mail: bool) -> Alert:
    return Alert(
        device_id=reading.device_id,
        metric=reading.metric,
        state=state,
        value=reading.value,
        unit=reading.unit,
        threshold=threshold,
        ts=reading.ts,
        seq=reading.seq,
        mail=mail,
    )


def _view(device: Device) -> DeviceView:
    return DeviceView(
        device.device_id,
        iso(device.last_seen),
        {name: MetricView(each.value, each.unit, iso(each.ts), each.seq) for name, each in device.metrics.items()},
        [RaisedView(name, iso(each.raised_at), each.value, each.threshold) for name, each in device.alerts.items()],
    )
