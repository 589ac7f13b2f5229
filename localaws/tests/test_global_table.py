"""Global tables in CloudFormation: each Region has the table and its stream, and receives every write."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

HOME, AWAY = "us-east-1", "eu-west-1"
numbers = itertools.count(1)
PROPERTIES: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
    "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
    "Replicas": [
        {"Region": HOME, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}},
        {"Region": AWAY, "DeletionProtectionEnabled": True, "Tags": [{"Key": "team", "Value": "blog"}]},
    ],
}


class Stack:
    """A stack with one global table."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.name = endpoint, f"global-{next(numbers)}"
        self.table = ""
        self.cloudformation = self.client("cloudformation", HOME)

    def client(self, service: str, region: str) -> Any:
        return boto3.client(service, region, endpoint_url=self.endpoint)

    def deploy(self, action: str, **changes: Any) -> "Stack":
        resource = {"Type": "AWS::DynamoDB::GlobalTable", "Properties": PROPERTIES | changes}
        outputs = {"Stream": {"Value": {"Fn::GetAtt": ["Table", "StreamArn"]}}, "Name": {"Value": {"Ref": "Table"}}}
        template = json.dumps({"Resources": {"Table": resource}, "Outputs": outputs})
        getattr(self.cloudformation, f"{action}_stack")(StackName=self.name, TemplateBody=template)
        waiter = self.cloudformation.get_waiter(f"stack_{action}_complete")
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 1})
        stack = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self.table = self.outputs["Name"]
        return self

    def delete(self) -> None:
        self.cloudformation.delete_stack(StackName=self.name)
        waiter = self.cloudformation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 1})

    def describe(self, region: str) -> dict[str, Any]:
        table: dict[str, Any] = self.client("dynamodb", region).describe_table(TableName=self.table)["Table"]
        return table

    def put(self, region: str, key: str) -> None:
        self.client("dynamodb", region).put_item(TableName=self.table, Item={"id": {"S": key}})

    def keys(self, region: str) -> set[str]:
        items = self.client("dynamodb", region).scan(TableName=self.table)["Items"]
        return {item["id"]["S"] for item in items}

    def stream_records(self, region: str) -> list[tuple[str, str]]:
        """Return the event name and key of each record in the stream of the Region."""
        streams, arn = self.client("dynamodbstreams", region), self.describe(region)["LatestStreamArn"]
        (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = streams.get_records(ShardIterator=iterator)["Records"]
        assert all(record["awsRegion"] == region for record in records)
        assert all(record["dynamodb"].get("NewImage", {}).keys() <= {"id"} for record in records)
        return [(record["eventName"], record["dynamodb"]["Keys"]["id"]["S"]) for record in records]


@pytest.fixture
def stack(emulator: str) -> Iterator[Stack]:
    stack = Stack(emulator).deploy("create")
    yield stack
    stack.delete()


def test_a_write_in_either_region_is_in_both_tables_and_both_streams(stack: Stack) -> None:
    stack.put(HOME, "a")
    stack.put(AWAY, "b")
    stack.client("dynamodb", AWAY).delete_item(TableName=stack.table, Key={"id": {"S": "a"}})

    for region in (HOME, AWAY):
        assert stack.keys(region) == {"b"}
        assert stack.stream_records(region) == [("INSERT", "a"), ("INSERT", "b"), ("REMOVE", "a")]


def test_each_region_has_the_table_with_its_own_stream(stack: Stack) -> None:
    streams = {region: stack.describe(region)["LatestStreamArn"] for region in (HOME, AWAY)}

    assert streams[HOME] == stack.outputs["Stream"]
    assert all(f":{region}:" in arn for region, arn in streams.items())
    assert [replica["RegionName"] for replica in stack.describe(HOME)["Replicas"]] == [AWAY]


def test_table_settings_are_shared_and_replica_settings_are_separate(stack: Stack) -> None:
    def recovery(region: str) -> str:
        answer = stack.client("dynamodb", region).describe_continuous_backups(TableName=stack.table)
        return str(
            answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        )

    def tags(region: str) -> Any:
        arn = stack.describe(region)["TableArn"]
        return stack.client("dynamodb", region).list_tags_of_resource(ResourceArn=arn)["Tags"]

    for region in (HOME, AWAY):
        ttl = stack.client("dynamodb", region).describe_time_to_live(TableName=stack.table)["TimeToLiveDescription"]
        assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
        assert stack.describe(region)["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert (recovery(HOME), recovery(AWAY)) == ("ENABLED", "DISABLED")
    assert [stack.describe(region)["DeletionProtectionEnabled"] for region in (HOME, AWAY)] == [False, True]
    assert {"Key": "team", "Value": "blog"} in tags(AWAY)
    assert {"Key": "team", "Value": "blog"} not in tags(HOME)


def test_an_update_keeps_the_items_and_reaches_every_region(stack: Stack) -> None:
    stack.put(HOME, "a")
    index = {
        "IndexName": "by-owner",
        "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    attributes = [*PROPERTIES["AttributeDefinitions"], {"AttributeName": "owner", "AttributeType": "S"}]

    stack.deploy("update", GlobalSecondaryIndexes=[index], AttributeDefinitions=attributes)

    stack.put(HOME, "b")
    for region in (HOME, AWAY):
        assert stack.keys(region) == {"a", "b"}
        assert [each["IndexName"] for each in stack.describe(region)["GlobalSecondaryIndexes"]] == ["by-owner"]


def test_an_update_deletes_and_creates_replicas(stack: Stack) -> None:
    stack.put(HOME, "a")

    stack.deploy("update", Replicas=[{"Region": HOME}])
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        stack.describe(AWAY)
    stack.deploy("update")

    assert stack.keys(AWAY) == {"a"}


def test_a_replacement_replaces_the_table_in_every_region(stack: Stack) -> None:
    attributes = [{"AttributeName": "owner", "AttributeType": "S"}]

    stack.deploy("update", KeySchema=[{"AttributeName": "owner", "KeyType": "HASH"}], AttributeDefinitions=attributes)

    for region in (HOME, AWAY):
        assert stack.describe(region)["KeySchema"][0]["AttributeName"] == "owner"


def test_deleting_the_stack_deletes_the_table_in_every_region(emulator: str) -> None:
    stack = Stack(emulator).deploy("create")
    stack.delete()

    for region in (HOME, AWAY):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            stack.describe(region)


def test_creation_fails_if_no_replica_is_in_the_region_of_the_stack(emulator: str) -> None:
    with pytest.raises(WaiterError):
        Stack(emulator).deploy("create", Replicas=[{"Region": AWAY}])
