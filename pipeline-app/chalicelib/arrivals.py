"""Which days a batch of new objects changes: days of events, and days of arrival. Imports no AWS and no HTTP.

The readings of a day are in 25 parts. What is on time is in the part of its hour, ``readings-00`` to ``readings-23``:
it arrived in the hour of the event or the one after. The rest is in the part ``readings``, so a file of ten years has
3,653 parts and not 87,672. All that earlier releases ingested is there, too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chalicelib.pacing import Period
from chalicelib.reports import Day

OPENING = 10_000
"""Bytes of reading that opening an object counts as. S3 charges for each object, so many small ones are not cheap."""


class DeliveredObject(NamedTuple):
    """An object that Firehose delivered. *kind* is readings or errors, *day* is the day of the events in it.

    *cost* is what reading it counts as, in bytes: its size, and `OPENING`. *hour* is that of the events, from 00 to 23,
    if they were on time, and otherwise empty.
    """

    kind: str
    day: Day
    arrived: Day
    cost: int = OPENING
    hour: str = ""


def parse_key(key: str, size: int = 0) -> DeliveredObject:
    """Return what *key* says of its object. Raises ValueError for a key that is not in the delivery stream's form."""
    found = re.fullmatch(
        r"(?:errors|readings(?:-([01]\d|2[0-3]))?)/day=(\d{4}-\d\d-\d\d)/arrived-(\d{4}-\d\d-\d\d)/.+", key, re.ASCII
    )
    if not found:
        raise ValueError(f"{key!r} is not a key that Firehose writes")
    hour, day, arrived = found.groups(default="")
    kind = "errors" if key.startswith("errors") else "readings"
    return DeliveredObject(kind, day, arrived, size + OPENING, hour)


def event_days(objects: Iterable[DeliveredObject]) -> dict[Day, set[Day]]:
    """Return, for each day of arrival, the event days of the readings that arrived."""
    days: dict[Day, set[Day]] = defaultdict(set)
    for each in objects:
        days[each.arrived] |= {each.day} if each.kind == "readings" else set()
    return dict(days)


def changed_periods(objects: Iterable[DeliveredObject], known: Mapping[Day, set[Day]]) -> dict[Period, int]:
    """Return the periods that *objects* change, and the bytes that are new in each.

    Readings that were on time change their hour, and late ones their day.

    *known* has the event days of all days of arrival from the first of the objects on. A later arrival of the same
    event day changes too: one of its records may be a duplicate of a new record.
    """
    # Hundreds of objects have few pairs of days.
    sizes: dict[tuple[str, Day, str, Day], int] = defaultdict(int)
    for each in objects:
        sizes[each.kind, each.day, each.hour, each.arrived] += each.cost
    changed: dict[Period, int] = defaultdict(int)
    for (kind, day, hour, arrived), size in sizes.items():
        changed[Period("arrival day", arrived)] += size
        if kind == "readings":
            if hour:
                changed[Period("event hour", f"{day}T{hour}")] += size
                changed[Period("on-time day", day)] += size
            else:
                changed[Period("event day", day)] += size
            for later in (each for each, days in known.items() if each > arrived and day in days):
                changed[Period("arrival day", later)] += size
    return dict(changed)


def days_read(period: Period, known: Mapping[Day, set[Day]]) -> list[Day]:
    """Return the event days that a run of *period* reads. *known* has the event days by day of arrival."""
    return sorted({period.day, *known.get(period.day, ())}) if period.kind == "arrival day" else [period.day]


def partitions_changed(new: DeliveredObject) -> list[tuple[str, Day]]:
    """Return the partitions that an object is in, in the form of `partitions_read`."""
    if new.kind == "errors":
        return [("errors", new.day)]
    return [("readings", new.day), (f"readings-{new.hour}" if new.hour else "late", new.day)]


def partitions_read(period: Period, known: Mapping[Day, set[Day]]) -> list[tuple[str, Day]]:
    """Return the partitions that a run of *period* reads: pairs of a name and a day.

    The names are errors, readings, and of readings those that were late and those of an hour, for example readings-07.
    """
    if period.kind == "event hour":
        day, _, hour = period.day.partition("T")
        return [("late", day), (f"readings-{hour}", day)]
    errors = [("errors", period.day)] if period.kind == "arrival day" else []
    return [*(("readings", day) for day in days_read(period, known)), *errors]
