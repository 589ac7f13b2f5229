"""A clock that tests can turn: what expires, expires in seconds. Each test turns the same clock further."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509

from localaws import control_client, serve
from localaws.clock.client import turned
from localaws.testing import eventually, until
from localaws.tests.test_account import bare_emulator, function

DAY = 86_400

type Client = Callable[..., Any]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve.emulator(tmp_path_factory.mktemp("clock")) as url:
        yield url


@pytest.fixture(scope="module")
def aws(endpoint: str) -> Client:
    return clients(endpoint)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Clients of ministack alone."""
    with bare_emulator(tmp_path_factory.mktemp("bare")) as url:
        yield clients(url)


def clients(endpoint: str) -> Client:
    def client(service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, signature_version="s3v4" if service == "s3" else None)
        return boto3.client(service, "us-east-1", endpoint_url=endpoint, config=config)

    return client


def status(url: str, method: str = "GET", body: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, method=method)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def a_log_group_forgets_what_is_older_than_its_retention(aws: Client) -> None:
    logs = aws("logs")
    name, now = {"logGroupName": "kept", "logStreamName": "x"}, int(time.time() * 1000)
    logs.create_log_group(logGroupName="kept")
    logs.create_log_stream(**name)
    for age in (2, 0):
        logs.put_log_events(**name, logEvents=[{"timestamp": now - age * DAY * 1000, "message": f"{age} days"}])
    logs.put_retention_policy(logGroupName="kept", retentionInDays=1)
    assert [event["message"] for event in logs.filter_log_events(logGroupName="kept")["events"]] == ["0 days"]
    assert [event["message"] for event in logs.get_log_events(**name, startFromHead=True)["events"]] == ["0 days"]


def test_a_log_group_forgets(bare: Client, aws: Client) -> None:
    with pytest.raises(AssertionError):  # ministack no longer needs localaws/logs/retention.py if this fails
        a_log_group_forgets_what_is_older_than_its_retention(bare)
    a_log_group_forgets_what_is_older_than_its_retention(aws)


