"""Estimates the cost of a month of releases at AWS's list prices, from the measurement of one release.

Excludes what costs the same on both sides: the file system, the VPC endpoints and the storage of logs.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRICES: dict[str, Any] = json.loads((Path(__file__).parent / "prices.json").read_text())
GB = 1e9
INSTANCES = 3
INSTANCE_GB_HOUR = 120
"""GB that an instance sends in an hour at the target of before.yaml's scaling policy: 2 GB a minute."""


@dataclass(frozen=True)
class Month:
    """The fleet and its releases in one month."""

    clients: int = 100_000
    releases: int = 2
    polls: int = 24 * 30
    """Polls of the index by each client."""
    rush_hours: float = 6
    """Hours in which most clients fetch a release."""


@dataclass(frozen=True)
class Measured:
    """The measured work of the origins for one release."""

    origin_bytes: int
    origin_requests: int


def without_edge(size: int, month: Month) -> dict[str, float]:
    """Return the items of the bill in dollars if the origins send every byte to every client."""
    sent = size * month.clients * month.releases / GB
    in_a_rush = size * month.clients / GB / month.rush_hours
    more = max(0, math.ceil(in_a_rush / INSTANCE_GB_HOUR) - INSTANCES)
    polls_gb = month.polls * month.clients * 500 / GB
    return {
        "EC2 instances": _instance_hours(more * month.rush_hours * month.releases),
        "load balancer": _load_balancer(sent + polls_gb, month.polls * month.clients),
        "transfer to the internet": _tiered(sent + polls_gb, PRICES["internet_gb"]),
    }


def with_edge(size: int, month: Month, measured: Measured) -> dict[str, float]:
    """Return the items of the bill in dollars if the origins send what was measured, for any number of clients.

    With Origin Shield, the edge requests an index from the origin at most once in five seconds.
    """
    sent = size * month.clients * month.releases / GB
    polls_gb = month.polls * month.clients * 500 / GB
    requests = month.clients * (month.releases + month.polls)
    shielded = PRICES["hours_a_month"] * 3600 / 5 + measured.origin_requests * month.releases
    return {
        "EC2 instances": _instance_hours(0),
        "load balancer": _load_balancer(measured.origin_bytes * month.releases / GB, shielded),
        "CloudFront: transfer to the internet": _tiered(sent + polls_gb, PRICES["edge_gb"]),
        "CloudFront: requests": max(0, requests - PRICES["free_https_requests"])
        / 10_000
        * PRICES["https_requests_10000"],
        "CloudFront: Origin Shield": shielded / 10_000 * PRICES["origin_shield_requests_10000"],
        "the edge's secret": PRICES["secret_month"],
    }


def _instance_hours(more: float) -> float:
    return float((INSTANCES * PRICES["hours_a_month"] + more) * PRICES["instance_hour"])


def _load_balancer(gigabytes: float, connections: float) -> float:
    """Return the cost of the hours and of the capacity units: one GB, or 25 new connections a second, for an hour."""
    units = max(gigabytes, connections / (25 * 3600))
    return float(PRICES["hours_a_month"] * PRICES["load_balancer_hour"] + units * PRICES["capacity_unit_hour"])


def _tiered(gigabytes: float, tiers: list[tuple[float | None, float]]) -> float:
    cost = 0.0
    for size, price in tiers:
        here = gigabytes if size is None else min(size, gigabytes)
        cost += here * price
        gigabytes -= here
    return cost
