"""Times as our APIs write them: ISO 8601 in UTC."""

from datetime import UTC, datetime


def iso(moment: datetime, timespec: str = "milliseconds") -> str:
    """Return *moment*, which has an offset, as ISO 8601 in UTC, for example ``2030-01-31T18:00:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def in_words(text: str) -> str:
    """Return the time in an ISO 8601 *text* for a person to read, for example ``31 January 2030, 18:00 UTC``.

    Raises ValueError for any other text. A time without an offset is in UTC.
    """
    moment = datetime.fromisoformat(text)
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is outside of the calendar in UTC") from error
    return f"{moment.day} {moment:%B} {moment.year}, {moment:%H:%M} UTC"


def iso_of_epoch(seconds: float) -> str:
    """Return the time *seconds* after 1970 as ISO 8601 in UTC."""
    return iso(datetime.fromtimestamp(seconds, UTC))
