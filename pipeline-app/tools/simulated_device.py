"""Simulated devices: readings of a plant's pumps, with faults. Uses no network and no clock.

Everything follows from a seed: the same seed and the same times give the same bytes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

from common.times import iso

type Reading = dict[str, Any]

_DAY = 86_400
_EPISODE, _EPISODES_EVERY = 90, 1200
"""Seconds for which a bearing runs hot, and from one such episode to the next."""


@dataclass(frozen=True)
class Faults:
    """For each fault, the share of messages that have it."""

    duplicates: float = 0
    """Sent twice, as after a lost acknowledgement."""
    late: float = 0
    """Up to two days old, as from a device that was offline."""
    disorder: float = 0
    """Sent after the next message of the device."""
    skew: float = 0
    """With a clock up to 15 minutes wrong. The pipeline accepts a clock that is up to 5 minutes ahead."""
    poison: float = 0
    """Not a reading."""


DEFAULT_FAULTS = Faults(duplicates=0.03, late=0.05, disorder=0.05, skew=0.01, poison=0.02)


@dataclass(frozen=True)
class Message:
    """A message of a device, and its fault: the name of a field of `Faults`."""

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

_TIMESTAMPS: tuple[Callable[[float], str | int], ...] = (
    lambda moment: iso(_datetime(moment, UTC)),
    lambda moment: _datetime(moment, timezone(timedelta(hours=2))).isoformat(timespec="milliseconds"),
    lambda moment: round(moment * 1000),
)
"""The formats of time that devices send."""


def _datetime(moment: float, zone: timezone) -> datetime:
    return datetime.fromtimestamp(round(moment, 3), zone)


# Devices -------------------------------------------------------------------------------------------------------------


class SimulatedDevice:
    """Pump *number* of the plant of *seed*. Each has its own units, format of time and wear."""

    def __init__(self, number: int, seed: int, faults: Faults = Faults(), name: str = "pump") -> None:
        self.id = f"{name}-{number:04d}"
        self._random = random.Random(f"{seed}/{self.id}")  # noqa: S311
        self._faults = faults
        self._seq = 0
        self._held: Message | None = None
        self._units = {metric: self._random.choice(units) for metric, units in _UNITS.items()}
        self._timestamp = self._random.choice(_TIMESTAMPS)
        self._wear = self._random.uniform(-4, 6)
        self._phase = self._random.random()

    def reading(self, moment: float) -> Reading:
        """Return the next reading, at *moment* in seconds since 1970. The metrics alternate."""
        metric = METRICS[self._seq % len(METRICS)]
        self._seq += 1
        unit, converted = self._units[metric]
        value = round(converted(self._value(metric, moment)), 3)
        timestamp = self._timestamp(moment)
        return {"device_id": self.id, "metric": metric, "value": value, "unit": unit, "ts": timestamp, "seq": self._seq}

    def messages(self, moment: float) -> Iterator[Message]:
        """Yield the messages that the device sends at *moment*, usually one."""
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

    def flush(self) -> Iterator[Message]:
        """Yield the messages that are still held back, before the device is switched off."""
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
            return Message(encode(self.reading(moment + change * off)), fault)
        return Message(encode(self.reading(moment)))

    def _value(self, metric: str, moment: float) -> float:
        """Return the value of a sensor: a daily curve, the weather, a bearing that sometimes runs hot, and noise."""
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
        """Return how hot the bearing is, 0 to 1: an episode every 20 minutes, at another time for each device."""
        into = (moment + self._phase * _EPISODES_EVERY) % _EPISODES_EVERY
        return math.sin(math.pi * into / _EPISODE) if into < _EPISODE else 0.0


# Messages ------------------------------------------------------------------------------------------------------------


def encode(reading: Reading) -> bytes:
    """Return *reading* as a device sends it."""
    return msgspec.json.encode(reading)


def _changed(**fields: Any) -> Callable[[Reading], bytes]:
    return lambda reading: encode({**reading, **fields})


def _without(field: str) -> Callable[[Reading], bytes]:
    return lambda reading: encode({name: kept for name, kept in reading.items() if name != field})


def _with_value(text: bytes) -> Callable[[Reading], bytes]:
    return lambda reading: encode({**reading, "value": None}).replace(b"null", text)


_POISON: tuple[Callable[[Reading], bytes], ...] = (
    lambda reading: b"",
    lambda reading: b"\xff\xfe\x00pump",
    lambda reading: encode(reading)[:-9],
    lambda reading: encode({**reading, "device_id": "?"}).replace(b"?", b"\xc3\x28"),
    lambda reading: b"[" * 5000,
    lambda reading: b'{"a":' * 2000 + b"1" + b"}" * 2000,
    lambda reading: encode([reading, reading]),  # type: ignore[arg-type]
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
"""Each makes a reading into something that is not a reading."""


def poison(reading: Reading, chance: random.Random) -> bytes:
    """Return *reading* broken in one of many ways, for example not JSON, a wrong type, or an impossible time."""
    return chance.choice(_POISON)(reading)
