"""Gap: an account can have any number of buckets, roles, stacks, VPCs, cache policies, public keys and key groups.

The default VPC of a Region counts, and cache policies that AWS manages do not. A name that exists already is not
counted again.
AWS: https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html
AWS: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
AWS: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
No longer needed when CreateVpc for a sixth VPC of a Region answers `VpcLimitExceeded`.
"""

from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

from ministack.services import cloudformation, cloudfront, ec2, iam, s3
from ministack.services.cloudformation import handlers, helpers, provisioners

from localaws.account import quotas
from localaws.account.quotas import applied


@dataclass(frozen=True)
class Limit:
    """The limit of one kind of resource, and AWS's error for a resource beyond it."""

    resource_type: str
    resources: Callable[[], Sized]
    quota: quotas.Quota | float
    code: str
    message: str

    def exceeded(self) -> str | None:
        """Return AWS's message if the account has as many as it may have."""
        value = applied(self.quota) if isinstance(self.quota, quotas.Quota) else self.quota
        return self.message.format(int(value)) if len(self.resources()) >= value else None


BUCKETS = Limit(
    "AWS::S3::Bucket",
    lambda: s3._buckets,
    quotas.BUCKETS,
    "TooManyBuckets",
    "You have attempted to create more buckets than allowed",
)
CACHE_POLICIES = Limit(
    "AWS::CloudFront::CachePolicy",
    lambda: cloudfront._cache_policies,
    quotas.CACHE_POLICIES,
    "TooManyCachePolicies",
    "You have reached the maximum number of cache policies for this AWS account.",
)
KEY_GROUPS = Limit(
    "AWS::CloudFront::KeyGroup",
    lambda: cloudfront._key_groups,
    quotas.KEY_GROUPS,
    "TooManyKeyGroups",
    "You have reached the maximum number of key groups for this AWS account.",
)
PUBLIC_KEYS = Limit(
    "AWS::CloudFront::PublicKey",
    lambda: cloudfront._public_keys,
    quotas.PUBLIC_KEYS,
    "TooManyPublicKeys",
    "Processing your request will cause you to exceed the maximum number of CloudFront public keys allowed.",
)
ROLES = Limit(
    "AWS::IAM::Role",
    lambda: [role for role in iam._roles.values() if not role.get("Path", "").startswith("/aws-service-role/")],
    quotas.ROLES,
    "LimitExceeded",
    "Cannot exceed quota for RolesPerAccount: {}",
)
STACKS = Limit(
    "AWS::CloudFormation::Stack",
    lambda: [each for each in cloudformation._stacks.values() if each.get("StackStatus") != "DELETE_COMPLETE"],
    quotas.STACKS,
    "LimitExceededException",
    "Limit for stack has been exceeded",
)
VPCS = Limit(
    "AWS::EC2::VPC",
    lambda: ec2._vpcs,
    quotas.VPCS,
    "VpcLimitExceeded",
    "The maximum number of VPCs has been reached.",
)


def limited(limit: Limit, create: Any, error: Callable[[str, str], Any]) -> Any:
    """Wrap the operation that creates a resource: create one more only within the limit."""

    def create_within_limit(*arguments: Any, **named: Any) -> Any:
        message = limit.exceeded()
        return error(limit.code, message) if message else create(*arguments, **named)

    return create_within_limit


def limited_by_name(limit: Limit, create: Any, names: Any, name: Callable[..., str], error: Any) -> Any:
    """Wrap an operation whose resource has a name: a name that exists gets the answer of the operation."""
    within_limit = limited(limit, create, error)

    def create_named(*arguments: Any, **named: Any) -> Any:
        known = name(*arguments) in names
        return create(*arguments, **named) if known else within_limit(*arguments, **named)

    return create_named


def limited_provision(limit: Limit, provision: Any) -> Any:
    """Wrap the creation of a resource by CloudFormation."""

    def provision_within_limit(*arguments: Any, **named: Any) -> Any:
        if message := limit.exceeded():
            raise ValueError(
                f"Resource handler returned message: \"Limit exceeded for resource of type '{limit.resource_type}'. "
                f'Reason: {message}" (HandlerErrorCode: ServiceLimitExceeded)'
            )
        return provision(*arguments, **named)

    return provision_within_limit


def apply() -> None:
    def cloudfront_error(code: str, message: str) -> Any:
        return cloudfront._error(code, message, 400)

    cloudfront._create_cache_policy = limited(CACHE_POLICIES, cloudfront._create_cache_policy, cloudfront_error)
    cloudfront._create_key_group = limited(KEY_GROUPS, cloudfront._create_key_group, cloudfront_error)
    cloudfront._create_public_key = limited(PUBLIC_KEYS, cloudfront._create_public_key, cloudfront_error)
    vpc_error = lambda code, message: ec2._error(code, message, 400)  # noqa: E731
    ec2._ACTION_MAP["CreateVpc"] = limited(VPCS, ec2._ACTION_MAP["CreateVpc"], vpc_error)
    iam._IAM_HANDLERS["CreateRole"] = limited_by_name(
        ROLES,
        iam._IAM_HANDLERS["CreateRole"],
        iam._roles,
        lambda params: str(iam._p(params, "RoleName")),
        lambda code, message: iam._error(409, code, message),
    )
    s3._create_bucket = limited_by_name(
        BUCKETS,
        s3._create_bucket,
        s3._buckets,
        lambda bucket, *_: str(bucket),
        lambda code, message: s3._error(code, message, 400),
    )
    handlers._ACTION_HANDLERS["CreateStack"] = limited_by_name(
        STACKS,
        handlers._ACTION_HANDLERS["CreateStack"],
        cloudformation._stacks,
        lambda params: str(helpers._p(params, "StackName")),
        helpers._error,
    )
    for limit in (BUCKETS, CACHE_POLICIES, ROLES, VPCS):
        resource = provisioners._RESOURCE_HANDLERS[limit.resource_type]
        resource["create"] = limited_provision(limit, resource["create"])
