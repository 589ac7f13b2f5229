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


def create_change_set(cloudformation: Any, name: str, template: dict[str, Any], change_set: str = "one") -> Any:
    return cloudformation.create_change_set(
        StackName=name, ChangeSetName=change_set, ChangeSetType="CREATE", TemplateBody=json.dumps(template)
    )


def wait(cloudformation: Any, name: str, state: str) -> None:
    cloudformation.get_waiter(state).wait(StackName=name, WaiterConfig={"Delay": 0.1})


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


def test_a_deleted_stack_is_found_by_its_id_after_another_took_its_name(cloudformation: Any) -> None:
    first = deploy(cloudformation, PARAMETERS)
    name = first["StackName"]
    cloudformation.delete_stack(StackName=name)
    wait(cloudformation, first["StackId"], "stack_delete_complete")
    second = create_change_set(cloudformation, name, PARAMETERS)

    (deleted,) = cloudformation.describe_stacks(StackName=first["StackId"])["Stacks"]
    (new,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    assert (deleted["StackName"], deleted["StackStatus"]) == (name, "DELETE_COMPLETE")
    assert (new["StackId"], new["StackStatus"]) == (second["StackId"], "REVIEW_IN_PROGRESS")
    change_set = cloudformation.describe_change_set(ChangeSetName=first["ChangeSetId"])
    assert (change_set["StackName"], change_set["ExecutionStatus"]) == (name, "EXECUTE_COMPLETE")
    with pytest.raises(ClientError, match="already exists and cannot be created again with the changeSet"):
        create_change_set(cloudformation, first["StackId"], PARAMETERS)


def test_the_change_sets_of_a_stack_in_review_belong_to_it(cloudformation: Any) -> None:
    name = next(names)
    first = create_change_set(cloudformation, name, PARAMETERS)
    second = create_change_set(cloudformation, first["StackId"], PARAMETERS, "two")
    assert second["StackId"] == first["StackId"]
    with pytest.raises(ClientError, match="JSON not well-formed"):
        cloudformation.create_change_set(
            StackName=name, ChangeSetName="three", ChangeSetType="CREATE", TemplateBody='{"'
        )
    cloudformation.execute_change_set(ChangeSetName=second["Id"])
    wait(cloudformation, first["StackId"], "stack_create_complete")


@pytest.mark.parametrize("action", ["delete", "describe", "execute"])
def test_the_name_of_a_change_set_needs_the_name_of_its_stack(cloudformation: Any, action: str) -> None:
    with pytest.raises(ClientError, match="StackName must be specified if ChangeSetName is not specified as an ARN"):
        getattr(cloudformation, f"{action}_change_set")(ChangeSetName="one")


def parameters(**values: str) -> dict[str, Any]:
    return {
        "Resources": {
            name: {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}
            for name, value in values.items()
        }
    }


def test_an_update_has_events_of_what_it_changes(cloudformation: Any) -> None:
    name = next(names)
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(parameters(Same="1", Changed="1", Gone="1")))
    wait(cloudformation, name, "stack_create_complete")
    created = len(cloudformation.describe_stack_events(StackName=name)["StackEvents"])
    cloudformation.update_stack(StackName=name, TemplateBody=json.dumps(parameters(Same="1", Changed="2", New="1")))
    wait(cloudformation, name, "stack_update_complete")

    events = list(reversed(cloudformation.describe_stack_events(StackName=name)["StackEvents"]))[created:]
    assert [(event["LogicalResourceId"], event["ResourceStatus"]) for event in events] == [
        (name, "UPDATE_IN_PROGRESS"),
        ("Changed", "UPDATE_IN_PROGRESS"),
        ("Changed", "UPDATE_COMPLETE"),
        ("New", "CREATE_IN_PROGRESS"),
        ("New", "CREATE_IN_PROGRESS"),
        ("New", "CREATE_COMPLETE"),
        (name, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("Gone", "DELETE_IN_PROGRESS"),
        ("Gone", "DELETE_COMPLETE"),
        (name, "UPDATE_COMPLETE"),
    ]
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    statuses = {resource["LogicalResourceId"]: resource["ResourceStatus"] for resource in resources}
    assert statuses == {"Same": "CREATE_COMPLETE", "Changed": "UPDATE_COMPLETE", "New": "CREATE_COMPLETE"}


def test_a_resource_that_an_update_adds_fails_as_created(cloudformation: Any) -> None:
    name = next(names)
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(parameters(Same="1")))
    wait(cloudformation, name, "stack_create_complete")
    failing = parameters(Same="1")
    failing["Resources"]["Policy"] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"PolicyName": "p", "PolicyDocument": {"Statement": []}, "Roles": ["missing"]},
    }
    cloudformation.update_stack(StackName=name, TemplateBody=json.dumps(failing), Capabilities=["CAPABILITY_IAM"])
    wait(cloudformation, name, "stack_rollback_complete")
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    statuses = {event["ResourceStatus"] for event in events if event["LogicalResourceId"] == "Policy"}
    assert {"CREATE_IN_PROGRESS", "CREATE_FAILED"} <= statuses
    assert not {"UPDATE_IN_PROGRESS", "UPDATE_FAILED"} & statuses


