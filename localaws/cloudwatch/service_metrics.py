"""Gap: each value that a service records is a data point of its own, so memory grows with each invocation.

As AWS does, this keeps the values of a minute together: a data point for each value, with how often it was recorded.
From the seventeenth value of a minute on, values have two significant digits, so percentiles stay right within 5 %.
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Resolution_definition
No longer needed when two invocations of a function in a minute add one data point to its metric Invocations.
"""

import itertools
import time
from typing import Any

from ministack.services import cloudwatch

MINUTE = 60
EXACT = 16
"""How many values of a minute are kept exactly."""


def record(
    namespace: str, name: str, value: float, unit: str = "None", dimensions: dict[str, str] | None = None
) -> None:
    """Add a value to a metric in the account and Region of the request."""
    dimensions = dimensions or {}
    points = cloudwatch._metric_bucket((namespace, name, cloudwatch._dims_key(dimensions)))
    now = time.time()
    recorded = of_minute(points, now)
    if len(recorded) >= EXACT:
        value = float(f"{value:.2g}")
    for point in recorded:
        if (point["Value"], point["Unit"]) == (value, unit) and "_stat" not in point:
            point["Count"] = point.get("Count", 1.0) + 1.0
            return
    points.append({"Timestamp": now, "Value": float(value), "Unit": unit, "Dimensions": dimensions})


def of_minute(points: list[Any], now: float) -> list[Any]:
    """Return those of *points* that are of this minute. The points are in the order of time."""
    first = now // MINUTE * MINUTE
    return list(itertools.takewhile(lambda point: point["Timestamp"] >= first, reversed(points)))


def apply() -> None:
    cloudwatch.record_metric = record
