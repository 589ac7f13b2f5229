"""Which days a batch of new objects changes: days of events, and days of arrival. Imports no AWS and no HTTP."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chalicelib.reports import Day


class DeliveredObject(NamedTuple):
    """An object that Firehose delivered. *kind* is readings or errors, *day* is the day of the events in it."""

    kind: str
    day: Day
    arrived: Day


def parse_key(key: str) -> DeliveredObject:
    """Return what *key* says of its object. Raises ValueError for a key that is not in the delivery stream's form."""
    found = re.fullmatch(r"(readings|errors)/day=(\d{4}-\d\d-\d\d)/arrived-(\d{4}-\d\d-\d\d)/.+", key, re.ASCII)
    if not found:
        raise ValueError(f"{key!r} is not a key that Firehose writes")
    return DeliveredObject(*found.groups())


def event_days(objects: Iterable[DeliveredObject]) -> dict[Day, set[Day]]:
    """Return, for each day of arrival, the event days of the readings that arrived."""
    days: dict[Day, set[Day]] = defaultdict(set)
    for each in objects:
        days[each.arrived] |= {each.day} if each.kind == "readings" else set()
    return dict(days)


class AffectedDays(NamedTuple):
    """The days that new objects change: event days, and days of arrival with the event days of each."""

    events: list[Day]
    arrivals: dict[Day, list[Day]]


def affected_days(new: Mapping[Day, set[Day]], known: Mapping[Day, set[Day]]) -> AffectedDays:
    """Return the days that *new* objects change. Both arguments are event days by day of arrival.

    *known* has all days of arrival from the first new one on. A later arrival of the same event day changes too: one
    of its records may be a duplicate of a new record.
    """
    events = set().union(*new.values())
    arrivals = {
        arrival: sorted({arrival, *days})
        for arrival, days in known.items()
        if arrival in new
        or any(day in days for first, events_of in new.items() if first < arrival for day in events_of)
    }
    return AffectedDays(sorted(events), arrivals)
