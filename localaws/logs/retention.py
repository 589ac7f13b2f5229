"""Gap: a log group keeps its events longer than its retention.

AWS deletes them up to 72 hours later, and does not return them before. Here they are deleted when the group is read.
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html
No longer needed when FilterLogEvents does not return an event that is older than the retention of its group.
"""

import time
from typing import Any

from ministack.services import cloudwatch_logs as logs

DAY = 86_400_000
READS = ("_get_log_events", "_filter_log_events")


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


def apply() -> None:
    for name in READS:
        setattr(logs, name, with_retention(getattr(logs, name)))
