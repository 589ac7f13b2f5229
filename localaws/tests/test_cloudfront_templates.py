"""Distributions that a template makes."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ParamValidationError

CONFIG = {
    "Enabled": True,
    "Comment": "a test",
    "Origins": [
        {"Id": "api", "DomainName": "api.example", "CustomOriginConfig": {"OriginProtocolPolicy": "https-only"}},
        {
            "Id": "own",
            "DomainName": "own.example",
            "CustomOriginConfig": {"OriginProtocolPolicy": "match-viewer", "HTTPPort": 8080, "HTTPSPort": 8443},
        },
    ],
    "DefaultCacheBehavior": {
        "TargetOriginId": "api",
        "ViewerProtocolPolicy": "https-only",
        "CachePolicyId": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
    },
}


def changed(endpoint: str) -> list[tuple[int, int]]:
    """Send the configuration of a new distribution back with another path, and return the ports of its origins."""
    cloudformation: Any = boto3.client("cloudformation", endpoint_url=endpoint)
    cloudfront: Any = boto3.client("cloudfront", endpoint_url=endpoint)
    resource = {"Type": "AWS::CloudFront::Distribution", "Properties": {"DistributionConfig": CONFIG}}
    cloudformation.create_stack(StackName="edge", TemplateBody=json.dumps({"Resources": {"Edge": resource}}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="edge", WaiterConfig={"Delay": 1})
    made = cloudformation.describe_stack_resource(StackName="edge", LogicalResourceId="Edge")["StackResourceDetail"]
    found = cloudfront.get_distribution_config(Id=made["PhysicalResourceId"])
    config = found["DistributionConfig"]
    config["Origins"]["Items"][0]["OriginPath"] = "/other"
    cloudfront.update_distribution(Id=made["PhysicalResourceId"], IfMatch=found["ETag"], DistributionConfig=config)
    origins = cloudfront.get_distribution_config(Id=made["PhysicalResourceId"])["DistributionConfig"]["Origins"][
        "Items"
    ]
    assert origins[0]["OriginPath"] == "/other"
    return [(o["CustomOriginConfig"]["HTTPPort"], o["CustomOriginConfig"]["HTTPSPort"]) for o in origins]


def test_the_configuration_of_a_distribution_can_be_sent_back(emulator: str, bare_emulator: str) -> None:
    assert changed(emulator) == [(80, 443), (8080, 8443)]
    with pytest.raises(ParamValidationError, match="HTTPPort"):
        changed(bare_emulator)
