"""The report of a release day: bills by the tiers of the price list, as text and as HTML."""

from __future__ import annotations

import pytest

from bench.release_day.clients import Tally
from bench.release_day.costs import PRICES, Measured, Month, with_edge, without_edge
from bench.release_day.report import Phase, Sample, page, table
from bench.release_day.servers import Work

SIZE = 100_000_000
ONE_RELEASE = Month(clients=100_000, releases=1, polls=0, rush_hours=10)


def test_transfer_is_billed_by_tiers_and_a_rush_by_more_instances() -> None:
    """10,000 GB in ten hours need nine instances, six more than the minimum."""
    bill = without_edge(SIZE, ONE_RELEASE)

    assert bill["transfer to the internet"] == pytest.approx((10_000 - 100) * 0.09)
    assert bill["EC2 instances"] == pytest.approx((3 * 730 + 6 * 10) * PRICES["instance_hour"])
    assert bill["load balancer"] == pytest.approx(730 * 0.0225 + 10_000 * 0.008)


def test_with_the_edge_the_origins_are_billed_for_what_they_sent() -> None:
    bill = with_edge(SIZE, ONE_RELEASE, Measured(origin_bytes=SIZE, origin_requests=3))

    assert bill["EC2 instances"] == pytest.approx(3 * 730 * PRICES["instance_hour"])
    assert bill["CloudFront: transfer to the internet"] == pytest.approx(8976 * 0.085)
    assert bill["CloudFront: requests"] == 0
    assert bill["load balancer"] < 730 * 0.0225 + 0.1


def test_the_report_has_the_same_content_as_text_and_as_html() -> None:
    def phase(name: str, sent: int) -> Phase:
        tally = Tally(requests=20, received=10 * SIZE, seen=[1.0], done=[2.0, 3.0])
        edge = {"Requests": 20, "CacheHits": 18, "CollapsedRequests": 9, "OriginRequests": 2}
        return Phase(name, tally, Work(sent // SIZE, sent, 1.5), edge, [Sample(3.0, 10 * SIZE, sent, 10)])

    before, after = phase("without the edge", 10 * SIZE), phase("with the edge", SIZE)
    bills = ({"a": 10.0, "b": 1.0}, {"a": 5.5})

    text = table(before, after, bills, Month(), SIZE)
    shown = page(before, after, bills, Month(), 10, SIZE)

    for said in ("1,000.0", "90.0%", "10.00", "$11.00", "$5.50"):
        assert said in text
        assert said in shown
    assert shown.count("<polyline") == 4
