"""Gap: every call to CloudWatch looks at all data points of all metrics, so calls slow down as metrics are put.

Data points are kept for two weeks. Here, those that are older are looked for once a minute.
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#metrics-retention
No longer needed when ListMetrics takes as long after a day of PutMetricData as before.
"""

import time
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch

INTERVAL = 60
"""Seconds from one look at all data points to the next."""


def at_most_once_a_minute(evict: Any) -> Any:
    """Wrap what deletes the old data points of the account and Region of a request."""
    last: dict[tuple[str, str], float] = {}

    def evict_old_metrics() -> None:
        scope = get_account_id(), get_region()
        if time.monotonic() - last.get(scope, -INTERVAL) >= INTERVAL:
            last[scope] = time.monotonic()
            evict()

    return evict_old_metrics


def apply() -> None:
    cloudwatch._evict_old_metrics = at_most_once_a_minute(cloudwatch._evict_old_metrics)
