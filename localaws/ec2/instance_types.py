"""Gap: instance types have invented vCPUs, are offered nowhere, and an account may start any number of them.

Every instance type is offered in every Availability Zone, except types whose family EC2 does not have. The size tells
the vCPUs: 1 for small sizes of C, M and R, 2 for those of T3 and T4g and for large, and 4 for each xlarge.
AWS: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html
AWS: https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html
AWS: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html#ec2-on-demand-instances-limits
No longer needed when DescribeInstanceTypes returns one vCPU for c7g.medium.
"""

import re
from typing import Any

from ministack.core.responses import get_region
from ministack.services import ec2

from localaws.account.quotas import STANDARD_VCPUS, applied
from localaws.ec2.availability_zones import zones

NAME = re.compile(r"(?P<family>[a-z]+)(?P<generation>\d+)(?P<options>[a-z-]*)\.(?P<size>[a-z0-9-]+)")
FAMILIES = ("c", "m", "r", "t")
"""The families that localaws offers: those of web servers."""

LIMIT_EXCEEDED = (
    "You have requested more vCPU capacity than your current vCPU limit of {} allows for the instance bucket that the "
    "specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an "
    "adjustment to this limit."
)


def vcpus(name: str) -> int:
    """Return the vCPUs of an instance type."""
    parsed = NAME.fullmatch(name)
    size = parsed["size"] if parsed else "large"
    if xlarge := re.fullmatch(r"(\d*)xlarge", size):
        return 4 * int(xlarge[1] or 1)
    burstable = parsed is not None and parsed["family"] == "t" and parsed["generation"] != "2"
    return 2 if size == "large" or burstable or name == "t2.medium" else 1


def is_offered(name: str) -> bool:
    """Return whether EC2 has the instance type here."""
    parsed = NAME.fullmatch(name)
    return parsed is not None and parsed["family"] in FAMILIES


def architecture(name: str) -> str:
    parsed = NAME.fullmatch(name)
    return "arm64" if parsed and "g" in parsed["options"] else "x86_64"


def describe_types(describe: Any) -> Any:
    """Wrap DescribeInstanceTypes: refuse types that do not exist, and say what the others have."""

    def describe_known_types(params: Any) -> Any:
        requested = ec2._parse_member_list(params, "InstanceType")
        if unknown := [name for name in requested if not is_offered(name)]:
            message = f"The following supplied instance types do not exist: [{', '.join(unknown)}]"
            return ec2._error("InvalidInstanceType", message, 400)
        status, headers, body = describe(params)
        for name in re.findall(r"<instanceType>(\S+)</instanceType>", body.decode()):
            body = _corrected(body.decode(), name).encode()
        return status, headers, body

    return describe_known_types


def _corrected(text: str, name: str) -> str:
    before, mark, after = text.partition(f"<instanceType>{name}</instanceType>")
    for element, value in (
        ("defaultVCpus", vcpus(name)),
        ("defaultCores", vcpus(name)),
        ("supportedArchitectures", f"<item>{architecture(name)}</item>"),
    ):
        after = re.sub(rf"(<{element}>).*?(</{element}>)", rf"\g<1>{value}\g<2>", after, count=1, flags=re.DOTALL)
    return before + mark + after


def describe_offerings(params: Any) -> Any:
    place = ec2._p(params, "LocationType") or "region"
    filters = ec2._parse_filters(params)
    wanted = filters.get("instance-type", [])
    locations = zones(get_region()) if place == "availability-zone" else [get_region()]
    items = "".join(
        f"<item><instanceType>{name}</instanceType><locationType>{place}</locationType><location>{location}</location></item>"
        for name in wanted
        if is_offered(name)
        for location in locations
        if location in filters.get("location", locations)
    )
    return ec2._xml(
        200, "DescribeInstanceTypeOfferingsResponse", f"<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>"
    )


def run_instances(run: Any) -> Any:
    """Wrap RunInstances: start no more vCPUs than the account may have."""

    def run_within_quota(params: Any) -> Any:
        running = [each for each in ec2._instances.values() if each["State"]["Name"] in ("pending", "running")]
        used = sum(vcpus(each["InstanceType"]) for each in running)
        wanted = vcpus(ec2._p(params, "InstanceType") or "t2.micro") * int(ec2._p(params, "MaxCount") or 1)
        limit = int(applied(STANDARD_VCPUS))
        if used + wanted > limit:
            return ec2._error("VcpuLimitExceeded", LIMIT_EXCEEDED.format(limit), 400)
        return run(params)

    return run_within_quota


def apply() -> None:
    ec2._ACTION_MAP["RunInstances"] = run_instances(ec2._ACTION_MAP["RunInstances"])
    ec2._ACTION_MAP["DescribeInstanceTypes"] = describe_types(ec2._ACTION_MAP["DescribeInstanceTypes"])
    ec2._ACTION_MAP["DescribeInstanceTypeOfferings"] = describe_offerings
