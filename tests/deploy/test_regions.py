"""Templates in a Region that is not the first choice, in the emulator."""

from __future__ import annotations

import boto3
import pytest

from deploy import apps, stacks


@pytest.fixture
def ireland(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the clients of the deployment to the Region that MyBlog's tables have as their replica."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def test_the_region_of_the_replica_has_no_second_replica(ireland: None) -> None:
    template = apps.template_file("blog-app", "resources").read_text()

    outputs = stacks.deploy("blog-app-unit-resources", template, {"Stage": "unit"})

    dynamodb = boto3.Session().client("dynamodb")
    for table in (outputs["Table"], outputs["SubscribersTable"]):
        described = dynamodb.describe_table(TableName=table)["Table"]
        assert [r["RegionName"] for r in described.get("Replicas", [])] in ([], ["eu-west-1"])
    assert outputs["ReplicaRegion"] == "eu-west-1"
    stacks.delete("blog-app-unit-resources")
