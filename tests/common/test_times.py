"""Times that other systems and people send, up to the edges of the calendar."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common import times

MINUTES = st.integers(-24 * 60 + 1, 24 * 60 - 1)
EDGES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+00:01"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        *((edge, "years 1 to 9999") for edge in EDGES),
        ("tomorrow", "not an ISO 8601"),
        ("2030-02-31T00:00:00Z", "not an ISO 8601"),
        ("10000-01-01T00:00:00Z", "not an ISO 8601"),
        ("2030-01-31T18:00:00", "needs an offset"),
        ("2030-01-31", "needs an offset"),
    ],
)
def test_a_wrong_time_is_a_value_error_that_says_what_is_wrong(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        times.parse(text)


@given(st.datetimes(), MINUTES)
@example(datetime.min, 14 * 60)
@example(datetime.max, -14 * 60)
@example(datetime.min, 0)
@example(datetime.max, 0)
def test_a_time_with_any_offset_is_the_same_moment_in_utc_or_a_value_error(moment: datetime, offset: int) -> None:
    text = moment.replace(tzinfo=timezone(timedelta(minutes=offset))).isoformat()
    with contextlib.suppress(ValueError):
        parsed = times.parse(text)

        assert parsed == datetime.fromisoformat(text)
        assert parsed.tzinfo is UTC
        assert datetime.fromisoformat(times.iso(parsed, "microseconds")) == parsed


@given(st.text())
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        times.iso(times.parse(text))


def test_a_period_of_ours_after_the_last_accepted_time_is_still_a_time() -> None:
    assert times.iso_of_epoch(times.EPOCH_END + 100 * 365 * 86_400).startswith("3099")


def test_a_time_of_another_system_is_from_1970_to_the_year_3000() -> None:
    assert times.iso_of_epoch(times.EPOCH_END) == "3000-01-01T00:00:00.000Z"
    for seconds in (0, times.EPOCH_END):
        assert msgspec.convert(seconds, times.EpochSeconds) == seconds
    for seconds in (-1, times.EPOCH_END + 1):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(seconds, times.EpochSeconds)
