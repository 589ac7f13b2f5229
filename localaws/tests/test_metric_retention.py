"""Old data points are deleted, and a call to CloudWatch does not look at all of them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ministack.services import cloudwatch

from localaws.cloudwatch import metric_retention

DAY = 86_400


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The data points at which CloudWatch looked: one that is older than the retention, and one that is not."""
    looked_at: list[str] = []

    class Point(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            looked_at.append(self.get("name"))
            return super().__getitem__(name)

    points = [Point(name=name, Timestamp=time.time() - days * DAY) for name, days in (("old", 99), ("new", 0))]
    metrics = cloudwatch.AccountRegionScopedDict()
    metrics["requests"] = points
    monkeypatch.setattr(cloudwatch, "_metrics", metrics)
    monkeypatch.setattr(cloudwatch, "_evict_old_metrics", cloudwatch._evict_old_metrics)
    return looked_at


def test_the_emulator_looks_at_all_points_in_each_call(looked_at: list[str]) -> None:
    for _ in range(3):
        cloudwatch._evict_old_metrics()

    assert looked_at.count("new") == 3, "ministack no longer needs localaws/cloudwatch/metric_retention.py; delete it"


def test_old_points_are_deleted_once_for_many_calls(looked_at: list[str]) -> None:
    metric_retention.apply()

    for _ in range(3):
        cloudwatch._evict_old_metrics()

    assert looked_at == ["old", "new"]
    assert [point["name"] for point in cloudwatch._metrics["requests"]] == ["new"]
