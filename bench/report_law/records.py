"""The records of a benchmark of the reports, and the rows that the reports must have: counted without the app."""

from __future__ import annotations

import base64
import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
"""Milliseconds."""
_EPOCH = datetime(1970, 1, 1)  # UTC
START = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp() * 1000)
DAYS = 3
"""The records arrive in so many days from START on."""
_DEVICES = 50

_BAD = {
    "not_json": b"",
    "not_utf8": b'{"device_id": "\xc3\x28"}',
    "not_an_object": b"null",
    "missing_value": b'{"device_id": "a", "metric": "m", "ts": 1, "seq": 1}',
    "wrong_seq": b'{"device_id": "a", "metric": "m", "value": 1, "ts": 1, "seq": "first"}',
    "value_not_finite": b'{"device_id": "a", "metric": "m", "value": 1e309, "ts": 1, "seq": 1}',
    "ts_naive": b'{"device_id": "a", "metric": "m", "value": 1, "ts": "2026-01-01T00:00:00", "seq": 1}',
}
"""Bad records by their reason: docs/pipeline.md."""

type Rows = dict[tuple[str, str], list[Any]]
"""The rows of each report and day."""


class Reading(NamedTuple):
    """What identifies a reading. *ts* is in milliseconds since 1970."""

    device: str
    metric: str
    ts: int
    seq: int


class Sent(NamedTuple):
    """A record: of a *reading*, or bad for a *reason*. Times are in milliseconds since 1970."""

    arrived_at: int
    reading: Reading | None
    value: float = 0
    corrected_at: int | None = None
    reason: str = ""

    def data(self) -> tuple[bytes, str]:
        """Return the bytes that are sent, and their partition key. A thing sends every second reading."""
        if self.reading is None:
            return _BAD[self.reason], "producer"
        device, metric, ts, seq = self.reading
        fields = {"device_id": device, "metric": metric, "value": self.value, "ts": ts, "seq": seq}
        corrected = {} if self.corrected_at is None else {"corrected_at": self.corrected_at}
        raw = json.dumps(fields | corrected).encode()
        if seq % 2:
            return raw, f"device/{device}"
        return json.dumps({"thing": device, "sent": base64.b64encode(raw).decode()}).encode(), f"thing/{device}"


def generate(count: int, chance: random.Random) -> list[Sent]:
    """Return *count* records in the order of their arrival.

    4 % of the readings are up to two days late, 1 % a week. 4 % come again, some with another value, some as a
    correction, up to three days later. 2 % of the records are bad.
    """
    sent: list[Sent] = []
    while len(sent) < count:
        arrived_at = START + chance.randrange(DAYS * DAY)
        dice = chance.random()
        if dice < 0.02:
            sent.append(Sent(arrived_at, None, reason=chance.choice(sorted(_BAD))))
            continue
        late = 7 * DAY if dice < 0.03 else chance.randrange(2 * DAY) if dice < 0.07 else chance.randrange(60_000)
        number = len(sent)
        reading = Reading(
            f"pump-{number % _DEVICES:02d}", f"metric-{number // _DEVICES % 4}", arrived_at - late, number
        )
        value = chance.randrange(4000) / 4  # so sums are exact in any order
        sent.append(Sent(arrived_at, reading, value))
        while chance.random() < 0.04 and len(sent) < count:
            arrived_at += 1 + chance.randrange(chance.choice([MINUTE, HOUR, 3 * DAY]))
            if arrived_at >= START + DAYS * DAY:
                break
            again = value if chance.random() < 0.6 else chance.randrange(4000) / 4
            sent.append(Sent(arrived_at, reading, again, arrived_at - 1 if chance.random() < 0.2 else None))
    return sorted(sent, key=lambda each: each.arrived_at)


def expected(sent: Iterable[Sent]) -> Rows:
    """Return the rows that the reports must have. *sent* is in the order of arrival."""
    quality: dict[str, Counter[str]] = defaultdict(Counter)
    readings: dict[Reading, list[Sent]] = defaultdict(list)
    for each in sent:
        outcome = each.reason or ("duplicate" if each.reading in readings else "accepted")
        quality[_day(each.arrived_at)][outcome] += 1
        if each.reading:
            readings[each.reading].append(each)
    hours: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    rows: Rows = defaultdict(list)
    for reading, records in readings.items():
        corrections = [each for each in records if each.corrected_at is not None]
        counts = max(corrections, key=lambda each: each.corrected_at or 0) if corrections else records[0]
        hours[reading.device, reading.metric, reading.ts // HOUR].append(counts.value)
        values = [each.value for each in records]
        if len(set(values)) > 1:
            rows["conflicts", _day(reading.ts)].append(
                {
                    **{"device_id": reading.device, "metric": reading.metric, "ts": _iso(reading.ts)},
                    **{"seq": reading.seq, "value": counts.value, "lowest": min(values), "highest": max(values)},
                    **{"distinct_values": len(set(values)), "corrected": bool(corrections)},
                }
            )
    for (device, metric, hour), values in hours.items():
        figures = {"count": len(values), "min": min(values), "max": max(values), "avg": sum(values) / len(values)}
        row = {"device_id": device, "metric": metric, "hour": _iso(hour * HOUR), **figures}
        rows["hourly", _day(hour * HOUR)].append(row)
    for day, outcomes in quality.items():
        bad = {name: count for name, count in outcomes.items() if name in _BAD}
        row = {"received": outcomes.total(), "accepted": outcomes["accepted"], "duplicates": outcomes["duplicate"]}
        rows["quality", day].append(row | {"bad": bad})
    return dict(rows)


def differences(found: Rows, wanted: Rows) -> list[str]:
    """Return a line for each report and day that is not as it must be, with the first row that differs."""
    lines = []
    for key in sorted(found.keys() | wanted.keys()):
        ours, theirs = (
            sorted(json.dumps(row, sort_keys=True) for row in rows.get(key, [])) for rows in (found, wanted)
        )
        if ours != theirs:
            first = next(pair for pair in itertools.zip_longest(ours, theirs) if pair[0] != pair[1])
            lines.append(
                f"{' '.join(key)}: {len(ours):,} rows of {len(theirs):,}; found {first[0]}, must be {first[1]}"
            )
    return lines


def _day(moment: int) -> str:
    return _iso(moment)[:10]


def _iso(moment: int) -> str:
    """Return a time as the API does."""
    return (_EPOCH + timedelta(milliseconds=moment)).isoformat(timespec="milliseconds").removesuffix(".000") + "Z"
