"""CloudFormation: how stacks, change sets and events are described, and which change sets fail."""

from __future__ import annotations

import itertools
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

names = (f"descriptions-{number}" for number in itertools.count())
PARAMETERS = {
    "Resources": {
        name: {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}} for name in "ABC"
    },
    "Description": "three parameters",
}
SECRET = {
    "Resources": {"Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "one"}}},
    "Outputs": {"Secret": {"Value": {"Ref": "Secret"}}},
}
INVALID = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"Colour": "red"}}}}


@pytest.fixture(scope="module")
def cloudformation(emulator: str) -> Any:
    return boto3.client("cloudformation", endpoint_url=emulator)


def create_change_set(cloudformation: Any, name: str, template: dict[str, Any]) -> None:
    cloudformation.create_change_set(
        StackName=name, ChangeSetName="one", ChangeSetType="CREATE", TemplateBody=json.dumps(template)
    )


def deploy(cloudformation: Any, template: dict[str, Any]) -> dict[str, Any]:
    """Create a stack by a change set, and return its description."""
    name = next(names)
    create_change_set(cloudformation, name, template)
    cloudformation.execute_change_set(StackName=name, ChangeSetName="one")
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})
    stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return stack


def test_a_stack_is_described_as_on_aws(cloudformation: Any) -> None:
    stack = deploy(cloudformation, PARAMETERS)
    assert stack["Description"] == "three parameters"
    assert ":changeSet/one/" in stack["ChangeSetId"]
    assert stack["RollbackConfiguration"] == {}
    assert stack["NotificationARNs"] == []
    assert not {"StackStatusReason", "Outputs", "Parameters", "Capabilities"} & stack.keys()


def test_a_deleted_stack_has_a_time_of_deletion(cloudformation: Any) -> None:
    stack = deploy(cloudformation, PARAMETERS)
    cloudformation.delete_stack(StackName=stack["StackId"])
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack["StackId"], WaiterConfig={"Delay": 0.1})
    (deleted,) = cloudformation.describe_stacks(StackName=stack["StackId"])["Stacks"]
    assert deleted["DeletionTime"] >= deleted["CreationTime"]


def test_events_have_an_order(cloudformation: Any) -> None:
    stack = deploy(cloudformation, PARAMETERS)
    events = cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    times = [event["Timestamp"] for event in events]
    assert len(set(times)) == len(times)
    assert all(event.get("ResourceStatusReason", "none") for event in events)


def test_a_change_set_of_a_missing_stack_names_the_stack(cloudformation: Any) -> None:
    with pytest.raises(ClientError, match=r"Stack \[missing\] does not exist"):
        cloudformation.describe_change_set(StackName="missing", ChangeSetName="one")


def test_a_missing_resource_is_named_as_on_aws(cloudformation: Any) -> None:
    name = deploy(cloudformation, PARAMETERS)["StackName"]
    with pytest.raises(ClientError, match=f"Resource D does not exist for stack {name}"):
        cloudformation.describe_stack_resource(StackName=name, LogicalResourceId="D")


def test_a_reference_to_a_secret_is_its_arn(cloudformation: Any, emulator: str) -> None:
    stack = deploy(cloudformation, SECRET)
    (output,) = stack["Outputs"]
    secrets = boto3.client("secretsmanager", endpoint_url=emulator)
    changed = json.dumps(SECRET).replace("one", "two")
    cloudformation.update_stack(StackName=stack["StackName"], TemplateBody=changed)
    cloudformation.get_waiter("stack_update_complete").wait(StackName=stack["StackName"], WaiterConfig={"Delay": 0.1})
    assert secrets.get_secret_value(SecretId=output["OutputValue"])["SecretString"] == "two"
    assert secrets.describe_secret(SecretId=output["OutputValue"])["ARN"] == output["OutputValue"]

    cloudformation.delete_stack(StackName=stack["StackName"])
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack["StackId"], WaiterConfig={"Delay": 0.1})
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        secrets.describe_secret(SecretId=output["OutputValue"])


CONDITIONS = {
    "Parameters": {"Wanted": {"Type": "String", "Default": False, "AllowedValues": [True, False]}},
    "Mappings": {"Regions": {"us-east-1": {"wanted": "true"}}},
    "Conditions": {
        "Sub": {"Fn::Equals": [{"Fn::Sub": "in ${AWS::Region}"}, "in us-east-1"]},
        "Map": {"Fn::Equals": [{"Fn::FindInMap": ["Regions", {"Ref": "AWS::Region"}, "wanted"]}, {"Ref": "Wanted"}]},
        "Boolean": {"Fn::And": [{"Condition": "Sub"}, {"Fn::Equals": [True, {"Ref": "Wanted"}]}]},
        "Not": {"Fn::Not": [{"Condition": "Boolean"}]},
    },
    "Resources": PARAMETERS["Resources"],
    "Outputs": {name: {"Condition": name, "Value": name} for name in ("Sub", "Map", "Boolean", "Not")},
}


def test_conditions_evaluate_every_function(cloudformation: Any) -> None:
    name = next(names)
    wanted = [{"ParameterKey": "Wanted", "ParameterValue": "true"}]
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(CONDITIONS), Parameters=wanted)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    assert {output["OutputKey"] for output in stack["Outputs"]} == {"Sub", "Map", "Boolean"}


def test_a_change_set_with_invalid_properties_fails(cloudformation: Any) -> None:
    name = next(names)
    create_change_set(cloudformation, name, INVALID)
    waiter = cloudformation.get_waiter("change_set_create_complete")
    with pytest.raises(WaiterError):
        waiter.wait(StackName=name, ChangeSetName="one", WaiterConfig={"Delay": 0.1})
    change_set = cloudformation.describe_change_set(StackName=name, ChangeSetName="one")
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "AWS::EarlyValidation::PropertyValidation" in change_set["StatusReason"]


def test_the_bare_emulator_describes_otherwise(bare_emulator: str) -> None:
    cloudformation = boto3.client("cloudformation", endpoint_url=bare_emulator)
    create_change_set(cloudformation, "bare", INVALID)
    assert cloudformation.describe_change_set(StackName="bare", ChangeSetName="one")["ExecutionStatus"] == "AVAILABLE"
    stack = deploy(cloudformation, SECRET)
    assert "ChangeSetId" not in stack
    assert not stack["Outputs"][0]["OutputValue"].startswith("arn:")
