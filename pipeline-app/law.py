"""Proves the law of the pipeline: what goes in is in the report, or a duplicate, or bad. `make law READINGS=1000000`.

Of the records that are sent, 3 % are sent twice, 2 % are no readings, and 5 % of the others are late by up to two days;
all of them are shuffled. The reports are asked until they have all of it, or until nothing more comes. `quality` counts
each bad record that is kept, by its reason.
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

import stream
from progress import Progress
from simulation import Device, encoded, poison

_DUPLICATES, _POISON, _LATE = 0.03, 0.02, 0.05
_DEVICES = 50
_DAY = 86_400
_QUIET = 30
"""Seconds since a device was last heard of, for the counts to be of this run alone."""
_PATIENCE = 180
"""Seconds without any news in the reports after which no more of them is expected."""


@dataclass(frozen=True)
class Sent:
    """What was sent, and what has to become of it."""

    records: list[stream.Record]
    accepted: int
    duplicates: int
    bad: int


def readings(count: int, seed: int, now: float, name: str) -> Sent:
    """Return *count* records, of devices whose ids begin with *name*, in an order of chance."""
    chance = random.Random(seed)  # noqa: S311
    devices = [Device(number, seed, name=name) for number in range(_DEVICES)]
    duplicates, bad = round(count * _DUPLICATES), round(count * _POISON)
    accepted = count - duplicates - bad
    good = []
    for number in range(accepted):
        device = devices[number % _DEVICES]
        ago = chance.uniform(0, 2 * _DAY) if number < accepted * _LATE else chance.uniform(0, 60)
        good.append(stream.Record(device.id, encoded(device.reading(now - ago))))
    broken = [
        stream.Record(device.id, poison(device.reading(now), chance)) for device in chance.choices(devices, k=bad)
    ]
    records = [*good, *chance.sample(good, duplicates), *broken]
    chance.shuffle(records)
    return Sent(records, accepted, duplicates, bad)


class Api:
    """The REST API of the pipeline at *url*."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def last_heard(self) -> float:
        """Return when a device was last heard of, in seconds since 1970; 0 for never."""
        heard = self._get("/status")["freshness"]["devices"]
        return datetime.fromisoformat(heard["visible_at"]).timestamp() if heard else 0

    def quality(self, days: Iterable[date]) -> Counter[str]:
        """Return what arrived on *days* by what became of it; bad records by reason, as ``bad: not_json``."""
        total: Counter[str] = Counter()
        for row in self._rows("quality", days):
            total.update({name: row[name] for name in ("received", "accepted", "duplicates")})
            total.update({f"bad: {reason}": count for reason, count in row["bad"].items()})
        return total

    def reported(self, days: Iterable[date], name: str) -> int:
        """Return how many readings the hourly reports of *days* count, of devices whose ids begin with *name*."""
        return sum(row["count"] for row in self._rows("hourly", days) if row["device_id"].startswith(name))

    def _rows(self, name: str, days: Iterable[date]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a report, page by page; none for a day of which it is not made."""
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
    """What the reports say of a run."""

    quality: Counter[str]
    reported: int

    @property
    def bad(self) -> int:
        return sum(count for name, count in self.quality.items() if name.startswith("bad: "))

    def holds(self, sent: Sent) -> bool:
        """Return whether the law holds, exactly and in each part."""
        counts = (self.quality["received"], self.quality["accepted"], self.quality["duplicates"], self.bad)
        return (
            counts == (len(sent.records), sent.accepted, sent.duplicates, sent.bad) and self.reported == sent.accepted
        )


class Run:
    """One proof, at *api*, by devices whose ids begin with *name*."""

    def __init__(self, api: Api, name: str, pause: Callable[[float], object] = time.sleep) -> None:
        self._api = api
        self._name = name
        self._pause = pause
        today = datetime.now(UTC).date()
        self._days = [today + timedelta(days=number) for number in range(-3, 2)]
        self._before = api.quality(self._days)

    def found(self, sent: Sent) -> Found:
        """Ask the reports until the law holds, or nothing more comes, and return what they say."""
        latest, since = self._look(), time.monotonic()
        while not latest.holds(sent) and time.monotonic() - since < _PATIENCE:
            self._pause(2)
            now = self._look()
            if now != latest:
                latest, since = now, time.monotonic()
        return latest

    def _look(self) -> Found:
        quality = self._api.quality(self._days)
        quality.subtract(self._before)
        return Found(quality, self._api.reported(self._days, self._name))


def is_quiet(api: Api, pause: Callable[[float], object] = time.sleep) -> bool:
    """Wait until nothing is sent any more; return False if that does not come."""
    until = time.monotonic() + 2 * _QUIET
    while time.time() - api.last_heard() < _QUIET:
        if time.monotonic() > until:
            return False
        pause(2)
    return True


def told(sent: Sent, found: Found) -> str:
    """Return the law as a table: what was sent, and what the reports say."""
    rows = [
        ("records in", len(sent.records), found.quality["received"]),
        ("= in the report", sent.accepted, found.reported),
        ("+ duplicates", sent.duplicates, found.quality["duplicates"]),
        ("+ bad", sent.bad, found.bad),
    ]
    lines = [f"{'':24}{'sent':>12}{'reports say':>14}"]
    lines += [f"{name:24}{wanted:>12,}{said:>14,}" for name, wanted, said in rows]
    reasons = [(name, count) for name, count in found.quality.most_common() if name.startswith("bad: ") and count]
    lines += [f"    {name.removeprefix('bad: '):32}{count:>14,}" for name, count in reasons]
    return "\n".join(lines)


def main() -> str | None:
    parser = argparse.ArgumentParser(description="Prove that no reading is lost and none counted twice.")
    parser.add_argument("api", help="address of the API")
    parser.add_argument("stream", help="name of the Kinesis stream")
    parser.add_argument("--readings", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    api = Api(arguments.api)
    if not is_quiet(api):
        return "Other devices are sending, so the counts are not ours alone. Start the sandbox by: DEVICES=0 make up"
    now = time.time()
    name = f"law-{now:.0f}"
    sent = readings(arguments.readings, arguments.seed, now, name)
    run = Run(api, name)
    began = time.monotonic()
    done = _send(sent, stream.connect(arguments.stream))
    seconds = time.monotonic() - began
    print(f"{done:,} records sent in {seconds:.1f} s, {done / seconds:,.0f}/s. Waiting for the reports…\n")
    found = run.found(sent)
    print(told(sent, found))
    if not found.holds(sent):
        return "\nThe law does not hold."
    print(f"\nThe law holds, exactly, {time.monotonic() - began:.0f} s after the first record.")
    return None


def _send(sent: Sent, to: stream.Stream) -> int:
    progress, done = Progress(), 0
    for count in to.send(sent.records):
        done += count
        progress.show(f"{done:,} sent")
    progress.end()
    return done


if __name__ == "__main__":
    sys.exit(main())
