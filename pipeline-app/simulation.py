"""Readings as the devices of a plant send them, and what goes wrong with some. Knows no AWS, no network and no clock.

All of it follows from a seed: the same seed and the same moments give the same bytes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

type Reading = dict[str, Any]

_DAY = 86_400
_EPISODE, _EPISODES_EVERY = 90, 1200
"""Seconds that a bearing runs hot, and from one such episode to the next."""


@dataclass(frozen=True)
class Faults:
    """Of all messages, the share that…"""

    duplicates: float = 0
    """… is sent a second time, as after an acknowledgement that got lost."""
    late: float = 0
    """… was kept by a device that was out of reach, for up to two days."""
    disorder: float = 0
    """… is overtaken by the next one of its device."""
    skew: float = 0
    """… was stamped by a clock up to a quarter of an hour wrong; five minutes ahead is what the pipeline allows."""
    poison: float = 0
    """… is no reading."""


SOME_FAULTS = Faults(duplicates=0.03, late=0.05, disorder=0.05, skew=0.01, poison=0.02)


@dataclass(frozen=True)
class Message:
    """What a device sends, and the fault in it, a field of Faults."""

    payload: bytes
    fault: str | None = None


# Units ---------------------------------------------------------------------------------------------------------------

_UNITS: dict[str, tuple[tuple[str, Callable[[float], float]], ...]] = {
    "temperature": (("C", lambda c: c), ("F", lambda c: c * 9 / 5 + 32), ("K", lambda c: c + 273.15)),
    "pressure": (("hPa", lambda p: p), ("kPa", lambda p: p / 10), ("bar", lambda p: p / 1000)),
    "humidity": (("%", lambda h: h),),
    "vibration": (("mm/s", lambda v: v),),
}
METRICS = tuple(_UNITS)

_STAMPS: tuple[Callable[[float], str | int], ...] = (
    lambda moment: _iso(moment, UTC),
    lambda moment: _iso(moment, timezone(timedelta(hours=2))),
    lambda moment: round(moment * 1000),
)
"""How devices of different makers write a time."""


def _iso(moment: float, zone: timezone) -> str:
    return datetime.fromtimestamp(round(moment, 3), zone).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Devices -------------------------------------------------------------------------------------------------------------


class Device:
    """A pump with sensors. Number *number* of those of *seed*; every device has its own units, clock and wear."""

    def __init__(self, number: int, seed: int, faults: Faults = Faults(), name: str = "pump") -> None:
        self.id = f"{name}-{number:04d}"
        self._random = random.Random(f"{seed}/{self.id}")  # noqa: S311
        self._faults = faults
        self._seq = 0
        self._held: Message | None = None
        self._units = {metric: self._random.choice(units) for metric, units in _UNITS.items()}
        self._stamp = self._random.choice(_STAMPS)
        self._wear = self._random.uniform(-4, 6)
        self._phase = self._random.random()

    def reading(self, moment: float) -> Reading:
        """Return the next reading, of *moment* in seconds since 1970; the metrics take turns."""
        metric = METRICS[self._seq % len(METRICS)]
        self._seq += 1
        unit, converted = self._units[metric]
        value = round(converted(self._value(metric, moment)), 3)
        stamp = self._stamp(moment)
        return {"device_id": self.id, "metric": metric, "value": value, "unit": unit, "ts": stamp, "seq": self._seq}

    def messages(self, moment: float) -> Iterator[Message]:
        """Yield what the device sends at *moment*: as a rule one reading."""
        message = self._message(moment)
        if self._held:
            yield message
            message, self._held = self._held, None
        elif message.fault is None and self._random.random() < self._faults.disorder:
            self._held = Message(message.payload, "disorder")
            return
        yield message
        if self._random.random() < self._faults.duplicates:
            yield Message(message.payload, "duplicates")

    def rest(self) -> Iterator[Message]:
        """Yield what is still held back when the device is switched off."""
        if self._held:
            yield self._held
            self._held = None

    def _message(self, moment: float) -> Message:
        dice = self._random.random()
        for fault, change in (("poison", 0.0), ("late", -1.0), ("skew", 1.0)):
            dice -= getattr(self._faults, fault)
            if dice >= 0:
                continue
            if not change:
                return Message(poison(self.reading(moment), self._random), fault)
            off = self._random.uniform(3600, 2 * _DAY) if fault == "late" else self._random.uniform(-900, 900)
            return Message(encoded(self.reading(moment + change * off)), fault)
        return Message(encoded(self.reading(moment)))

    def _value(self, metric: str, moment: float) -> float:
        """Return what a sensor shows: a daily curve, the weather, a bearing that now and then runs hot, and noise."""
        day = math.sin(2 * math.pi * (moment / _DAY - 0.375))  # warmest at 15:00 UTC
        noise = self._random.gauss()
        if metric == "temperature":
            return 46 + self._wear + 5 * day + 42 * self._heat(moment) + 0.3 * noise
        if metric == "pressure":
            return 1013 + 8 * math.sin(2 * math.pi * (moment / (5 * _DAY) + self._phase)) + 0.4 * noise
        if metric == "humidity":
            return min(99.0, max(5.0, 52 - 14 * day + 1.2 * noise))
        return max(0.1, 2.4 + 0.1 * self._wear + 7.5 * self._heat(moment) + 0.15 * noise)

    def _heat(self, moment: float) -> float:
        """Return how hot the bearing runs, 0 to 1: an episode every twenty minutes, each device at its own time."""
        into = (moment + self._phase * _EPISODES_EVERY) % _EPISODES_EVERY
        return math.sin(math.pi * into / _EPISODE) if into < _EPISODE else 0.0


# Messages ------------------------------------------------------------------------------------------------------------


def encoded(reading: Reading) -> bytes:
    """Return *reading* as a device sends it."""
    return msgspec.json.encode(reading)


def _changed(**fields: Any) -> Callable[[Reading], bytes]:
    return lambda reading: encoded({**reading, **fields})


def _without(field: str) -> Callable[[Reading], bytes]:
    return lambda reading: encoded({name: kept for name, kept in reading.items() if name != field})


def _with_value(text: bytes) -> Callable[[Reading], bytes]:
    return lambda reading: encoded({**reading, "value": None}).replace(b"null", text)


_POISON: tuple[Callable[[Reading], bytes], ...] = (
    lambda reading: b"",
    lambda reading: b"\xff\xfe\x00pump",
    lambda reading: encoded(reading)[:-9],
    lambda reading: encoded({**reading, "device_id": "?"}).replace(b"?", b"\xc3\x28"),
    lambda reading: b"[" * 5000,
    lambda reading: b'{"a":' * 2000 + b"1" + b"}" * 2000,
    lambda reading: encoded([reading, reading]),  # type: ignore[arg-type]
    lambda reading: b"null",
    _changed(value="n/a"),
    _with_value(b"NaN"),
    _with_value(b"1e309"),
    _with_value(b"-Infinity"),
    _changed(value=None),
    _changed(value=[1.5]),
    _changed(device_id=""),
    _changed(device_id="x" * 5000),
    _changed(device_id=17),
    _changed(metric={"name": "temperature"}),
    _changed(unit=["C"]),
    _changed(seq="first"),
    _changed(seq=1.5),
    _changed(ts="yesterday"),
    _changed(ts="2024-02-30T00:00:00Z"),
    _changed(ts="2024-02-03T04:05:06"),
    _changed(ts="2999-01-01T00:00:00Z"),
    _changed(ts=-1),
    _without("device_id"),
    _without("metric"),
    _without("value"),
    _without("ts"),
    _without("seq"),
)
"""Each makes of a reading something that is none."""


def poison(reading: Reading, chance: random.Random) -> bytes:
    """Return *reading* broken in one of many ways: not JSON, a wrong type, a missing field, an impossible time, …"""
    return chance.choice(_POISON)(reading)
