"""The stack of an app's DAX cluster, in the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from amazondax import AmazonDaxClient

TEMPLATE = Path(__file__).parents[2] / "deploy" / "dax.yaml"
STACK = "todo-app-dax"
TABLE = "todo-app-test-todos"
NOTE = {"owner": {"S": "ann"}, "id": {"N": "1"}, "title": {"S": "new"}}
PARAMETERS = {
    "App": "todo-app",
    "Stage": "test",
    "EndpointEncryption": "NONE",
    "ClientBucket": "code",
    "ClientKey": "client.zip",
}


@pytest.fixture
def exports(emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The exports of the deployed stack."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    cloudformation, s3 = boto3.client("cloudformation"), boto3.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="client.zip", Body=b"PK\5\6" + bytes(18))
    cloudformation.create_stack(
        StackName=STACK,
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    yield {each["Name"]: each["Value"] for each in cloudformation.list_exports()["Exports"]}
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})


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
