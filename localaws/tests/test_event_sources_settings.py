"""The settings of a mapping, stored alike from the API and from CloudFormation."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

from localaws.testing import active, eventually, until

REGION = "us-east-1"
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
READ = {"Effect": "Allow", "Action": ["kinesis:*", "sqs:*"], "Resource": "*"}
STREAM = f"arn:aws:kinesis:{REGION}:000000000000:stream/settings"
QUEUE = f"arn:aws:sqs:{REGION}:000000000000:settings"
FILTERS = {"Filters": [{"Pattern": '{"data": {"kind": ["a"]}}'}]}
STREAM_SETTINGS: dict[str, Any] = {
    "BatchSize": 5,
    "MaximumBatchingWindowInSeconds": 1,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 0,
    "MaximumRecordAgeInSeconds": 60,
    "ParallelizationFactor": 2,
    "DestinationConfig": {"OnFailure": {"Destination": QUEUE}},
    "FilterCriteria": FILTERS,
    "StartingPosition": "TRIM_HORIZON",
}
STREAM_DEFAULTS = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 0,
    "BisectBatchOnFunctionError": False,
    "MaximumRetryAttempts": -1,
    "MaximumRecordAgeInSeconds": -1,
    "ParallelizationFactor": 1,
    "State": "Enabled",
}


class Account:
    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.lambda_ = self.client("lambda")
        self.client("kinesis").create_stream(StreamName="settings", ShardCount=1)
        self.client("sqs").create_queue(QueueName="settings")
        for name, statements in (("allowed", [READ]), ("denied", [])):
            self.function(name, statements)

    def client(self, service: str) -> Any:
        return boto3.client(service, REGION, endpoint_url=self.endpoint)

    def function(self, name: str, statements: list[Any]) -> None:
        iam, code = self.client("iam"), io.BytesIO()
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [TRUST]}))
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps({"Statement": statements}))
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "def handler(event, context): pass")
        self.lambda_.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": code.getvalue()},
        )
        active(self.lambda_, name)

    def create_by_api(self, **settings: Any) -> dict[str, Any]:
        return self.settled(self.lambda_.create_event_source_mapping(**settings)["UUID"])

    def settled(self, uuid: str) -> dict[str, Any]:
        """Return the mapping once it is enabled or disabled."""

        def find() -> dict[str, Any] | None:
            mapping: dict[str, Any] = self.lambda_.get_event_source_mapping(UUID=uuid)
            return mapping if mapping["State"] in ("Enabled", "Disabled") else None

        return until(find)

    def delete_mappings(self) -> None:
        for mapping in self.mappings():
            self.settled(mapping["UUID"])  # AWS does not delete a mapping that is being created or changed
            self.lambda_.delete_event_source_mapping(UUID=mapping["UUID"])
        assert eventually(lambda: not self.mappings())

    def mappings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.lambda_.list_event_source_mappings()["EventSourceMappings"]
        return found

    def create_by_stack(self, **settings: Any) -> dict[str, Any]:
        """Create the mapping by CloudFormation, with every setting as a string, as template parameters are."""
        self.deploy("create", as_strings(settings))
        return self.describe_in_stack()

    def describe_in_stack(self) -> dict[str, Any]:
        stack = self.client("cloudformation").describe_stack_resources(StackName="mapping")["StackResources"]
        answer: dict[str, Any] = self.lambda_.get_event_source_mapping(UUID=stack[0]["PhysicalResourceId"])
        return answer

    def deploy(self, action: str, properties: dict[str, Any]) -> None:
        cloudformation = self.client("cloudformation")
        resource = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}
        template = json.dumps({"Resources": {"Mapping": resource}})
        getattr(cloudformation, f"{action}_stack")(StackName="mapping", TemplateBody=template)
        waiter = cloudformation.get_waiter(f"stack_{action}_complete")
        waiter.wait(StackName="mapping", WaiterConfig={"Delay": 1})

    def delete_stack(self) -> None:
        self.client("cloudformation").delete_stack(StackName="mapping")


def as_strings(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_strings(each) for name, each in value.items()}
    if isinstance(value, list):
        return [as_strings(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture(scope="module")
def account(emulator: str) -> Account:
    return Account(emulator)


@pytest.fixture(params=["create_by_api", "create_by_stack"])
def create(request: pytest.FixtureRequest, account: Account) -> Any:
    return getattr(account, request.param)


@pytest.fixture(autouse=True)
def without_mappings(account: Account) -> Iterator[None]:
    yield
    account.delete_stack()
    account.delete_mappings()


def test_all_settings_of_a_stream_are_stored(create: Any) -> None:
    mapping = create(FunctionName="allowed", EventSourceArn=STREAM, Enabled=False, **STREAM_SETTINGS)

    assert mapping.items() >= (STREAM_SETTINGS | {"State": "Disabled"}).items()


def test_omitted_settings_have_the_defaults_of_aws(create: Any) -> None:
    mapping = create(FunctionName="allowed", EventSourceArn=STREAM, StartingPosition="LATEST")

    assert mapping.items() >= STREAM_DEFAULTS.items()
    assert "FilterCriteria" not in mapping


def test_all_settings_of_a_queue_are_stored(create: Any) -> None:
    settings = {"BatchSize": 7, "ScalingConfig": {"MaximumConcurrency": 2}}
    mapping = create(FunctionName="allowed", EventSourceArn=QUEUE, **settings)

    assert mapping.items() >= settings.items()
    assert "StartingPosition" not in mapping


def test_the_starting_timestamp_is_stored(create: Any) -> None:
    start = {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1700000000}
    mapping = create(FunctionName="allowed", EventSourceArn=STREAM, **start)

    assert mapping["StartingPositionTimestamp"].timestamp() == 1700000000


def test_a_setting_removed_from_the_template_returns_to_its_default(account: Account) -> None:
    properties = {"FunctionName": "allowed", "EventSourceArn": STREAM, "StartingPosition": "TRIM_HORIZON"}
    uuid = account.create_by_stack(**properties | STREAM_SETTINGS)["UUID"]

    account.deploy("update", properties)

    mapping = account.describe_in_stack()
    assert mapping["UUID"] == uuid
    assert mapping.items() >= STREAM_DEFAULTS.items()
    assert "FilterCriteria" not in mapping


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"EventSourceArn": STREAM, "StartingPosition": "LATEST"}, "Cannot access stream"),
        ({"EventSourceArn": QUEUE}, "does not have permissions to call ReceiveMessage on SQS"),
    ],
)
def test_a_mapping_requires_that_the_role_can_read_the_source(
    account: Account, source: dict[str, str], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        account.create_by_api(FunctionName="denied", **source)
    with pytest.raises(WaiterError):
        account.create_by_stack(FunctionName="denied", **source)


def test_a_mapping_requires_that_the_role_can_send_to_the_destination(account: Account) -> None:
    topic = {"DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:sns:{REGION}:000000000000:topic"}}}

    with pytest.raises(ClientError, match="does not have permissions to call Publish on SNS"):
        account.create_by_api(FunctionName="allowed", EventSourceArn=STREAM, StartingPosition="LATEST", **topic)


def test_a_malformed_filter_is_rejected(account: Account) -> None:
    filters = {"Filters": [{"Pattern": '{"data": "a"}'}]}

    with pytest.raises(ClientError, match="Invalid filter pattern definition"):
        account.create_by_api(FunctionName="allowed", EventSourceArn=QUEUE, FilterCriteria=filters)
    mapping = account.create_by_api(FunctionName="allowed", EventSourceArn=QUEUE)
    with pytest.raises(ClientError, match="Invalid filter pattern definition"):
        account.lambda_.update_event_source_mapping(UUID=mapping["UUID"], FilterCriteria=filters)
