"""Gap: every Region has three Availability Zones.

A new account has two zones in us-west-1, so a template that takes the third of `Fn::GetAZs` fails there.
AWS: https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html
No longer needed when DescribeAvailabilityZones returns two zones in us-west-1.
"""

import re
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_region
from ministack.services import ec2
from ministack.services.cloudformation import engine

TWO_ZONES = ("us-west-1",)
"""The Regions in which a new account has two zones."""

THIRD = re.compile(rb"\s*<item>\s*<zoneName>[a-z0-9-]+c</zoneName>.*?</item>", re.DOTALL)


def zones(region: str) -> list[str]:
    """Return the names of the Region's Availability Zones."""
    return [f"{region}{letter}" for letter in ("ab" if region in TWO_ZONES else "abc")]


def describe(describe_zones: Any) -> Any:
    def describe_zones_of_region(params: Any) -> Any:
        status, headers, body = describe_zones(params)
        return status, headers, THIRD.sub(b"", body) if get_region() in TWO_ZONES else body

    return describe_zones_of_region


def resolve(resolve_refs: Any) -> Any:
    def resolve_zones(value: Any, *context: Any) -> Any:
        resolved = resolve_refs(value, *context)
        if isinstance(value, Mapping) and "Fn::GetAZs" in value and resolved:
            return zones(get_region())
        return resolved

    return resolve_zones


def apply() -> None:
    ec2._ACTION_MAP["DescribeAvailabilityZones"] = describe(ec2._ACTION_MAP["DescribeAvailabilityZones"])
    engine._resolve_refs = resolve(engine._resolve_refs)
