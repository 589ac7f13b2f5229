"""CloudFormation refuses the templates, parameters, properties and exports that AWS refuses."""

from __future__ import annotations

import itertools
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localaws.testing import until

numbers = itertools.count(1)
TOPIC = {"Type": "AWS::SNS::Topic"}
TOPICS = {"Topic": TOPIC}
STRING = {"Type": "String"}


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


class Stack:
    """A stack of its own name."""

    def __init__(self, endpoint: str) -> None:
        self.client = boto3.client("cloudformation", "us-east-1", endpoint_url=endpoint)
        self.name = f"stack-{next(numbers)}"

    def start(self, action: str, template: Any, **request: Any) -> None:
        text = template if isinstance(template, str) else json.dumps(template)
        getattr(self.client, f"{action}_stack")(StackName=self.name, TemplateBody=text, **request)

    def deploy(self, action: str, template: Any, **request: Any) -> str:
        """Create or update the stack, and return its final status."""
        self.start(action, template, **request)
        return until(lambda: self.status() if not self.status().endswith("IN_PROGRESS") else None)

    def status(self) -> str:
        return str(self.client.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"])

    def reasons(self) -> str:
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def validation_errors(self) -> list[str]:
        events = self.client.describe_events(StackName=self.name, Filters={"FailedEvents": True})["OperationEvents"]
        return [event["ValidationStatusReason"] for event in events if "ValidationStatusReason" in event]

    def refused(self, action: str, template: Any, **request: Any) -> str:
        """Return the message of the ValidationError that the request gets."""
        with pytest.raises(ClientError) as refusal:
            self.start(action, template, **request)
        assert refusal.value.response["Error"]["Code"] == "ValidationError"
        return refusal.value.response["Error"]["Message"]


@pytest.fixture
def stack(emulator: str) -> Stack:
    return Stack(emulator)


REFUSED_TEMPLATES = {
    "json": ('{"Resources": ', "Template format error: JSON not well-formed. (line 1, column 15)"),
    "yaml": ("Resources:\n  A: [", "Template format error: YAML not well-formed."),
    "text": ("nothing", "Template format error: unsupported structure."),
    "no-resources": ({"Resources": {}}, "Template format error: At least one Resources member must be defined."),
    "section": (
        {"Resources": TOPICS, "Output": {}},
        "Template format error: Invalid template property or properties [Output]",
    ),
    "no-type": (
        {"Resources": {"A": {"Properties": {}}}},
        "Template format error: [/Resources/A] Every Resources object must contain a Type member.",
    ),
    "not-an-object": ({"Resources": {"A": "B"}}, "Template format error: Any Resources member must be an object."),
    "resource-attribute": (
        {"Resources": {"A": TOPIC | {"Invalid": 1}}},
        "Invalid template resource property 'Invalid'",
    ),
    "resource-name": (
        {"Resources": {"my-topic": TOPIC}},
        "Template format error: Resource name my-topic is non alphanumeric.",
    ),
    "parameter-name": (
        {"Resources": TOPICS, "Parameters": {"my-name": STRING}},
        "Template format error: Parameter name my-name is non alphanumeric.",
    ),
    "parameter-type": (
        {"Resources": TOPICS, "Parameters": {"A": {"Default": ""}}},
        "Template format error: Every Parameters object must contain a Type member.",
    ),
    "null": (
        {"Resources": TOPICS, "Outputs": {"A": {"Value": None}}},
        "[/Outputs/A/Value] 'null' values are not allowed in templates",
    ),
    "output-value": (
        {"Resources": TOPICS, "Outputs": {"A": {"Description": "a"}}},
        "Template format error: Every Outputs member must contain a Value object",
    ),
    "shallow-mapping": (
        {"Resources": TOPICS, "Mappings": {"M": {"A": "b"}}},
        "Template format error: Every Mappings member A must be a map",
    ),
    "deep-mapping": (
        {"Resources": TOPICS, "Mappings": {"M": {"A": {"B": {"C": "d"}}}}},
        "Template format error: Every Mappings attribute must be a String or a List.",
    ),
    "map-key": (
        {
            "Resources": {"Q": queue(QueueName={"Fn::FindInMap": ["M", "C", "B"]})},
            "Mappings": {"M": {"A": {"B": "d"}}},
        },
        "Template error: Unable to get mapping for M::C::B",
    ),
    "map-key-of-a-parameter": (
        {
            "Parameters": {"P": STRING | {"Default": "C"}},
            "Resources": {"Q": queue(QueueName={"Fn::FindInMap": ["M", {"Ref": "P"}, "B"]})},
            "Mappings": {"M": {"A": {"B": "d"}}},
        },
        "Template error: Unable to get mapping for M::C::B",
    ),
    "ref": (
        {"Resources": {"Q": queue(QueueName={"Ref": "Missing"})}},
        "Template format error: Unresolved resource dependencies [Missing] in the Resources block of the template",
    ),
    "sub": (
        {"Resources": {"Q": queue(QueueName={"Fn::Sub": "a-${Missing}"})}},
        "Template format error: Unresolved resource dependencies [Missing] in the Resources block of the template",
    ),
    "depends-on": (
        {"Resources": {"A": TOPIC | {"DependsOn": "Missing"}}},
        "Template format error: Unresolved resource dependencies [Missing] in the Resources block of the template",
    ),
    "output-ref": (
        {"Resources": TOPICS, "Outputs": {"A": {"Value": {"Ref": "Missing"}}}},
        "Unresolved resource dependencies [Missing] in the Outputs block of the template",
    ),
    "skipped-resource": (
        {
            "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
            "Resources": {"A": TOPIC, "B": TOPIC | {"Condition": "Never"}},
            "Outputs": {"A": {"Value": {"Ref": "B"}}},
        },
        "Unresolved resource dependencies [B] in the Outputs block of the template",
    ),
    "get-att": (
        {"Resources": {"Q": queue(QueueName={"Fn::GetAtt": ["Missing", "Arn"]})}},
        "Template error: instance of Fn::GetAtt references undefined resource Missing",
    ),
    "get-att-argument": (
        {"Resources": {"Q": queue(QueueName={"Fn::GetAtt": ["Q", ""]})}},
        "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource "
        "attribute",
    ),
    "if": (
        {"Resources": {"Q": queue(QueueName={"Fn::If": ["Missing", "a", "b"]})}},
        "Template error: unresolved condition dependency Missing in Fn::If",
    ),
    "condition": (
        {"Resources": {"A": TOPIC | {"Condition": "Missing"}}},
        "Template format error: Unresolved condition dependency Missing in the Resources block of the template",
    ),
    "condition-ref": (
        {"Conditions": {"C": {"Fn::Equals": [{"Ref": "Topic"}, "a"]}}, "Resources": TOPICS},
        "Template format error: Unresolved dependencies [Topic]. "
        "Cannot reference resources in the Conditions block of the template",
    ),
    "equals": (
        {"Conditions": {"C": {"Fn::Equals": ["a"]}}, "Resources": TOPICS},
        "Template error: every Fn::Equals object requires a list of 2 string parameters.",
    ),
    "join": (
        {"Resources": {"Q": queue(QueueName={"Fn::Join": ["", "a"]})}},
        "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of "
        "strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
    ),
    "split": (
        {"Resources": {"Q": queue(QueueName={"Fn::Select": [0, {"Fn::Split": "a"}]})}},
        "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be "
        "split or a function that returns a string to be split.",
    ),
    "select": (
        {"Resources": {"Q": queue(QueueName={"Fn::Select": [0]})}},
        "Template error: Fn::Select requires a list argument with two elements: an integer index and a list",
    ),
    "cycle": (
        {
            "Resources": {
                "A": queue(QueueName={"Fn::GetAtt": ["B", "QueueName"]}),
                "B": queue(QueueName={"Fn::GetAtt": ["A", "QueueName"]}),
            }
        },
        "Circular dependency between resources: [A, B]",
    ),
    "resources": (
        {"Resources": {f"Topic{number}": TOPIC for number in range(501)}},
        "Template format error: Number of resources, 501, is greater than maximum allowed, 500",
    ),
    "parameters": (
        {"Resources": TOPICS, "Parameters": {f"P{number}": STRING | {"Default": "a"} for number in range(201)}},
        "Template format error: Number of parameters, 201, is greater than maximum allowed, 200",
    ),
}


@pytest.mark.parametrize(("template", "message"), REFUSED_TEMPLATES.values(), ids=REFUSED_TEMPLATES)
def test_a_wrong_template_is_refused_before_a_stack_exists(stack: Stack, template: Any, message: str) -> None:
    assert stack.refused("create", template) == message
    with pytest.raises(ClientError, match="does not exist"):
        stack.status()


def test_a_template_of_more_than_51200_bytes_is_refused(stack: Stack) -> None:
    message = stack.refused("create", {"Resources": TOPICS, "Metadata": {"text": "x" * 51_200}})

    assert message.endswith("Member must have length less than or equal to 51200")


def test_a_comma_after_the_last_member_is_accepted(stack: Stack) -> None:
    template = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": ",}"},},},}'
    assert stack.deploy("create", template) == "CREATE_COMPLETE"


