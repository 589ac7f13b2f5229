"""The stack of an app's DAX cluster, in the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from amazondax import AmazonDaxClient

from deploy import apps, stacks
from deploy.errors import StackFailed

TEMPLATE = Path(__file__).parents[2] / "deploy" / "dax.yaml"
STACK = "todo-app-dax"
TABLE = "todo-app-test-todos"
NOTE = {"owner": {"S": "ann"}, "id": {"N": "1"}, "title": {"S": "new"}}
PARAMETERS = {
    "App": "todo-app",
    "Stage": "test",
    "EndpointEncryption": "NONE",
    "IdentityEndpoint": "true",
}
LAYER = "todo-app-test-dax-client"


@pytest.fixture
def aws(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the clients of the deployment to the emulator."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)


@pytest.fixture
def exports(aws: None) -> Iterator[dict[str, str]]:
    """The exports of the deployed stack."""
    stacks.deploy(STACK, TEMPLATE.read_text(), PARAMETERS)
    yield {each["Name"]: each["Value"] for each in boto3.client("cloudformation").list_exports()["Exports"]}
    stacks.delete(STACK)


def test_the_template_deploys_and_exports_what_the_functions_need(exports: dict[str, str]) -> None:
    ec2: Any = boto3.client("ec2")
    subnets = ec2.describe_subnets(SubnetIds=exports["todo-app-test-subnets"].split(","))["Subnets"]
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 3
    group = exports["todo-app-test-functions-security-group"]
    assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["VpcId"] == subnets[0]["VpcId"]
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    services = {each["ServiceName"].rpartition(".")[2]: each["VpcEndpointType"] for each in endpoints}
    assert services == {"dynamodb": "Gateway", "s3": "Gateway", "cognito-identity": "Interface"}


def test_the_cluster_serves_the_tables_of_the_app(exports: dict[str, str]) -> None:
    keys = {"owner": "HASH", "id": "RANGE"}
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "owner", "AttributeType": "S"},
            {"AttributeName": "id", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],  # type: ignore[misc]
    )
    with AmazonDaxClient(endpoint_url=exports["todo-app-test-dax-endpoint"], region_name="us-east-1") as dax:
        dax.put_item(TableName=TABLE, Item=NOTE)
        assert dax.get_item(TableName=TABLE, Key={name: NOTE[name] for name in keys})["Item"] == NOTE


def test_a_new_client_changes_no_export(exports: dict[str, str]) -> None:
    """The client is in the stack of the app: an export that another stack imports cannot change."""
    assert LAYER not in exports
    for app in ("todo-app", "blog-app"):
        layers = [r["Type"] for r in apps.template(app, "app")["Resources"].values() if "Type" in r]
        assert "AWS::Lambda::LayerVersion" in layers


def test_a_stage_whose_cluster_has_the_client_is_updated(aws: None) -> None:
    """It was deployed before the app had the client. The app's stack imports the layer from the cluster's stack."""
    first, second = (stacks.upload(content, ".zip") for content in (b"PK\5\6" + bytes(18), b"PK\5\6" + bytes(19)))
    older = PARAMETERS | dict(zip(("ClientBucket", "ClientKey"), first, strict=True))
    stacks.deploy(STACK, TEMPLATE.read_text(), older)
    imported = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Fn::ImportValue": LAYER}}}
    stacks.deploy("todo-app-importing", json.dumps({"Resources": {"Layer": imported}}), {})
    try:
        with pytest.raises(StackFailed, match=LAYER):
            stacks.deploy(STACK, TEMPLATE.read_text(), {"ClientKey": second[1]})

        outputs = stacks.deploy(STACK, TEMPLATE.read_text(), PARAMETERS | {"Nodes": "1"})

        assert LAYER in outputs["Client"]
    finally:
        stacks.delete("todo-app-importing")
        stacks.delete(STACK)