def test_a_day_passes_in_seconds(aws: Client, endpoint: str) -> None:
    pool = aws("cognito-idp").create_user_pool(PoolName="x")["UserPool"]["Id"]
    flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    client = aws("cognito-idp").create_user_pool_client(UserPoolId=pool, ClientName="x", ExplicitAuthFlows=flows)
    client_id = client["UserPoolClient"]["ClientId"]
    aws("cognito-idp").admin_create_user(UserPoolId=pool, Username="ann", MessageAction="SUPPRESS")
    aws("cognito-idp").admin_set_user_password(UserPoolId=pool, Username="ann", Password="Correct-1", Permanent=True)
    signed_in = {"USERNAME": "ann", "PASSWORD": "Correct-1"}

    def token() -> str:
        answer = aws("cognito-idp").admin_initiate_auth(
            UserPoolId=pool, ClientId=client_id, AuthFlow="ADMIN_USER_PASSWORD_AUTH", AuthParameters=signed_in
        )
        return str(answer["AuthenticationResult"]["AccessToken"])

    access_token = token()
    aws("cognito-idp").get_user(AccessToken=access_token)

    aws("s3").create_bucket(Bucket="clock")
    aws("s3").put_object(Bucket="clock", Key="x", Body=b"x")
    link = aws("s3").generate_presigned_url("get_object", {"Bucket": "clock", "Key": "x"}, ExpiresIn=3600)
    assert status(link) == 200

    queue = aws("sqs").create_queue(
        QueueName="x", Attributes={"MessageRetentionPeriod": "3600", "VisibilityTimeout": "600"}
    )["QueueUrl"]
    aws("sqs").send_message(QueueUrl=queue, MessageBody="old")

    table: dict[str, Any] = {
        "TableName": "items",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    }
    changes = aws("dynamodb").create_table(
        **table, AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}]
    )
    aws("dynamodb").update_time_to_live(
        TableName="items", TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True}
    )
    for name, seconds in {"soon": 3600, "later": 10 * DAY}.items():
        expires = {"N": str(int(time.time()) + seconds)}
        aws("dynamodb").put_item(TableName="items", Item={"id": {"S": name}, "expires": expires})
    table_stream = changes["TableDescription"]["LatestStreamArn"]
    assert events_of(aws, table_stream) == [("INSERT", None), ("INSERT", None)]

    aws("kinesis").create_stream(StreamName="x", ShardCount=1)
    until(lambda: aws("kinesis").describe_stream(StreamName="x")["StreamDescription"]["StreamStatus"] == "ACTIVE")
    aws("kinesis").put_record(StreamName="x", Data=b"old", PartitionKey="x")
    shard = aws("kinesis").list_shards(StreamName="x")["Shards"][0]["ShardId"]

    daily = aws("sqs").create_queue(QueueName="daily")["QueueUrl"]
    daily_arn = "arn:aws:sqs:us-east-1:000000000000:daily"
    aws("sqs").set_queue_attributes(QueueUrl=daily, Attributes={"Policy": json.dumps(allow_events(daily_arn))})
    aws("events").put_rule(Name="daily", ScheduleExpression="rate(1 day)")
    aws("events").put_targets(Rule="daily", Targets=[{"Id": "x", "Arn": daily_arn}])

    lambda_ = aws("lambda")
    clock = function(
        aws,
        "clock",
        "import datetime, time\ndef handler(e, c):\n    return [time.time(), str(datetime.datetime.now())]\n",
    )
    lambda_.invoke(FunctionName=clock)

    turned(endpoint, DAY + 1)

    now = datetime.now(UTC) + timedelta(days=1)
    with urllib.request.urlopen(f"{endpoint}/_ministack/health") as answer:
        assert abs(parsedate_to_datetime(answer.headers["Date"]) - now) < timedelta(minutes=2)
    with pytest.raises(ClientError, match="NotAuthorizedException"):
        aws("cognito-idp").get_user(AccessToken=access_token)
    aws("cognito-idp").get_user(AccessToken=token())
    assert status(link) == 403
    assert "Messages" not in aws("sqs").receive_message(QueueUrl=queue)
    assert eventually(
        lambda: [item["id"]["S"] for item in aws("dynamodb").scan(TableName="items")["Items"]] == ["later"]
    )
    by_service = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    assert eventually(lambda: events_of(aws, table_stream) == [("REMOVE", by_service)])
    iterator = aws("kinesis").get_shard_iterator(StreamName="x", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    assert aws("kinesis").get_records(ShardIterator=iterator["ShardIterator"])["Records"] == []
    assert eventually(lambda: "Messages" in aws("sqs").receive_message(QueueUrl=daily))
    seconds, moment = json.load(lambda_.invoke(FunctionName=clock)["Payload"])
    assert abs(seconds - now.timestamp()) < 120
    assert moment[:10] == f"{datetime.fromtimestamp(seconds):%Y-%m-%d}"


def events_of(aws: Client, stream: str) -> list[tuple[str, Any]]:
    """Return the changes that the stream of a table has, each with the service that made it."""
    streams, trimmed = aws("dynamodbstreams"), {"StreamArn": stream, "ShardIteratorType": "TRIM_HORIZON"}
    shards = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    iterators = [streams.get_shard_iterator(**trimmed, ShardId=each["ShardId"])["ShardIterator"] for each in shards]
    records = [record for each in iterators for record in streams.get_records(ShardIterator=each)["Records"]]
    return [(record["eventName"], record.get("userIdentity")) for record in records]


def allow_events(queue: str) -> dict[str, Any]:
    principal = {"Service": "events.amazonaws.com"}
    allow = {"Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Resource": queue}
    return {"Version": "2012-10-17", "Statement": [allow]}


def test_an_object_of_the_past_expires(aws: Client, bare: Client) -> None:
    past = {"Status": "Enabled", "Filter": {}, "Expiration": {"Date": "2020-01-01T00:00:00Z"}}

    def left(s3: Any) -> int:
        s3.create_bucket(Bucket="past")
        s3.put_object(Bucket="past", Key="x")
        s3.put_bucket_lifecycle_configuration(Bucket="past", LifecycleConfiguration={"Rules": [past]})
        return int(s3.list_objects_v2(Bucket="past")["KeyCount"])

    assert left(bare("s3")) == 1, "ministack no longer needs localaws/s3/lifecycle.py"
    assert left(aws("s3")) == 0


def test_objects_versions_and_uploads_expire(aws: Client, endpoint: str) -> None:
    s3, plain, versioned = aws("s3"), {"Bucket": "plain"}, {"Bucket": "versioned"}
    rule = {"Status": "Enabled", "Filter": {"Prefix": "old/"}}
    noncurrent = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}, "Expiration": {"Days": 3}}
    abandoned = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}, "Expiration": {"Days": 1}}
    for bucket, settings in ((plain, abandoned), (versioned, noncurrent)):
        s3.create_bucket(**bucket)
        s3.put_bucket_lifecycle_configuration(**bucket, LifecycleConfiguration={"Rules": [rule | settings]})
    s3.put_bucket_versioning(**versioned, VersioningConfiguration={"Status": "Enabled"})
    for key in ("old/a", "new/a"):
        s3.put_object(**plain, Key=key)
        s3.create_multipart_upload(**plain, Key=key)
        versions = [s3.put_object(**versioned, Key=key)["VersionId"] for _ in range(2)]

    def keys(page: dict[str, Any], kind: str) -> list[str]:
        return [each["Key"] for each in page.get(kind, [])]

    turned(endpoint, 2 * DAY)
    assert keys(s3.list_objects_v2(**plain), "Contents") == ["new/a"]
    assert keys(s3.list_multipart_uploads(**plain), "Uploads") == ["new/a"]
    assert keys(s3.list_object_versions(**versioned), "Versions") == ["new/a", "new/a", "old/a"]
    turned(endpoint, 2 * DAY)
    assert keys(s3.list_objects_v2(**versioned), "Contents") == ["new/a"]
    assert keys(s3.list_object_versions(**versioned), "DeleteMarkers") == ["old/a"]
    s3.get_object(**versioned, Key="new/a", VersionId=versions[0])


