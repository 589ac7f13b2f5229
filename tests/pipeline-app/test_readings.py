"""Which records are readings, and the reasons for bad ones."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.readings import BadReading, Reading, day, iso, raw_of, read, rejected
from chalicelib.units import normalised

NOON = 1_900_000_000_000  # 2030-03-17T17:46:40Z
SENT = {
    "device_id": "pump-1",
    "metric": "temperature",
    "value": 21.5,
    "unit": "C",
    "ts": "2030-03-17T17:00:00Z",
    "seq": 7,
}


def reading(**change: Any) -> Reading:
    return read(json.dumps(SENT | change).encode(), NOON, 1)


def reason(raw: bytes | str) -> str:
    with pytest.raises(BadReading) as bad:
        read(raw.encode() if isinstance(raw, str) else raw, NOON, 1)
    return str(bad.value)


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in SENT.items() if field != name}


def test_a_reading_becomes_a_row() -> None:
    assert reading() == Reading(
        device_id="pump-1",
        metric="temperature",
        value=21.5,
        unit="C",
        ts=1_899_997_200_000,
        seq=7,
        arrived_at=NOON,
        record=1,
    )


@pytest.mark.parametrize(
    ("ts", "expected"),
    [
        ("2030-03-17T17:00:00+00:00", "2030-03-17T17:00:00.000Z"),
        ("2030-03-17T19:30:00.1239+02:30", "2030-03-17T17:00:00.123Z"),
        ("20300317T170000Z", "2030-03-17T17:00:00.000Z"),
        ("2030-03-17 17:00:00Z", "2030-03-17T17:00:00.000Z"),
        (1_899_997_200, "2030-03-17T17:00:00.000Z"),
        (1_899_997_200_123, "2030-03-17T17:00:00.123Z"),
        (1_899_997_200.123, "2030-03-17T17:00:00.123Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (100_000_000_000, "1973-03-03T09:46:40.000Z"),  # a number of twelve digits is in milliseconds
        (100_000_000_000.5, "1973-03-03T09:46:40.000Z"),
        ("1999-12-31T23:59:59.999Z", "1999-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_may_be_iso_8601_with_an_offset_or_an_epoch(ts: object, expected: str) -> None:
    assert iso(reading(ts=ts).ts) == expected


@pytest.mark.parametrize(
    ("ts", "why"),
    [
        ("2030-03-17T17:00:00", "ts_naive"),
        ("2030-03-17", "ts_naive"),
        ("yesterday", "wrong_ts"),
        ("", "wrong_ts"),
        (None, "wrong_ts"),
        (True, "wrong_ts"),
        (-1, "ts_before_1970"),
        ("1969-12-31T23:59:59.999Z", "ts_before_1970"),
        ("2030-03-17T17:51:40.001Z", "ts_future"),
        (99_999_999_999, "ts_future"),
        (99_999_999_999.0, "ts_future"),
        (10**15, "ts_future"),
        (10**30, "ts_future"),
    ],
)
def test_a_time_without_an_offset_before_1970_or_in_the_future_is_bad(ts: object, why: str) -> None:
    assert reason(json.dumps(SENT | {"ts": ts})) == why


def test_a_clock_may_be_five_minutes_ahead_of_the_arrival() -> None:
    assert reading(ts="2030-03-17T17:51:40Z").ts == NOON + 300_000


@pytest.mark.parametrize("field", ["device_id", "metric", "value", "ts", "seq"])
def test_a_missing_field_is_named(field: str) -> None:
    assert reason(json.dumps(without(field))) == f"missing_{field}"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"device_id": ""}, "wrong_device_id"),
        ({"device_id": "x" * 129}, "wrong_device_id"),
        ({"device_id": 5}, "wrong_device_id"),
        ({"device_id": "a\nb"}, "not_printable"),
        ({"metric": ["x"]}, "wrong_metric"),
        ({"metric": ""}, "wrong_metric"),
        ({"metric": "x" * 65}, "wrong_metric"),
        ({"metric": "\u0000"}, "not_printable"),
        ({"value": "21.5"}, "wrong_value"),
        ({"value": True}, "wrong_value"),
        ({"value": None}, "wrong_value"),
        ({"unit": 1}, "wrong_unit"),
        ({"unit": "x" * 33}, "wrong_unit"),
        ({"seq": 1.5}, "wrong_seq"),
        ({"seq": "1"}, "wrong_seq"),
        ({"seq": 2**63}, "wrong_seq"),
        ({"seq": -(2**63) - 1}, "wrong_seq"),
        ({"value": 1e308, "unit": "kPa"}, "value_not_finite"),
        ({"corrected_at": "now"}, "wrong_corrected_at"),
        ({"corrected_at": -1}, "wrong_corrected_at"),
        ({"corrected_at": NOON + 300_001}, "wrong_corrected_at"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], why: str) -> None:
    assert reason(json.dumps(SENT | change)) == why


@pytest.mark.parametrize(
    "change",
    [
        {"device_id": "x"},
        {"device_id": "x" * 128},
        {"metric": "m"},
        {"metric": "m" * 64},
        {"unit": "u" * 32},
        {"seq": 2**63 - 1},
        {"seq": -(2**63)},
        {"corrected_at": 0},
        {"corrected_at": NOON + 300_000},
    ],
)
def test_a_field_may_have_its_smallest_and_its_largest_value(change: dict[str, Any]) -> None:
    (name,) = change

    assert getattr(reading(**change), name) == change[name]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not_json"),
        (b"junk", "not_json"),
        (b"[" * 100_000, "not_an_object"),
        (b'{"x":' * 100_000, "too_deep"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"device_id":"\xff"}', "not_utf8"),
        (json.dumps(SENT).replace("21.5", "NaN").encode(), "not_json"),
        (json.dumps(SENT).replace("21.5", "1e309").encode(), "value_not_finite"),
        (json.dumps(SENT).replace("21.5", "9" * 400).encode(), "value_not_finite"),
        (json.dumps(SENT).encode() + b"{}", "not_json"),
        (b'{"device_id": "\\ud800"}', "not_json"),
    ],
)
def test_a_record_that_is_not_a_reading_has_a_reason(raw: bytes, why: str) -> None:
    assert reason(raw) == why


def test_other_fields_are_ignored_and_a_unit_may_be_left_out() -> None:
    assert read(json.dumps(without("unit") | {"firmware": {"x": [1]}}).encode(), NOON, 1).unit == ""


# By the definitions of SI and of NIST SP 811, appendix B: https://www.nist.gov/pml/special-publication-811
INCH = 25.4  # mm
POUND_FORCE = 0.45359237 * 9.80665  # N
CELSIUS = [(0, 0), (20.1, 20.1)]
FAHRENHEIT = [(32, 0), (212, 100)]
KELVIN = [(273.15, 0), (373.15, 100)]


@pytest.mark.parametrize(
    ("units", "points", "stored"),
    [
        (["C", "°C", "degC", "celsius"], CELSIUS, "C"),
        (["F", "°F", "degF", "fahrenheit"], FAHRENHEIT, "C"),
        (["K", "kelvin"], KELVIN, "C"),
        (["Pa"], [(1, 1)], "Pa"),
        (["hPa", "mbar"], [(1013.25, 101_325)], "Pa"),
        (["kPa"], [(1, 1_000)], "Pa"),
        (["bar"], [(1, 100_000)], "Pa"),
        (["atm"], [(1, 101_325)], "Pa"),
        (["psi"], [(1, POUND_FORCE / (INCH / 1000) ** 2)], "Pa"),
        (["mmHg"], [(1, 13_595.1 * 9.80665 / 1000)], "Pa"),
        (["%", "percent"], [(40, 40)], "%"),
        (["ratio"], [(0.4, 40)], "%"),
        (["mm/s"], [(2, 2)], "mm/s"),
        (["m/s"], [(2, 2_000)], "mm/s"),
        (["in/s"], [(2, 2 * INCH)], "mm/s"),
        (["V"], [(230, 230)], "V"),
        (["mV"], [(230, 0.23)], "V"),
        (["A"], [(16, 16)], "A"),
        (["mA"], [(16, 0.016)], "A"),
        (["W"], [(5, 5)], "W"),
        (["kW"], [(5, 5_000)], "W"),
        (["rpm", "", "c"], [(3, 3)], None),
    ],
)
def test_a_unit_is_converted_to_that_of_its_kind_and_an_unknown_one_is_kept(
    units: list[str], points: list[tuple[float, float]], stored: str | None
) -> None:
    for unit in units:
        for value, expected in points:
            found, found_unit = normalised(value, unit)

            assert found_unit == (unit if stored is None else stored)
            assert math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-9), unit


@pytest.mark.parametrize(
    ("raw", "kept"), [(b'"ab', '"ab'), (b'""a', "base64:IiJh"), (b"base64:x", "base64:YmFzZTY0Ong=")]
)
def test_text_is_kept_as_text_unless_its_json_is_longer_than_base64(raw: bytes, kept: str) -> None:
    assert rejected(raw, NOON, 1, "x").raw == kept


@given(st.binary(max_size=2000))
def test_a_bad_record_is_kept_complete_and_hardly_grows(raw: bytes) -> None:
    row = rejected(raw, NOON, 1, "x")

    assert raw_of(row) == raw
    assert len(json.dumps(row.raw, ensure_ascii=False).encode()) <= len(raw) * 4 / 3 + 16


@given(st.binary(max_size=300) | st.text().map(lambda text: json.dumps({**SENT, "device_id": text}).encode()))
def test_any_bytes_are_a_reading_or_bad(raw: bytes) -> None:
    with suppress(BadReading):
        assert read(raw, NOON, 1).device_id.isprintable()


def test_a_day_is_a_utc_day() -> None:
    assert day(reading(ts="2030-03-17T00:30:00+01:00").ts) == "2030-03-16"
