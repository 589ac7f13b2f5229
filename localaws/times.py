"""Timestamps as AWS's events write them."""

from datetime import UTC, datetime


def iso(moment: datetime, timespec: str = "milliseconds") -> str:
    """Return *moment*, which has an offset, as ISO 8601 in UTC, for example ``2030-01-31T18:00:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
