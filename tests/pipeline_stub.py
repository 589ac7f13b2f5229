"""The pipeline's API as the dashboard sees it, in states that are hard to cause in a sandbox."""

from __future__ import annotations

import json
import math
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Route

API = "http://pipeline.test"
FILES = "http://reporting.test"
TITLES = {
    "hourly": "Readings of each hour",
    "quality": "What became of the records that arrived",
    "daily": "Readings of each day",
}
UNITS = {"temperature": "C", "pressure": "Pa", "humidity": "%", "vibration": "mm/s"}


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(days_ago: int = 0) -> str:
    return (datetime.now(UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%d")


class Pipeline:
    """Answers for *devices* devices; every hundredth has an alert. The report ``daily`` is one that no page names."""

    def __init__(self, devices: int, alerts: int = 0, days: int = 8) -> None:
        self.ids = [f"pump-{number:05d}" for number in range(1, devices + 1)]
        self.alerts = [self._alert(number) for number in range(alerts)]
        self.days = [day(ago) for ago in range(days)] if devices else []
        self.bad = {"not_json": 41, "missing_ts": 17, "ts_future": 9, "wrong_value": 5}
        self.lost = 0
        self.down = False
        self.requested: list[str] = []
        self.unchanged = 0

    def answer(self, route: Route) -> None:
        """Answer one request of the page."""
        request = urlsplit(route.request.url)
        self.requested.append(f"{request.path}?{request.query}")
        if self.down:
            route.abort("connectionrefused")
            return
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        body = self._body(request.path, query)
        tag = f'"{hash(json.dumps(body))}"'
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Headers": "If-None-Match",
            "Access-Control-Expose-Headers": "ETag",
            "ETag": tag,
        }
        if body is None:
            route.fulfill(status=404, headers=headers, json={"Code": "NotFound", "Message": "it does not exist"})
        elif route.request.headers.get("if-none-match") == tag:
            self.unchanged += 1
            route.fulfill(status=304, headers=headers)
        else:
            route.fulfill(headers=headers, json=body)

    def _body(self, path: str, query: dict[str, str]) -> Any:
        if path == "/status":
            return self._status()
        if path == "/devices":
            return self._page([i for i in self.ids if i.startswith(query.get("prefix", ""))], query, self._device)
        if path == "/alerts":
            return self._page(self.alerts, query, lambda alert: alert)
        if path == "/reports":
            return {"items": [{"name": n, "title": t, "schedule": "", "periods": self.days} for n, t in TITLES.items()]}
        if found := re.fullmatch(r"/devices/(.+)", path):
            return self._device(found[1]) if found[1] in self.ids else None
        if query.get("period") not in self.days:
            return None
        if path.endswith("/download"):
            return {"url": f"{FILES}{path}"}
        return self._report(path.removeprefix("/reports/"), query)

    def _report(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        rows = {"hourly": self._hours, "quality": self._quality, "daily": self._daily}[name](query)
        limit = int(query.get("limit", len(rows)))
        return {
            "name": name,
            "period": query["period"],
            "generated_at": iso(time.time() - 6),
            "bytes_scanned": 1,
            "rows": rows[:limit],
            "cursor": str(limit) if limit < len(rows) else None,
        }

    def _page(self, items: list[Any], query: dict[str, str], made: Any) -> dict[str, Any]:
        first, limit = int(query.get("cursor", 0)), int(query.get("limit", 50))
        last = first + limit
        return {"items": [made(i) for i in items[first:last]], "cursor": str(last) if last < len(items) else None}

    def _status(self) -> dict[str, Any]:
        now = time.time()
        if not self.ids:
            return {"freshness": {"devices": None, "reports": None}, "reports": []}
        devices = {"event_at": iso(now - 2), "visible_at": iso(now - 1), "seconds": 0.8}
        reports = {"event_at": iso(now - 20), "visible_at": iso(now - 6), "seconds": 14.2}
        run = {"period": self.days[0], "generated_at": iso(now - 6), "bytes_scanned": 48_213, "ms": 412}
        return {
            "freshness": {"devices": devices, "reports": reports},
            "reports": [{"name": name, **run} for name in TITLES],
        }

    def _device(self, device_id: str) -> dict[str, Any]:
        now, number = math.floor(time.time()), int(device_id[-5:])
        values = {"temperature": 46.2, "pressure": 101_325.0, "humidity": 52.0, "vibration": 2.41}
        metrics = {
            name: {
                "value": value * (1 + 0.02 * math.sin(now / 9 + number)),
                "unit": UNITS[name],
                "ts": iso(now),
                "seq": 1,
            }
            for name, value in values.items()
        }
        alert = {"metric": "temperature", "raised_at": iso(now - 60), "value": 84.0, "threshold": 80}
        alerts = [alert] if number % 100 == 3 else []
        return {"device_id": device_id, "last_seen": iso(now), "metrics": metrics, "alerts": alerts}

    def _hours(self, query: dict[str, str]) -> list[dict[str, Any]]:
        last = 24 if query["period"] != self.days[0] else datetime.now(UTC).hour + 1
        rows = []
        for hour in range(last):
            mean = 45 + 5 * math.sin((hour - 9) / 24 * 2 * math.pi)
            row = {
                "device_id": query.get("device_id", self.ids[0]),
                "metric": "temperature",
                "hour": f"{query['period']}T{hour:02d}:00:00Z",
            }
            rows.append({**row, "count": 720, "min": mean - 2, "max": mean + 3, "avg": mean})
        return rows

    def _daily(self, query: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {
                "device_id": device_id,
                "count": 17_280 - number,
                "mean": 45.25,
                "first": f"{query['period']}T00:00:05Z",
                "is_complete": number > 0,
                "note": None if number else "<b>new</b>",
            }
            for number, device_id in enumerate(self.ids)
        ]

    def _quality(self, query: dict[str, str]) -> list[dict[str, Any]]:
        accepted, duplicates = 96_412, 2_950
        received = accepted + duplicates + sum(self.bad.values()) + self.lost
        return [{"received": received, "accepted": accepted, "duplicates": duplicates, "bad": self.bad}]

    def _alert(self, number: int) -> dict[str, Any]:
        state = "cleared" if number % 2 else "raised"
        value, threshold = (74.1, 75) if number % 2 else (81.3, 80)
        alert = {"device_id": f"pump-{number + 1:05d}", "metric": "temperature", "state": state, "unit": "C"}
        return {**alert, "value": value, "threshold": threshold, "ts": iso(time.time() - 40 * (number + 1))}
