"""Simulated devices: their readings are valid, and their faults are what the pipeline says they are."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from chalicelib import readings
from tools import reconcile
from tools.simulated_device import DEFAULT_FAULTS, METRICS, Faults, SimulatedDevice, encode, poison

NOW = 1_780_000_000.0
PLAUSIBLE = {"temperature": (20, 110), "pressure": (99_000, 104_000), "humidity": (5, 99), "vibration": (0.1, 12)}
UNITS = {"temperature": "C", "pressure": "Pa", "humidity": "%", "vibration": "mm/s"}


def sent(seed: int, faults: Faults = DEFAULT_FAULTS) -> list[bytes]:
    device = SimulatedDevice(1, seed, faults)
    return [message.payload for second in range(500) for message in device.messages(NOW + second)]


def read(payload: bytes) -> readings.Reading:
    return readings.read(payload, round(NOW * 1000), 1)


def test_the_same_seed_sends_the_same_bytes_and_another_does_not() -> None:
    assert sent(seed=7) == sent(seed=7)
    assert sent(seed=7) != sent(seed=8)


@pytest.mark.parametrize("number", range(12))
def test_readings_in_all_units_and_formats_of_time_are_valid(number: int) -> None:
    device = SimulatedDevice(number, seed=1)

    for minute in range(120):
        moment = NOW - 60 * minute
        taken = read(encode(device.reading(moment)))
        least, most = PLAUSIBLE[taken.metric]
        assert least <= taken.value <= most, taken
        assert taken.unit == UNITS[taken.metric]
        assert taken.ts == round(moment * 1000)


def test_every_kind_of_poison_is_bad() -> None:
    chance, device = random.Random(1), SimulatedDevice(1, seed=1)
    reasons: Counter[str] = Counter()

    for _ in range(2000):
        with pytest.raises(readings.BadReading) as bad:
            read(poison(device.reading(NOW), chance))
        reasons[str(bad.value)] += 1

    assert len(reasons) > 12, reasons


def test_faults_are_as_frequent_as_configured() -> None:
    device = SimulatedDevice(1, seed=3, faults=Faults(duplicates=0.1, late=0.2, disorder=0.1, skew=0.05, poison=0.15))
    faults = Counter(message.fault for second in range(20_000) for message in device.messages(NOW + second))
    share = {fault: count / faults.total() for fault, count in faults.items()}

    assert share["late"] == pytest.approx(0.2, rel=0.2)
    assert share["poison"] == pytest.approx(0.15, rel=0.2)
    assert share["skew"] == pytest.approx(0.05, rel=0.2)
    assert share["duplicates"] == pytest.approx(0.1, rel=0.2)
    assert share["disorder"] == pytest.approx(0.06, rel=0.3)  # of what has no other fault


def test_a_duplicate_follows_the_message_and_has_the_same_bytes() -> None:
    first, second = SimulatedDevice(1, seed=3, faults=Faults(duplicates=1)).messages(NOW)

    assert first.payload == second.payload
    assert (first.fault, second.fault) == (None, "duplicates")


def test_an_overtaken_message_is_still_sent() -> None:
    device = SimulatedDevice(1, seed=3, faults=Faults(disorder=0.5))
    messages = [message for second in range(99) for message in device.messages(NOW + second)] + list(device.flush())
    order = [read(message.payload).seq for message in messages]

    assert order != sorted(order)
    assert sorted(order) == list(range(1, 100))


def test_late_is_up_to_two_days() -> None:
    device = SimulatedDevice(1, seed=3, faults=Faults(late=1))
    ages = [NOW - read(message.payload).ts / 1000 for _ in range(500) for message in device.messages(NOW)]

    assert min(ages) >= 3600
    assert 1.9 * 86_400 < max(ages) <= 2 * 86_400


def test_the_metrics_alternate() -> None:
    device = SimulatedDevice(1, seed=3)

    assert [device.reading(NOW)["metric"] for _ in range(5)] == [*METRICS, METRICS[0]]


def test_the_records_of_a_reconciliation_are_as_expected() -> None:
    expected = reconcile.generate(10_000, seed=1, now=NOW, name="reconcile")
    outcomes: Counter[str] = Counter()
    known = set()
    for record in expected.entries:
        try:
            reading = read(record.data)
        except readings.BadReading:
            outcomes["bad"] += 1
            continue
        key = (reading.device_id, reading.metric, reading.ts, reading.seq)
        outcomes["duplicate" if key in known else "accepted"] += 1
        known.add(key)

    assert outcomes == {"accepted": expected.accepted, "duplicate": expected.duplicates, "bad": expected.bad}
    assert (expected.accepted, expected.duplicates, expected.bad) == (9500, 300, 200)
