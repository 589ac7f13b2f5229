"""Gap: the history of alarms grows for ever, and each DescribeAlarmHistory looks at all of it.

CloudWatch keeps it for 30 days. Here the newest 5,000 entries of an account and Region stay, too.
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
No longer needed when a million changes of an alarm use as much memory as 5,000.
"""

import time
from datetime import datetime
from typing import Any

from ministack.services import cloudwatch

MAX_ENTRIES = 5_000
RETENTION = 30 * 86_400
"""Seconds."""
_SURPLUS = 100
"""How many more there may be, so that not each entry moves the others."""


def kept(entries: list[Any]) -> list[Any]:
    """Return the same list without what is older or more than is kept. The entries are in the order of their time."""
    if len(entries) > MAX_ENTRIES + _SURPLUS:
        del entries[:-MAX_ENTRIES]
    oldest = time.time() - RETENTION
    while entries and datetime.fromisoformat(entries[0]["Timestamp"]).timestamp() < oldest:
        del entries[0]
    return entries


def apply() -> None:
    history = cloudwatch._history_entries
    cloudwatch._history_entries = lambda: kept(history())
