"""The alarms that were raised during a soak test, each with the fault that raised it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.account import client
from sandbox.soak.schedule import Span

AFTER = 600
"""Seconds after its end in which a fault still raises its alarms: their periods, and attempts that are still made."""

PATIENCE = 180
"""Seconds for the alarms of new stacks: each looks at data of whole minutes, and some count missing data."""
_INTERVAL = 5
_KINDS = ["MetricAlarm", "CompositeAlarm"]
_SCALING = "TargetTracking-"
"""What the names of Auto Scaling's own alarms begin with: they notify nobody, and wait for data of a load balancer."""

type Change = tuple[str, float, bool]
"""The name of an alarm, seconds since 1970, and whether it was raised then."""


@dataclass(frozen=True)
class Raised:
    """An alarm that was raised *at* seconds since 1970.

    *fault* is the one that raised it, and *cleared* the seconds since 1970 at which it was cleared, None for neither.
    """

    alarm: str
    at: float
    cleared: float | None
    fault: str | None


def wait_until_ok(wait: Callable[[float], None] = time.sleep) -> None:
    """Return as soon as all alarms are OK, after `PATIENCE` seconds at the latest."""
    for _ in range(PATIENCE // _INTERVAL):
        pages = client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=_KINDS)
        found = [each for page in pages for each in page["MetricAlarms"] + page["CompositeAlarms"]]
        if all(each["StateValue"] == "OK" for each in found if not each["AlarmName"].startswith(_SCALING)):
            return
        wait(_INTERVAL)


def changes(since: float) -> list[Change]:
    """Return what happened to all alarms since so many seconds since 1970, oldest first.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
    """
    pages = client("cloudwatch").get_paginator("describe_alarm_history")
    return sorted(
        (
            _change(item)
            for page in pages.paginate(AlarmTypes=_KINDS, HistoryItemType="StateUpdate")
            for item in page["AlarmHistoryItems"]
            if item["Timestamp"].timestamp() >= since and not item["AlarmName"].startswith(_SCALING)
        ),
        key=lambda change: change[1],
    )


def _change(item: dict[str, Any]) -> Change:
    at: datetime = item["Timestamp"]
    return item["AlarmName"], at.timestamp(), json.loads(item["HistoryData"])["newState"]["stateValue"] == "ALARM"


def raised(changes: Sequence[Change], spans: Iterable[Span], raises: Callable[[str], set[str]]) -> list[Raised]:
    """Return each time that an alarm was raised. *raises* has the names of the alarms that a fault raises."""
    causes = [(span, raises(span.name)) for span in spans]

    def fault(alarm: str, at: float) -> Iterator[str]:
        for span, alarms in causes:
            if alarm in alarms and span.began <= at <= span.ended + AFTER:
                yield span.name

    return [
        Raised(
            alarm,
            at,
            next((later for name, later, up in changes[number:] if name == alarm and not up), None),
            next(fault(alarm, at), None),
        )
        for number, (alarm, at, is_raised) in enumerate(changes)
        if is_raised
    ]
