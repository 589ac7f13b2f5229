"""Which days a batch of new objects changes: days of events, and days of arrival. Imports no AWS and no HTTP."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chalicelib.pacing import Period
from chalicelib.reports import Day


class DeliveredObject(NamedTuple):
    """An object that Firehose delivered. *kind* is readings or errors, *day* is the day of the events in it.

    *size* is in bytes.
    """

    kind: str
    day: Day
    arrived: Day
    size: int = 0


def parse_key(key: str, size: int = 0) -> DeliveredObject:
    """Return what *key* says of its object. Raises ValueError for a key that is not in the delivery stream's form."""
    found = re.fullmatch(r"(readings|errors)/day=(\d{4}-\d\d-\d\d)/arrived-(\d{4}-\d\d-\d\d)/.+", key, re.ASCII)
    if not found:
        raise ValueError(f"{key!r} is not a key that Firehose writes")
    kind, day, arrived = found.groups()
    return DeliveredObject(kind, day, arrived, size)


def event_days(objects: Iterable[DeliveredObject]) -> dict[Day, set[Day]]:
    """Return, for each day of arrival, the event days of the readings that arrived."""
    days: dict[Day, set[Day]] = defaultdict(set)
    for each in objects:
        days[each.arrived] |= {each.day} if each.kind == "readings" else set()
    return dict(days)


def changed_periods(objects: Iterable[DeliveredObject], known: Mapping[Day, set[Day]]) -> dict[Period, int]:
    """Return the periods that *objects* change, and the bytes that are new in each.

    *known* has the event days of all days of arrival from the first of the objects on. A later arrival of the same
    event day changes too: one of its records may be a duplicate of a new record.
    """
    # Hundreds of objects have few pairs of days.
    sizes: dict[tuple[str, Day, Day], int] = defaultdict(int)
    for kind, day, arrived, size in objects:
        sizes[kind, day, arrived] += max(size, 1)  # an object of unknown size is new, too
    changed: dict[Period, int] = defaultdict(int)
    for (kind, day, arrived), size in sizes.items():
        changed[Period("arrival day", arrived)] += size
        if kind == "readings":
            changed[Period("event day", day)] += size
            for later in (each for each, days in known.items() if each > arrived and day in days):
                changed[Period("arrival day", later)] += size
    return dict(changed)


def days_read(period: Period, known: Mapping[Day, set[Day]]) -> list[Day]:
    """Return the event days that a run of *period* reads. *known* has the event days by day of arrival."""
    return [period.day] if period.kind == "event day" else sorted({period.day, *known.get(period.day, ())})


def partitions_read(period: Period, known: Mapping[Day, set[Day]]) -> list[tuple[str, Day]]:
    """Return the partitions that a run of *period* reads: pairs of readings or errors, and a day."""
    errors = [("errors", period.day)] if period.kind == "arrival day" else []
    return [*(("readings", day) for day in days_read(period, known)), *errors]