def rule(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::Events::Rule", "Properties": properties}


KEYS = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}
REFUSED_BY_API = {
    "queue-name": (queue(QueueName="with space"), "Can only include alphanumeric characters, hyphens, or underscores."),
    "topic-name": (
        {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "with space"}},
        "Invalid parameter: Topic Name",
    ),
    "schedule": (rule(ScheduleExpression="rate(1 minutes)"), "Parameter ScheduleExpression is not valid."),
    "target": (
        rule(
            ScheduleExpression="rate(1 minute)",
            Targets=[
                {
                    "Id": "a",
                    "Arn": "arn:aws:sqs:us-east-1:000000000000:a",
                    "InputTransformer": {"InputTemplate": '"<missing>"'},
                }
            ],
        ),
        "InputTemplate for target a contains invalid placeholder missing.",
    ),
    "function": (
        {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Role": "arn:aws:iam::000000000000:role/a",
                "Handler": "index.handler",
                "Runtime": "python3.13",
                "Code": {"ZipFile": "handler = print"},
                "DeadLetterConfig": {"TargetArn": "arn:aws:s3:::a"},
            },
        },
        "Invalid dead letter queue ARN: The service specified by the TargetArn is not supported.",
    ),
    "table": ({"Type": "AWS::DynamoDB::Table", "Properties": KEYS}, "ProvisionedThroughput must be specified"),
}


