"""The quotas of an account that a stage like another meets first, and how much of each is used.

https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.account import client

GLOBAL_REGION = "us-east-1"
"""The Region in which Service Quotas has the quotas of global services."""

GLOBAL_SERVICES = ("cloudfront", "iam")


@dataclass(frozen=True)
class Quota:
    """A number of resources that an account may have, in a Region or, of a global service, in all.

    ``code`` is that of Service Quotas, and None for a quota that Service Quotas does not show. ``default`` is its value
    in a new account. ``used`` counts the resources that there are.
    """

    type: str
    name: str
    service: str
    code: str | None
    default: int
    used: Callable[[], int]

    def value(self) -> int:
        """Return the value that the account has."""
        return applied(self.service, self.code, self.default)

    def remedy(self, wanted: int) -> str:
        """Return what asks AWS for a higher value."""
        if self.code is None:
            return "ask for more at https://support.console.aws.amazon.com/support/home#/case/create"
        return request(self.service, self.code, wanted)


def applied(service: str, code: str | None, default: int) -> int:
    """Return the account's value of a quota: *default* if Service Quotas does not show it."""
    if code is None:
        return default
    service_quotas = client("service-quotas", GLOBAL_REGION if service in GLOBAL_SERVICES else None)
    try:
        return int(service_quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
    except service_quotas.exceptions.NoSuchResourceException:
        return default


def request(service: str, code: str, wanted: int) -> str:
    """Return the command that asks AWS for a higher value of a quota."""
    region = f" --region {GLOBAL_REGION}" if service in GLOBAL_SERVICES else ""
    return (
        f"aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code} "
        f"--desired-value {wanted}{region}"
    )


def listed(service: str, operation: str, *path: str, **request: Any) -> Iterator[Any]:
    """Yield the items of all pages of an operation that lists; *path* leads to them in the answer."""
    lists = client(service)
    if lists.can_paginate(operation):
        pages: Iterable[Any] = lists.get_paginator(operation).paginate(**request)
    else:
        pages = [getattr(lists, operation)(**request)]
    for page in pages:
        for name in path[:-1]:
            page = page[name]
        yield from page.get(path[-1]) or []


def _count(service: str, operation: str, *path: str, **request: Any) -> Callable[[], int]:
    return lambda: sum(1 for _ in listed(service, operation, *path, **request))


def _policies(kind: str) -> Callable[[], int]:
    return _count(
        "cloudfront", f"list_{kind}_policies", f"{kind.title().replace('_', '')}PolicyList", "Items", Type="custom"
    )


QUOTAS = (
    Quota("AWS::CloudFront::CachePolicy", "cache policies", "cloudfront", "L-7D134442", 20, _policies("cache")),
    Quota(
        "AWS::CloudFront::ResponseHeadersPolicy",
        "response headers policies",
        "cloudfront",
        None,
        20,
        _policies("response_headers"),
    ),
    Quota(
        "AWS::CloudFront::PublicKey",
        "public keys of CloudFront",
        "cloudfront",
        None,
        10,
        _count("cloudfront", "list_public_keys", "PublicKeyList", "Items"),
    ),
    Quota(
        "AWS::CloudFront::KeyGroup",
        "key groups",
        "cloudfront",
        "L-D64DA6E2",
        10,
        _count("cloudfront", "list_key_groups", "KeyGroupList", "Items"),
    ),
    Quota("AWS::EC2::VPC", "VPCs", "vpc", "L-F678F1CE", 5, _count("ec2", "describe_vpcs", "Vpcs")),
    Quota("AWS::S3::Bucket", "buckets", "s3", "L-DC2B2D3D", 10_000, _count("s3", "list_buckets", "Buckets")),
    Quota("AWS::IAM::Role", "roles", "iam", "L-FE177D64", 1_000, _count("iam", "list_roles", "Roles")),
    Quota(
        "AWS::CloudFormation::Stack",
        "stacks",
        "cloudformation",
        "L-0485CB21",
        2_000,
        _count("cloudformation", "describe_stacks", "Stacks"),
    ),
)
"""The quotas that preflight counts: https://docs.aws.amazon.com/general/latest/gr/cf_region.html and its siblings."""


def is_missing(error: ClientError) -> bool:
    """Return whether AWS answered that there is no such resource."""
    said = f"{error.response['Error']['Code']} {error.response['Error'].get('Message', '')}".lower().replace(" ", "")
    return any(word in said for word in ("notfound", "nonexistent", "doesnotexist", "nosuch", "404"))
