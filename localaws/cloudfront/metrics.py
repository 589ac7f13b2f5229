"""The CloudWatch metrics of a distribution, in the namespace `AWS/CloudFront`.

`Requests`, `BytesDownloaded`, `4xxErrorRate` and `5xxErrorRate` are AWS's metrics. `CacheHits`, `CacheMisses`,
`CollapsedRequests` and `OriginRequests` are additional ones, because AWS has only a `CacheHitRate`.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/programming-cloudwatch-metrics.html
"""

from __future__ import annotations

from collections import Counter
from typing import Any

NAMESPACE = "AWS/CloudFront"


class Metrics:
    """The counts since the last call of `publish`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count_response(self, status: int, *, hit: bool) -> None:
        """Count a response to a viewer."""
        self._counts["Requests"] += 1
        self._counts["CacheHits" if hit else "CacheMisses"] += 1
        if status >= 400:
            self._counts[f"{status // 100}xx"] += 1

    def count_bytes(self, size: int) -> None:
        """Count the bytes of a response's body."""
        self._counts["BytesDownloaded"] += size

    def count_collapsed(self) -> None:
        """Count a request that was served from an object that was still arriving for another request."""
        self._counts["CollapsedRequests"] += 1

    def count_origin_request(self) -> None:
        """Count a request to the origin."""
        self._counts["OriginRequests"] += 1

    @property
    def counted(self) -> bool:
        """Whether something was counted since the last call of `publish`."""
        return bool(self._counts)

    def publish(self, cloudwatch: Any, distribution_id: str) -> None:
        """Put the counts as CloudWatch metrics and reset them. Without counts, make no call."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        values: dict[str, float] = dict(counts)
        for status in ("4xx", "5xx"):
            values[f"{status}ErrorRate"] = 100 * values.pop(status, 0) / max(counts["Requests"], 1)
        dimensions = [{"Name": "DistributionId", "Value": distribution_id}, {"Name": "Region", "Value": "Global"}]
        cloudwatch.put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": dimensions,
                    "Value": value,
                    "Unit": "Percent" if name.endswith("Rate") else "Bytes" if name.startswith("Bytes") else "None",
                }
                for name, value in values.items()
            ],
        )