@pytest.mark.parametrize(("resource", "message"), REFUSED_BY_API.values(), ids=REFUSED_BY_API)
def test_what_an_api_refuses_fails_the_stack(stack: Stack, resource: dict[str, Any], message: str) -> None:
    assert stack.deploy("create", {"Resources": {"R": resource}}) == "ROLLBACK_COMPLETE"
    assert message in stack.reasons()
    events = boto3.client("events", endpoint_url=stack.client.meta.endpoint_url)
    assert not events.list_rules(NamePrefix=stack.name)["Rules"]


def test_what_a_false_condition_excludes_is_not_checked(stack: Stack) -> None:
    template = {
        "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
        "Resources": {
            "A": queue(QueueName={"Fn::If": ["Never", {"Ref": "B"}, {"Ref": "AWS::NoValue"}]}),
            "B": TOPIC | {"Condition": "Never"},
        },
        "Outputs": {"B": {"Condition": "Never", "Value": {"Ref": "B"}}},
    }

    assert stack.deploy("create", template) == "CREATE_COMPLETE"


def parameters(**values: str) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


REFUSED_PARAMETERS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]] = {
    "missing": (STRING, [], "Parameters: [P] must have values"),
    "unknown": (STRING, parameters(P="a", Q="b"), "Parameters: [Q] do not exist in the template"),
    "number": ({"Type": "Number"}, parameters(P="a"), "Parameter 'P' must be a number."),
    "allowed-values": (
        STRING | {"AllowedValues": ["a", "b"]},
        parameters(P="c"),
        "Parameter 'P' must be one of AllowedValues",
    ),
    "pattern": (
        STRING | {"AllowedPattern": "[a-z]+"},
        parameters(P="A"),
        "Parameter 'P' must match pattern [a-z]+",
    ),
    "minimum": (
        {"Type": "Number", "MinValue": 2},
        parameters(P="1"),
        "Parameter 'P' must be a number not less than 2",
    ),
    "maximum-length": (
        STRING | {"MaxLength": 1},
        parameters(P="ab"),
        "Parameter 'P' must contain at most 1 characters",
    ),
    "no-previous-value": (
        STRING,
        [{"ParameterKey": "P", "UsePreviousValue": True}],
        "Invalid input for parameter key P. Cannot specify usePreviousValue as true for a parameter key not in the "
        "previous template",
    ),
}