def test_a_template_with_a_transform_is_an_update_without_a_change(cloudformation: Any) -> None:
    name, template = next(names), json.dumps(PARAMETERS | {"Transform": "AWS::Serverless-2016-10-31"})
    request = {"StackName": name, "TemplateBody": template, "Capabilities": ["CAPABILITY_AUTO_EXPAND"]}
    cloudformation.create_stack(**request)
    wait(cloudformation, name, "stack_create_complete")
    cloudformation.update_stack(**request)
    wait(cloudformation, name, "stack_update_complete")


def test_a_parameter_from_the_parameter_store_has_a_name_and_a_value(cloudformation: Any, emulator: str) -> None:
    ssm = boto3.client("ssm", endpoint_url=emulator)
    ssm.put_parameter(Name="descriptions-a", Value="resolved", Type="String")
    kind = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "descriptions-a"}
    stack = deploy(cloudformation, PARAMETERS | {"Parameters": {"P": kind}})
    assert stack["Parameters"] == [
        {"ParameterKey": "P", "ParameterValue": "descriptions-a", "ResolvedValue": "resolved"}
    ]
    change_set = cloudformation.describe_change_set(ChangeSetName=stack["ChangeSetId"])
    assert change_set["Parameters"] == stack["Parameters"]


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


CONDITIONS: dict[str, Any] = {
    "Parameters": {"Wanted": {"Type": "String", "Default": False, "AllowedValues": [True, False]}},
    "Mappings": {"Regions": {"us-east-1": {"wanted": "true"}}},
    "Conditions": {
        "Sub": {"Fn::Equals": [{"Fn::Sub": "in ${AWS::Region}"}, "in us-east-1"]},
        "Map": {"Fn::Equals": [{"Fn::FindInMap": ["Regions", {"Ref": "AWS::Region"}, "wanted"]}, {"Ref": "Wanted"}]},
        "Boolean": {"Fn::And": [{"Condition": "Sub"}, {"Fn::Equals": [True, {"Ref": "Wanted"}]}]},
        "Not": {"Fn::Not": [{"Condition": "Boolean"}]},
        "Name": {"Fn::Equals": [{"Fn::Sub": "${AWS::StackName}"}, {"Ref": "AWS::StackName"}]},
        "NoName": {"Fn::Equals": [{"Ref": "AWS::StackName"}, ""]},
    },
    "Resources": PARAMETERS["Resources"],
    "Outputs": {
        name: {"Condition": name, "Value": name} for name in ("Sub", "Map", "Boolean", "Not", "Name", "NoName")
    },
}


def test_conditions_evaluate_every_function(cloudformation: Any) -> None:
    name = next(names)
    wanted = [{"ParameterKey": "Wanted", "ParameterValue": "true"}]
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(CONDITIONS), Parameters=wanted)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    assert {output["OutputKey"] for output in stack["Outputs"]} == {"Sub", "Map", "Boolean", "Name"}


def test_a_change_set_with_invalid_properties_fails(cloudformation: Any) -> None:
    name = next(names)
    create_change_set(cloudformation, name, INVALID)
    waiter = cloudformation.get_waiter("change_set_create_complete")
    with pytest.raises(WaiterError):
        waiter.wait(StackName=name, ChangeSetName="one", WaiterConfig={"Delay": 0.1})
    change_set = cloudformation.describe_change_set(StackName=name, ChangeSetName="one")
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "AWS::EarlyValidation::PropertyValidation" in change_set["StatusReason"]
    with pytest.raises(ClientError, match=r":changeSet/one/.*cannot be executed in its current status of \[FAILED\]"):
        cloudformation.execute_change_set(StackName=name, ChangeSetName="one")


def test_the_bare_emulator_describes_otherwise(bare_emulator: str) -> None:
    cloudformation = boto3.client("cloudformation", endpoint_url=bare_emulator)
    create_change_set(cloudformation, "bare", INVALID)
    assert cloudformation.describe_change_set(StackName="bare", ChangeSetName="one")["ExecutionStatus"] == "AVAILABLE"
    stack = deploy(cloudformation, SECRET)
    assert "ChangeSetId" not in stack
    twice = [create_change_set(cloudformation, "twice", SECRET, name)["StackId"] for name in ("one", "two")]
    assert twice[0] != twice[1]
    assert not stack["Outputs"][0]["OutputValue"].startswith("arn:")
