"""Sums of CloudWatch metrics, many with one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched

from deploy.account import client

_QUERIES = 500
"""How many metrics a request may ask for."""


@dataclass(frozen=True)
class Metric:
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


def listed(namespace: str) -> list[Metric]:
    """Return the metrics of a namespace."""
    pages = client("cloudwatch").get_paginator("list_metrics").paginate(Namespace=namespace)
    return [
        Metric(namespace, found["MetricName"], tuple((each["Name"], each["Value"]) for each in found["Dimensions"]))
        for page in pages
        for found in page["Metrics"]
    ]


def sums(metrics: Sequence[Metric], past: timedelta) -> dict[Metric, int]:
    """Return the sum of each metric over the *past* hours or days."""
    now, found = datetime.now(UTC), dict.fromkeys(metrics, 0)
    for some in batched(metrics, _QUERIES):
        queries = {f"m{number}": metric for number, metric in enumerate(some)}
        pages = (
            client("cloudwatch")
            .get_paginator("get_metric_data")
            .paginate(
                MetricDataQueries=[_query(id, metric, past) for id, metric in queries.items()],
                StartTime=now - past,
                EndTime=now + timedelta(minutes=1),
            )
        )
        for result in (result for page in pages for result in page["MetricDataResults"]):
            found[queries[result["Id"]]] += int(sum(result["Values"]))
    return found


def _query(id: str, metric: Metric, past: timedelta) -> dict[str, object]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    asked = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
    return {"Id": id, "MetricStat": {"Metric": asked, "Period": int(past.total_seconds()), "Stat": "Sum"}}
