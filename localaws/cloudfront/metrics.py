"""Counts of one distribution, in CloudWatch's namespace `AWS/CloudFront` with CloudFront's dimensions.

`Requests`, `BytesDownloaded`, `4xxErrorRate` and `5xxErrorRate` are AWS's own; `CacheHits`, `CacheMisses`,
`CollapsedRequests` and `OriginRequests` are ours, as AWS gives only a `CacheHitRate`.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/programming-cloudwatch-metrics.html
"""

from __future__ import annotations

from collections import Counter
from typing import Any

NAMESPACE = "AWS/CloudFront"


class Metrics:
    """What happened since the last publication."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def served(self, status: int, *, hit: bool) -> None:
        self._counts["Requests"] += 1
        self._counts["CacheHits" if hit else "CacheMisses"] += 1
        if status >= 400:
            self._counts[f"{status // 100}xx"] += 1

    def sent(self, size: int) -> None:
        self._counts["BytesDownloaded"] += size

    def collapsed(self) -> None:
        """Count a request that was answered from what another had asked the origin for, while that arrived."""
        self._counts["CollapsedRequests"] += 1

    def asked_origin(self) -> None:
        self._counts["OriginRequests"] += 1

    def publish(self, cloudwatch: Any, distribution_id: str) -> None:
        """Put the counts where the console and anyone else read them; nothing, when nothing happened."""
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
