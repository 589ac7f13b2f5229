"""The service quotas of a new account, and the higher values that were granted to it.

The values are AWS's defaults, except that of Lambda: "New AWS accounts have reduced concurrency and memory quotas".
Accounts start with 10 concurrent executions.
https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

from dataclasses import dataclass

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region

GLOBAL_REGION = "us-east-1"
"""The Region that has the quotas of global services."""


@dataclass(frozen=True)
class Quota:
    """One quota. ``applied`` is its value in a new account, if that is not AWS's default ``value``."""

    service: str
    service_name: str
    code: str
    name: str
    value: float
    adjustable: bool = True
    is_global: bool = False
    applied: float | None = None


BUCKETS = Quota("s3", "Amazon Simple Storage Service (Amazon S3)", "L-DC2B2D3D", "General purpose buckets", 10_000)
CACHE_POLICIES = Quota(
    "cloudfront", "Amazon CloudFront", "L-7D134442", "Cache policies per AWS account", 20, is_global=True
)
CONCURRENT_EXECUTIONS = Quota("lambda", "AWS Lambda", "L-B99A9384", "Concurrent executions", 1_000, applied=10)
KEY_GROUPS = Quota("cloudfront", "Amazon CloudFront", "L-D64DA6E2", "Key groups per AWS account", 10, is_global=True)
ROLES = Quota(
    "iam", "AWS Identity and Access Management (IAM)", "L-FE177D64", "Roles per account", 1_000, is_global=True
)
SENDING_QUOTA = Quota("ses", "Amazon Simple Email Service (Amazon SES)", "L-804C8AE8", "Sending quota", 200)
SENDING_RATE = Quota("ses", "Amazon Simple Email Service (Amazon SES)", "L-CDEF9B6B", "Sending rate", 1)
STANDARD_VCPUS = Quota(
    "ec2",
    "Amazon Elastic Compute Cloud (Amazon EC2)",
    "L-1216C47A",
    "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    5,
)
STACKS = Quota("cloudformation", "AWS CloudFormation", "L-0485CB21", "Stack count", 2_000)
VPCS = Quota("vpc", "Amazon Virtual Private Cloud (Amazon VPC)", "L-F678F1CE", "VPCs per Region", 5)

QUOTAS = (
    BUCKETS,
    CACHE_POLICIES,
    CONCURRENT_EXECUTIONS,
    KEY_GROUPS,
    ROLES,
    SENDING_QUOTA,
    SENDING_RATE,
    STACKS,
    STANDARD_VCPUS,
    VPCS,
)
"""The quotas that localaws enforces and that the Service Quotas API shows."""

PUBLIC_KEYS = 10
"""Public keys of CloudFront per account. Service Quotas does not show this quota."""

_granted = AccountRegionScopedDict()
"""By quota code the value that was granted."""


def applied(quota: Quota) -> float:
    """Return the value that applies to the account of the current request, in its Region."""
    initial = quota.value if quota.applied is None else quota.applied
    region = GLOBAL_REGION if quota.is_global else get_region()
    return float(_granted.get_scoped(get_account_id(), region, quota.code, initial))


def grant(quota: Quota, value: float) -> None:
    """Raise the quota of the account of the current request, in its Region."""
    _granted[quota.code] = value
