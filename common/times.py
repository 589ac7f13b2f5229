"""Times as our APIs write them: ISO 8601 in UTC."""

from datetime import UTC, datetime


def iso(moment: datetime, timespec: str = "milliseconds") -> str:
    """Return *moment*, which has an offset, as ISO 8601 in UTC, for example ``2030-01-31T18:00:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def iso_of_epoch(seconds: float) -> str:
    """Return the time *seconds* after 1970 as ISO 8601 in UTC."""
    return iso(datetime.fromtimestamp(seconds, UTC))