def test_a_message_becomes_visible_again(aws: Client, endpoint: str) -> None:
    queue = aws("sqs").create_queue(QueueName="visible", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
    aws("sqs").send_message(QueueUrl=queue, MessageBody="x")
    assert "Messages" in aws("sqs").receive_message(QueueUrl=queue)
    assert "Messages" not in aws("sqs").receive_message(QueueUrl=queue)
    turned(endpoint, 601)
    assert "Messages" in aws("sqs").receive_message(QueueUrl=queue)


def test_an_alarm_is_evaluated_without_data_and_for_its_dimensions_only(
    aws: Client, bare: Client, endpoint: str
) -> None:
    def alarms(cloudwatch: Any) -> dict[str, tuple[str, str]]:
        described = cloudwatch.describe_alarms(AlarmNames=["silent", "loud", "other"])["MetricAlarms"]
        return {each["AlarmName"]: (each["StateValue"], each["StateReason"].partition(" [")[0]) for each in described}

    alarm = {"Namespace": "clock", "Period": 10, "EvaluationPeriods": 1, "Statistic": "Sum", "Threshold": 1}
    alarm |= {"ComparisonOperator": "GreaterThanThreshold"}
    routes = {name: [{"Name": "route", "Value": name}] for name in ("silent", "loud", "other")}
    for cloudwatch in (bare("cloudwatch"), aws("cloudwatch")):
        for name, missing in {"silent": "breaching", "loud": "ignore", "other": "ignore"}.items():
            cloudwatch.put_metric_alarm(
                **alarm, AlarmName=name, MetricName="x", Dimensions=routes[name], TreatMissingData=missing
            )
        data = [{"MetricName": "x", "Dimensions": routes["loud"], "Value": value} for value in (1, 2)]
        cloudwatch.put_metric_data(Namespace="clock", MetricData=data)
    turned(endpoint, 12)

    changed = {
        "silent": (
            "ALARM",
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as",
        ),
        "loud": ("ALARM", "Threshold Crossed: 1 datapoint"),
        "other": ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation"),
    }
    assert alarms(bare("cloudwatch")) != changed
    assert until(lambda: alarms(aws("cloudwatch")) == changed, 20)


def test_a_session_expires(aws: Client, endpoint: str) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = aws("iam").create_role(RoleName="session", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    keys = aws("sts").assume_role(RoleArn=role, RoleSessionName="session", DurationSeconds=900)["Credentials"]
    named = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    session = dict(zip(named, (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]), strict=True))
    sts = boto3.client("sts", "us-east-1", endpoint_url=endpoint, **session)
    assert sts.get_caller_identity()["Arn"].endswith("session/session")
    turned(endpoint, 901)
    with pytest.raises(ClientError):
        sts.get_caller_identity()


def test_a_certificate_is_valid_for_openssl_which_has_the_clock_of_the_machine(aws: Client, endpoint: str) -> None:
    turned(endpoint, DAY)
    made = aws("iot").create_keys_and_certificate(setAsActive=True)["certificatePem"]
    assert x509.load_pem_x509_certificate(made.encode()).not_valid_before_utc < datetime.now(UTC)


def test_only_the_root_key_turns_the_clock(endpoint: str) -> None:
    assert status(f"{endpoint}/_localaws/clock", "POST", b'{"advance": 1}') == 403
    with pytest.raises(urllib.error.HTTPError, match="404"):
        control_client.call(f"{endpoint}/_localaws/unknown")


def test_the_clock_does_not_run_back(endpoint: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        turned(endpoint, -1)
