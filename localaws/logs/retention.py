"""Gap: a log group keeps its events longer than its retention, and so many that they fill the memory.

AWS deletes them up to 72 hours later, and does not return them before. Here they are deleted when the group is read.
Once a minute, the oldest events of a group that has more than 20,000 are deleted, too.
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html
No longer needed when FilterLogEvents does not return an event that is older than the retention of its group.
"""

import time
from typing import Any

from ministack.services import cloudwatch_logs as logs

DAY = 86_400_000
READS = ("_get_log_events", "_filter_log_events")
MAX_EVENTS = 20_000
INTERVAL = 60
"""Seconds from one look at the numbers of events to the next."""


def delete_expired(group: dict[str, Any]) -> None:
    oldest = time.time() * 1000 - int(group["retentionInDays"]) * DAY
    with logs._log_events_lock:
        for stream in group["streams"].values():
            events = stream["events"]  # in the order of their timestamps
            if events and events[0]["timestamp"] < oldest:
                stream["events"] = [event for event in events if event["timestamp"] >= oldest]


def with_retention(read: Any) -> Any:
    def read_retained(data: dict[str, Any]) -> Any:
        name = data.get("logGroupName") or str(data.get("logGroupIdentifier", "")).rpartition(":")[2]
        group = logs._log_groups.get(name)
        if group and group.get("retentionInDays"):
            delete_expired(group)
        return read(data)

    return read_retained


def delete_surplus(group: dict[str, Any]) -> None:
    """Keep the newest MAX_EVENTS of the group. A stream that loses all of its events is deleted."""
    left = MAX_EVENTS
    with logs._log_events_lock:
        written = [(name, stream) for name, stream in group["streams"].items() if stream["events"]]
        for name, stream in sorted(written, key=lambda each: each[1]["events"][-1]["timestamp"], reverse=True):
            if left <= 0:
                del group["streams"][name]
            elif len(stream["events"]) > left:
                stream["events"] = stream["events"][-left:]
            left -= len(stream["events"])


def with_bound(append: Any) -> Any:
    """Wrap the writing of events: look at all groups once a minute."""
    looked_at = time.monotonic()

    def append_log_events(stream: dict[str, Any], events: list[Any]) -> None:
        nonlocal looked_at
        append(stream, events)
        if time.monotonic() - looked_at >= INTERVAL:
            looked_at = time.monotonic()
            for _, group in list(logs._log_groups.all_items()):
                delete_surplus(group)

    return append_log_events


def apply() -> None:
    logs._append_log_events = with_bound(logs._append_log_events)
    for name in READS:
        setattr(logs, name, with_retention(getattr(logs, name)))
