"""Devices and alerts in memory."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence

from chalicelib.devices import Alert, AlertQuery, Device, DeviceQuery
from common import pages
from common.pages import Page


class MemoryDevices:
    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.raised: dict[str, Alert] = {}
        self.mailed: set[str] = set()
        self.writes = 0

    def read(self, device_ids: Collection[str]) -> dict[str, Device]:
        return {each: copy.deepcopy(self.devices[each]) for each in device_ids if each in self.devices}

    def write(self, device: Device, alerts: Sequence[Alert]) -> bool:
        stored = self.devices.get(device.device_id)
        if (stored.version if stored else 0) != device.version - 1:
            return False
        self.writes += 1
        self.devices[device.device_id] = copy.deepcopy(device)
        self.raised |= {alert.id: alert for alert in alerts}
        return True

    def page(self, query: DeviceQuery) -> Page[Device]:
        after = pages.position(query.cursor) if query.cursor else ""
        names = sorted(name for name in self.devices if name.startswith(query.prefix) and name > after)
        page = names[: query.limit]
        more = len(names) > len(page)
        return Page([self.devices[name] for name in page], pages.cursor(page[-1]) if more else None)

    def alerts(self, query: AlertQuery) -> Page[Alert]:
        ids = sorted(self.raised, reverse=True)
        if query.cursor:
            ids = [each for each in ids if each < pages.position(query.cursor)]
        page = ids[: query.limit]
        more = len(ids) > len(page)
        return Page([self.raised[each] for each in page], pages.cursor(page[-1]) if more else None)

    def claim_mail(self, alert: Alert) -> bool:
        if alert.id not in self.raised or alert.id in self.mailed:
            return False
        self.mailed.add(alert.id)
        return True

    def release_mail(self, alert: Alert) -> None:
        self.mailed.discard(alert.id)