@pytest.mark.parametrize(("declared", "given", "message"), REFUSED_PARAMETERS.values(), ids=REFUSED_PARAMETERS)
def test_a_wrong_parameter_is_refused(
    stack: Stack, declared: dict[str, Any], given: list[dict[str, Any]], message: str
) -> None:
    template = {"Parameters": {"P": declared}, "Resources": TOPICS}

    assert stack.refused("create", template, Parameters=given) == message


def test_a_parameter_with_no_echo_is_masked(stack: Stack) -> None:
    template = {"Parameters": {"P": STRING | {"NoEcho": True}}, "Resources": TOPICS}
    stack.client.create_change_set(
        StackName=stack.name,
        ChangeSetName="c",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(template),
        Parameters=parameters(P="secret"),
    )
    change_set = stack.client.describe_change_set(StackName=stack.name, ChangeSetName="c")

    assert change_set["Parameters"] == parameters(P="****")

    stack.client.execute_change_set(StackName=stack.name, ChangeSetName="c")
    until(lambda: stack.status() == "CREATE_COMPLETE")
    assert stack.client.describe_stacks(StackName=stack.name)["Stacks"][0]["Parameters"] == parameters(P="****")


REFUSED_PROPERTIES = {
    "unknown": (queue(Foo=1), "#: extraneous key [Foo] is not permitted"),
    "unknown-inside": (
        queue(Tags=[{"Key": "a", "Value": "b", "C": 1}]),
        "#/Tags/0: extraneous key [C] is not permitted",
    ),
    "required": ({"Type": "AWS::SQS::QueuePolicy", "Properties": {}}, "#: required key [PolicyDocument] not found"),
    "no-properties": ({"Type": "AWS::SSM::Parameter"}, "#: required key [Type] not found"),
    "type": (queue(Tags="a"), "#/Tags: expected type: JSONArray, found: String"),
    "number": (queue(DelaySeconds="a"), "#/DelaySeconds: expected type: Integer, found: String"),
    "enum": (
        {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 2}},
        "#/RetentionInDays: 2 is not a valid enum value",
    ),
    "length": (
        {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "a" * 513}},
        "#/LogGroupName: expected maxLength: 512, actual: 513",
    ),
}


@pytest.mark.parametrize(("resource", "message"), REFUSED_PROPERTIES.values(), ids=REFUSED_PROPERTIES)
def test_a_wrong_property_is_refused_before_anything_is_created(
    stack: Stack, resource: dict[str, Any], message: str
) -> None:
    assert stack.deploy("create", {"Resources": {"A": TOPIC, "B": resource}}) == "ROLLBACK_COMPLETE"

    expected = f"Properties validation failed for resource B with message:\n{message}"
    assert expected in stack.validation_errors()
    assert "Call DescribeEvents" in stack.reasons()
    assert stack.client.describe_stack_resources(StackName=stack.name)["StackResources"] == []


