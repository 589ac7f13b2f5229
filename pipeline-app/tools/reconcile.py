"""Reconciles the reports with what was sent: `make reconcile READINGS=1000000`.

Every record that goes in must be in a report, a duplicate, or bad. Of the records that this command sends, 3 % are sent
twice, 2 % are not readings, and 5 % of the others are up to two days late, all in random order. It reads the reports
until they account for every record, or until nothing changes any more.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chalicelib.stream_records import key_of
from tools import sender
from tools.progress import Progress
from tools.sender import Entry
from tools.simulated_device import SimulatedDevice, encode, poison

_DUPLICATES, _POISON, _LATE = 0.03, 0.02, 0.05
_DEVICES = 50
_DAY = 86_400
_QUIET = 30
"""Seconds without a reading of another device before the command starts: the counts must be of its own records only."""
_TIMEOUT = 180
"""Seconds without a change in the reports after which the command gives up."""


@dataclass(frozen=True)
class Expected:
    """The records to send, and how many of them must be accepted, duplicates and bad."""

    entries: list[Entry]
    accepted: int
    duplicates: int
    bad: int


def generate(count: int, seed: int, now: float, name: str) -> Expected:
    """Return *count* records in random order, of devices whose ids begin with *name*. *now* is seconds since 1970."""
    chance = random.Random(seed)  # noqa: S311
    devices = [SimulatedDevice(number, seed, name=name) for number in range(_DEVICES)]
    duplicates, bad = round(count * _DUPLICATES), round(count * _POISON)
    accepted = count - duplicates - bad
    good = []
    for number in range(accepted):
        device = devices[number % _DEVICES]
        age = chance.uniform(0, 2 * _DAY) if number < accepted * _LATE else chance.uniform(0, 60)
        good.append(Entry(key_of(device.id), encode(device.reading(now - age))))
    broken = [
        Entry(key_of(device.id), poison(device.reading(now), chance)) for device in chance.choices(devices, k=bad)
    ]
    entries = [*good, *chance.sample(good, duplicates), *broken]
    chance.shuffle(entries)
    return Expected(entries, accepted, duplicates, bad)


class Api:
    """The REST API of the pipeline at *url*."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def last_reading(self) -> float:
        """Return when the last reading of a device became visible, in seconds since 1970; 0 for never."""
        freshness = self._get("/status")["freshness"]["devices"]
        return datetime.fromisoformat(freshness["visible_at"]).timestamp() if freshness else 0

    def quality(self, days: Iterable[date]) -> Counter[str]:
        """Return the counts of the records that arrived on *days*. Bad records are by reason, as ``bad: not_json``."""
        total: Counter[str] = Counter()
        for row in self._rows("quality", days):
            total.update({name: row[name] for name in ("received", "accepted", "duplicates")})
            total.update({f"bad: {reason}": count for reason, count in row["bad"].items()})
        return total

    def reported(self, days: Iterable[date], name: str) -> int:
        """Return the readings in the hourly reports of *days*, of devices whose ids begin with *name*."""
        return sum(row["count"] for row in self._rows("hourly", days) if row["device_id"].startswith(name))

    def _rows(self, name: str, days: Iterable[date]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a report, page by page. Skips days that it has no edition of."""
        for day in days:
            query = {"period": day.isoformat()}
            while True:
                try:
                    page = self._get(f"/reports/{name}?{urllib.parse.urlencode(query)}")
                except urllib.error.HTTPError as error:
                    if error.code != 404:
                        raise
                    break
                yield from page["rows"]
                if not page.get("cursor"):
                    break
                query["cursor"] = page["cursor"]

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._url + path, timeout=30) as answer:
            return json.load(answer)


@dataclass(frozen=True)
class Found:
    """The counts that the reports show."""

    quality: Counter[str]
    reported: int

    @property
    def bad(self) -> int:
        return sum(count for name, count in self.quality.items() if name.startswith("bad: "))

    def matches(self, expected: Expected) -> bool:
        """Return whether every count is exactly as expected."""
        counts = (self.quality["received"], self.quality["accepted"], self.quality["duplicates"], self.bad)
        return self.reported == expected.accepted and counts == (
            len(expected.entries),
            expected.accepted,
            expected.duplicates,
            expected.bad,
        )


class Reconciliation:
    """Compares the reports at *api* with the records of devices whose ids begin with *name*."""

    def __init__(self, api: Api, name: str, sleep: Callable[[float], object] = time.sleep) -> None:
        self._api = api
        self._name = name
        self._sleep = sleep
        today = datetime.now(UTC).date()
        self._days = [today + timedelta(days=number) for number in range(-3, 2)]
        self._before = api.quality(self._days)

    def wait(self, expected: Expected) -> Found:
        """Return what the reports show when it matches, or when it has not changed for a while."""
        latest, since = self._read(), time.monotonic()
        while not latest.matches(expected) and time.monotonic() - since < _TIMEOUT:
            self._sleep(2)
            now = self._read()
            if now != latest:
                latest, since = now, time.monotonic()
        return latest

    def _read(self) -> Found:
        quality = self._api.quality(self._days)
        quality.subtract(self._before)
        return Found(quality, self._api.reported(self._days, self._name))


def wait_until_quiet(api: Api, sleep: Callable[[float], object] = time.sleep) -> bool:
    """Wait until no device sends any more. Return False if some still do after a minute."""
    deadline = time.monotonic() + 2 * _QUIET
    while time.time() - api.last_reading() < _QUIET:
        if time.monotonic() > deadline:
            return False
        sleep(2)
    return True


def summary(expected: Expected, found: Found) -> str:
    """Return a table of the counts that were sent and that the reports show."""
    rows = [
        ("records in", len(expected.entries), found.quality["received"]),
        ("= in the report", expected.accepted, found.reported),
        ("+ duplicates", expected.duplicates, found.quality["duplicates"]),
        ("+ bad", expected.bad, found.bad),
    ]
    lines = [f"{'':24}{'sent':>12}{'in reports':>14}"]
    lines += [f"{name:24}{sent:>12,}{reported:>14,}" for name, sent, reported in rows]
    reasons = [(name, count) for name, count in found.quality.most_common() if name.startswith("bad: ") and count]
    lines += [f"    {name.removeprefix('bad: '):32}{count:>14,}" for name, count in reasons]
    return "\n".join(lines)


def main() -> str | None:
    parser = argparse.ArgumentParser(description="Prove that no reading is lost and none is counted twice.")
    parser.add_argument("api", help="URL of the API")
    parser.add_argument("stream", help="name of the Kinesis stream")
    parser.add_argument("--readings", type=int, default=100_000, help="records to send")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    arguments = parser.parse_args()
    api = Api(arguments.api)
    if not wait_until_quiet(api):
        return (
            "Other devices are sending, so the counts would include theirs. Start the sandbox with: DEVICES=0 make up"
        )
    now = time.time()
    name = f"reconcile-{now:.0f}"
    expected = generate(arguments.readings, arguments.seed, now, name)
    reconciliation = Reconciliation(api, name)
    started = time.monotonic()
    sent = _send(expected, sender.connect(arguments.stream))
    seconds = time.monotonic() - started
    print(f"{sent:,} records sent in {seconds:.1f} s, {sent / seconds:,.0f}/s. Waiting for the reports…\n")
    found = reconciliation.wait(expected)
    print(summary(expected, found))
    if not found.matches(expected):
        return "\nThe reports do not account for every record."
    print(f"\nThe reports account for every record, {time.monotonic() - started:.0f} s after the first was sent.")
    return None


def _send(expected: Expected, to: sender.Sender) -> int:
    progress, sent = Progress(), 0
    for count in to.send(expected.entries):
        sent += count
        progress.show(f"{sent:,} sent")
    progress.end()
    return sent


if __name__ == "__main__":
    sys.exit(main())
