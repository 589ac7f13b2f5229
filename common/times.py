"""Times as our APIs read and write them: ISO 8601, in UTC when written."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

EPOCH_END = 32_503_680_000
"""Seconds: the year 3000. A sum of a time before it and any period of ours is a time that Python can hold."""

type EpochSeconds = Annotated[int, Meta(ge=0, le=EPOCH_END)]
"""A time in seconds since 1970, as another system sends it."""


def parse(text: str) -> datetime:
    """Return the time in ISO 8601 *text* in UTC. Raises ValueError with what is wrong, without the name of a field.

    An offset can move a time out of the calendar, which has the years 1 to 9999: `0001-01-01T00:00:00+14:00`.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("not an ISO 8601 date and time") from error
    if moment.tzinfo is None:
        raise ValueError("the time needs an offset, for example 2030-01-31T18:00:00Z")
    return _in_utc(moment)


def iso(moment: datetime, timespec: str = "milliseconds") -> str:
    """Return *moment*, which has an offset, as ISO 8601 in UTC, for example ``2030-01-31T18:00:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def in_words(text: str) -> str:
    """Return the time in an ISO 8601 *text* for a person to read, for example ``31 January 2030, 18:00 UTC``.

    Raises ValueError for any other text. A time without an offset is in UTC.
    """
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else _in_utc(moment)
    return f"{moment.day} {moment:%B} {moment.year}, {moment:%H:%M} UTC"


def iso_of_epoch(seconds: float) -> str:
    """Return the time *seconds* after 1970 as ISO 8601 in UTC."""
    return iso(datetime.fromtimestamp(seconds, UTC))


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("in UTC, the time is not in the years 1 to 9999") from error