def test_a_string_that_holds_a_number_is_a_number(stack: Stack) -> None:
    assert stack.deploy("create", {"Resources": {"A": queue(DelaySeconds="5", FifoQueue="false")}}) == "CREATE_COMPLETE"


def test_a_stack_that_rolled_back_must_be_deleted_first(stack: Stack) -> None:
    stack.deploy("create", {"Resources": {"A": queue(Foo=1)}})

    with pytest.raises(ClientError) as refusal:
        stack.start("create", {"Resources": TOPICS})
    assert refusal.value.response["Error"]["Code"] == "AlreadyExistsException"
    assert stack.refused("update", {"Resources": TOPICS}).endswith(
        "is in ROLLBACK_COMPLETE state and can not be updated."
    )

    stack.client.delete_stack(StackName=stack.name)
    until(lambda: stack.name not in {s["StackName"] for s in stack.client.describe_stacks()["Stacks"]})
    assert stack.deploy("create", {"Resources": TOPICS}) == "CREATE_COMPLETE"


def exporting(name: str, value: str) -> dict[str, Any]:
    return {"Resources": TOPICS, "Outputs": {"O": {"Value": value, "Export": {"Name": name}}}}


def test_an_export_in_use_can_be_neither_changed_nor_removed(emulator: str) -> None:
    exporter, importer = Stack(emulator), Stack(emulator)
    export = f"{exporter.name}-export"
    exporter.deploy("create", exporting(export, "a"))
    importing = {"Resources": TOPICS, "Outputs": {"I": {"Value": {"Fn::ImportValue": export}}}}
    assert importer.deploy("create", importing) == "CREATE_COMPLETE"

    assert exporter.deploy("update", exporting(export, "b")) == "UPDATE_ROLLBACK_COMPLETE"
    assert f"Export {export} cannot be updated as it is in use by {importer.name}" in exporter.reasons()
    assert exporter.deploy("update", {"Resources": TOPICS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert f"Export {export} cannot be deleted as it is in use by {importer.name}" in exporter.reasons()
    with pytest.raises(ClientError, match=f"Cannot delete export {export} as it is in use by {importer.name}"):
        exporter.client.delete_stack(StackName=exporter.name)

    assert importer.deploy("update", {"Resources": TOPICS}) == "UPDATE_COMPLETE"
    assert exporter.deploy("update", exporting(export, "b")) == "UPDATE_COMPLETE"
    assert exporter.deploy("update", {"Resources": TOPICS}) == "UPDATE_COMPLETE"
    assert export not in {e["Name"] for e in exporter.client.list_exports()["Exports"]}


def test_two_stacks_cannot_have_one_export(emulator: str) -> None:
    first, second = Stack(emulator), Stack(emulator)
    first.deploy("create", exporting(f"{first.name}-export", "a"))

    assert second.deploy("create", exporting(f"{first.name}-export", "b")) == "ROLLBACK_COMPLETE"
    assert f"Export with name {first.name}-export is already exported by stack {first.name}" in second.reasons()


def test_an_update_without_a_change_is_refused(stack: Stack) -> None:
    stack.deploy("create", {"Resources": TOPICS})

    assert stack.refused("update", {"Resources": TOPICS}) == "No updates are to be performed."


def test_a_role_needs_a_capability(stack: Stack) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17"}}}

    with pytest.raises(ClientError) as refusal:
        stack.start("create", {"Resources": {"R": role}})
    assert refusal.value.response["Error"]["Code"] == "InsufficientCapabilitiesException"
    assert refusal.value.response["Error"]["Message"] == "Requires capabilities : [CAPABILITY_IAM]"
