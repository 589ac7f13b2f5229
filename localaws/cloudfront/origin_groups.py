"""Gap: the emulator takes a behavior that sends writes to an origin group.

CloudFront fails over for GET, HEAD and OPTIONS only, so it refuses a behavior with an origin group and other methods.
Its message is in https://github.com/aws/aws-cdk/issues/32450.
AWS: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/high_availability_origin_failover.html
No longer needed when CreateDistribution refuses a behavior with POST whose target is an origin group.
"""

from typing import Any

from ministack.services import cloudfront
from ministack.services.cloudformation import provisioners

MESSAGE = (
    "The parameter AllowedMethods cannot include POST, PUT, PATCH, or DELETE for a cached behavior associated with an "
    "origin group."
)


def sends_writes(config: Any) -> bool:
    """Return whether a behavior of a DistributionConfig element sends writes to an origin group."""
    groups = {cloudfront._text(group, "Id") for group in items(cloudfront._find(config, "OriginGroups"))}
    behaviors = [cloudfront._find(config, "DefaultCacheBehavior")]
    behaviors += items(cloudfront._find(config, "CacheBehaviors"))
    return any(
        cloudfront._text(behavior, "TargetOriginId") in groups
        and any(method.text == "POST" for method in items(cloudfront._find(behavior, "AllowedMethods")))
        for behavior in behaviors
        if behavior is not None
    )


def items(listed: Any) -> list[Any]:
    found = cloudfront._find(listed, "Items") if listed is not None else None
    return [] if found is None else list(found)


def apply() -> None:
    check, render = cloudfront._distribution_vpc_origin_error, provisioners._cf_distribution_config

    def check_groups(config: Any) -> Any:
        return cloudfront._error("InvalidArgument", MESSAGE, 400) if sends_writes(config) else check(config)

    def render_checked(properties: dict[str, Any], reference: str) -> Any:
        config = render(properties, reference)
        if sends_writes(config):
            raise ValueError(f"Invalid request provided: AWS::CloudFront::Distribution: {MESSAGE}")
        return config

    cloudfront._distribution_vpc_origin_error = check_groups
    provisioners._cf_distribution_config = render_checked
