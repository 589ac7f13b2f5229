"""EC2: the zones of a Region, what an instance type has, where it is offered, and the quota of vCPUs."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import WaiterError

from localaws.testing import refusal

ZONE_TYPE = [{"Name": "zone-type", "Values": ["availability-zone"]}]


def client(emulator: str, service: str = "ec2", region: str = "us-east-1") -> Any:
    return boto3.client(service, region, endpoint_url=emulator)


@pytest.mark.parametrize(("region", "count"), [("us-east-1", 3), ("us-west-1", 2)])
def test_a_region_has_as_many_zones_as_a_new_account_has_there(emulator: str, region: str, count: int) -> None:
    answer = client(emulator, region=region).describe_availability_zones(Filters=ZONE_TYPE)

    assert [zone["ZoneName"] for zone in answer["AvailabilityZones"]] == [
        f"{region}{letter}" for letter in "abc"[:count]
    ]


def test_a_template_cannot_take_the_third_of_two_zones(emulator: str) -> None:
    third = {"Fn::Select": [2, {"Fn::GetAZs": ""}]}
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": third}}
    template = json.dumps({"Resources": {"Zone": parameter}})
    cloudformation = client(emulator, "cloudformation", "us-west-1")

    def create() -> None:
        cloudformation.create_stack(StackName="third", TemplateBody=template)
        try:
            cloudformation.get_waiter("stack_create_complete").wait(StackName="third", WaiterConfig={"Delay": 1})
        except WaiterError:
            events = cloudformation.describe_stack_events(StackName="third")["StackEvents"]
            reasons = " ".join(event.get("ResourceStatusReason", "") for event in events)
            raise AssertionError(reasons) from None

    try:
        said = refusal(create)
    except AssertionError as failed:
        said = str(failed)
    assert "Fn::Select cannot select nonexistent value at index 2" in said


@pytest.mark.parametrize(
    ("name", "vcpus", "architecture"),
    [("c7g.medium", 1, "arm64"), ("t3.micro", 2, "x86_64"), ("m5.large", 2, "x86_64"), ("c7g.4xlarge", 16, "arm64")],
)
def test_an_instance_type_has_the_vcpus_of_its_size(emulator: str, name: str, vcpus: int, architecture: str) -> None:
    (described,) = client(emulator).describe_instance_types(InstanceTypes=[name])["InstanceTypes"]

    assert described["VCpuInfo"]["DefaultVCpus"] == vcpus
    assert described["ProcessorInfo"]["SupportedArchitectures"] == [architecture]


def test_an_instance_type_that_does_not_exist_is_refused(emulator: str) -> None:
    said = refusal(lambda: client(emulator).describe_instance_types(InstanceTypes=["q1.huge"]))

    assert said == "InvalidInstanceType: The following supplied instance types do not exist: [q1.huge]"


def test_an_instance_type_is_offered_in_each_zone(emulator: str) -> None:
    def offered(name: str) -> list[str]:
        filters = [{"Name": "instance-type", "Values": [name]}]
        answer = client(emulator).describe_instance_type_offerings(LocationType="availability-zone", Filters=filters)
        return [offering["Location"] for offering in answer["InstanceTypeOfferings"]]

    assert offered("c7g.medium") == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert offered("q1.huge") == []


def test_a_new_account_may_start_five_vcpus(emulator: str) -> None:
    ec2 = client(emulator, region="eu-west-2")
    quotas = client(emulator, "service-quotas", "eu-west-2")
    quota = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
    assert quotas.get_service_quota(**quota)["Quota"]["Value"] == 5

    ec2.run_instances(ImageId="ami-1", InstanceType="c7g.large", MinCount=2, MaxCount=2)
    more = lambda: ec2.run_instances(ImageId="ami-1", InstanceType="c7g.large", MinCount=1, MaxCount=1)  # noqa: E731
    assert refusal(more).startswith("VcpuLimitExceeded: You have requested more vCPU capacity")

    quotas.request_service_quota_increase(**quota, DesiredValue=8)
    more()
