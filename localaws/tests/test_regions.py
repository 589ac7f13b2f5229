"""A Region that is down, in an emulator with two Regions."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from localaws import control_client
from localaws.regions import calls
from localaws.regions.client import NoRegion, turned

HOME, AWAY = "us-east-1", "eu-west-1"
ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture(autouse=True)
def _all_up(emulator: str) -> Iterator[None]:
    yield
    turned(emulator, "up", HOME, AWAY)


def client(endpoint: str, service: str, region: str) -> Any:
    return boto3.client(service, region, endpoint_url=endpoint, config=ONCE)


def test_the_regions_that_are_down_are_shown(emulator: str) -> None:
    assert turned(emulator, "down", AWAY) == [AWAY]
    assert json.loads(control_client.call(f"{emulator}/_localaws/regions")) == {"down": [AWAY]}
    assert turned(emulator, "up", AWAY) == []


def test_a_name_that_is_no_region_is_refused(emulator: str) -> None:
    with pytest.raises(NoRegion, match="'ireland' is not the name of a Region, such as eu-west-1"):
        turned(emulator, "down", "ireland")


def test_a_region_that_is_down_closes_the_connections_of_its_requests(emulator: str) -> None:
    turned(emulator, "down", AWAY)

    with pytest.raises(BotoCoreError, match="Connection was closed"):
        client(emulator, "sqs", AWAY).list_queues()
    assert "ResponseMetadata" in client(emulator, "sqs", HOME).list_queues()
    turned(emulator, "up", AWAY)
    assert "ResponseMetadata" in client(emulator, "sqs", AWAY).list_queues()


def test_an_api_and_a_bucket_are_down_with_their_region(emulator: str) -> None:
    api = client(emulator, "apigateway", AWAY).create_rest_api(name="down")["id"]
    client(emulator, "s3", AWAY).create_bucket(
        Bucket="down-with-it", CreateBucketConfiguration={"LocationConstraint": AWAY}
    )
    urls = f"{emulator}/_aws/execute-api/{api}/api/", f"{emulator}/down-with-it/a"
    assert [httpx.get(url).status_code for url in urls] == [403, 403]

    turned(emulator, "down", AWAY)

    for url in urls:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(url)


def test_an_asynchronous_invocation_waits_for_its_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "DOWN", {AWAY})
    monkeypatch.setattr(calls.responses, "get_region", lambda: AWAY)
    began = threading.Event()
    waiting = threading.Thread(target=calls.waiting(lambda invocation: began.set()), args=("an invocation",))
    waiting.start()
    assert not began.wait(0.5)

    calls.DOWN.clear()

    assert began.wait(90)
    waiting.join()


@pytest.mark.parametrize(("region", "invoked"), [(HOME, ["a target"]), (AWAY, [])])
def test_a_schedule_of_a_region_that_is_down_does_not_fire(
    monkeypatch: pytest.MonkeyPatch, region: str, invoked: list[str]
) -> None:
    monkeypatch.setattr(calls, "DOWN", {AWAY})
    monkeypatch.setattr(calls.responses, "get_region", lambda: region)
    found: list[str] = []

    calls.firing(found.append)("a target")

    assert found == invoked


def test_a_global_table_catches_up_when_its_region_is_back(emulator: str) -> None:
    home, away = (client(emulator, "dynamodb", region) for region in (HOME, AWAY))
    home.create_table(
        TableName="catches-up",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    home.update_table(TableName="catches-up", ReplicaUpdates=[{"Create": {"RegionName": AWAY}}])

    def put(table: Any, key: str, value: str) -> None:
        table.put_item(TableName="catches-up", Item={"id": {"S": key}, "value": {"S": value}})

    def values(table: Any) -> dict[str, str]:
        return {item["id"]["S"]: item["value"]["S"] for item in table.scan(TableName="catches-up")["Items"]}

    put(home, "removed", "before")
    turned(emulator, "down", AWAY)
    put(home, "a", "first")
    put(home, "a", "second")
    home.delete_item(TableName="catches-up", Key={"id": {"S": "removed"}})
    turned(emulator, "down", HOME)
    turned(emulator, "up", AWAY)
    assert values(away) == {"removed": "before"}
    put(away, "a", "third")

    turned(emulator, "up", HOME)

    assert values(home) == values(away) == {"a": "third"}
    assert stream(emulator, AWAY) == ["removed INSERT", "a INSERT", "removed REMOVE"]
    assert stream(emulator, HOME)[-1] == "a MODIFY"


def stream(endpoint: str, region: str) -> list[str]:
    """Return the keys and events in the stream of the table in a Region."""
    arn = client(endpoint, "dynamodb", region).describe_table(TableName="catches-up")["Table"]["LatestStreamArn"]
    streams = client(endpoint, "dynamodbstreams", region)
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    started = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=started["ShardIterator"])["Records"]
    return [f"{record['dynamodb']['Keys']['id']['S']} {record['eventName']}" for record in records]


def test_a_bucket_of_a_template_replicates_in_both_directions_and_catches_up(emulator: str) -> None:
    places = {HOME: "replicates-home", AWAY: "replicates-away"}
    clients = {region: client(emulator, "s3", region) for region in places}

    def stack(region: str, action: str, destination: str | None) -> None:
        rule = {
            "Id": "thumbnails",
            "Priority": 1,
            "Status": "Enabled",
            "Filter": {"Prefix": "thumbnails/"},
            "DeleteMarkerReplication": {"Status": "Disabled"},
            "Destination": {"Bucket": f"arn:aws:s3:::{destination}"},
        }
        properties: dict[str, Any] = {"BucketName": places[region], "VersioningConfiguration": {"Status": "Enabled"}}
        if destination:
            replication = {"Role": "arn:aws:iam::000000000000:role/replication", "Rules": [rule]}
            properties |= {"ReplicationConfiguration": replication}
        template = json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}})
        cloudformation = client(emulator, "cloudformation", region)
        getattr(cloudformation, f"{action}_stack")(StackName="replicates", TemplateBody=template)
        waiter = cloudformation.get_waiter(f"stack_{action}_complete")
        waiter.wait(StackName="replicates", WaiterConfig={"Delay": 1, "MaxAttempts": 90})

    def put(region: str, key: str) -> None:
        clients[region].put_object(Bucket=places[region], Key=key, Body=key.encode())

    def keys(region: str) -> list[str]:
        return [each["Key"] for each in clients[region].list_objects_v2(Bucket=places[region]).get("Contents", [])]

    def status(key: str) -> str:
        return str(clients[HOME].head_object(Bucket=places[HOME], Key=key)["ReplicationStatus"])

    stack(HOME, "create", None)
    stack(AWAY, "create", places[HOME])
    stack(HOME, "update", places[AWAY])
    put(HOME, "thumbnails/a")
    put(AWAY, "thumbnails/b")
    put(HOME, "uploads/c")
    assert keys(AWAY) == ["thumbnails/a", "thumbnails/b"]
    turned(emulator, "down", AWAY)
    put(HOME, "thumbnails/d")
    assert status("thumbnails/d") == "PENDING"

    turned(emulator, "up", AWAY)

    assert status("thumbnails/d") == "COMPLETED"

    assert keys(AWAY) == ["thumbnails/a", "thumbnails/b", "thumbnails/d"]
    assert keys(HOME) == [*keys(AWAY), "uploads/c"]
    body = clients[AWAY].get_object(Bucket=places[AWAY], Key="thumbnails/d")["Body"].read()
    assert body == b"thumbnails/d"


def test_stacks_of_one_name_in_two_regions_have_roles_of_their_own(emulator: str) -> None:
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    template = json.dumps({"Resources": {"Role": role}, "Outputs": {"Role": {"Value": {"Ref": "Role"}}}})
    names = set()
    for region in (HOME, AWAY):
        cloudformation = client(emulator, "cloudformation", region)
        cloudformation.create_stack(StackName="twins", TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
        waiter = cloudformation.get_waiter("stack_create_complete")
        waiter.wait(StackName="twins", WaiterConfig={"Delay": 1, "MaxAttempts": 90})
        names.add(cloudformation.describe_stacks(StackName="twins")["Stacks"][0]["Outputs"][0]["OutputValue"])

    assert len(names) == 2
    assert all(name.startswith("twins-Role-") for name in names)
