"""The CloudWatch metrics of a delivery stream, in the namespace `AWS/Firehose`.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html
"""

from __future__ import annotations

from collections import defaultdict
from threading import Lock
from typing import Any

NAMESPACE = "AWS/Firehose"
UNITS = {
    "Bytes": "Bytes",
    "DataFreshness": "Seconds",
    "Duration": "Milliseconds",
    "KinesisMillisBehindLatest": "Milliseconds",
}


class Metrics:
    """The values since the last call of `publish`. Thread-safe."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)
        self._changing = Lock()

    def add(self, **values: float) -> None:
        """Add a value to each named metric. `__` in a name stands for a dot."""
        with self._changing:
            for name, value in values.items():
                self._values[name.replace("__", ".")].append(value)

    def publish(self, cloudwatch: Any, stream: str) -> None:
        """Put the values as statistic sets and reset them. Without values, make no call."""
        with self._changing:
            values, self._values = self._values, defaultdict(list)
        if values:
            dimensions = [{"Name": "DeliveryStreamName", "Value": stream}]
            cloudwatch.put_metric_data(
                Namespace=NAMESPACE, MetricData=[_datum(n, dimensions, v) for n, v in values.items()]
            )


def _datum(name: str, dimensions: list[dict[str, str]], values: list[float]) -> dict[str, Any]:
    statistics = {
        "SampleCount": float(len(values)),
        "Sum": float(sum(values)),
        "Minimum": float(min(values)),
        "Maximum": float(max(values)),
    }
    unit = UNITS.get(name.rpartition(".")[2], "Count")
    return {"MetricName": name, "Dimensions": dimensions, "StatisticValues": statistics, "Unit": unit}
