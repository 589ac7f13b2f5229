"""A new account: what AWS refuses there until the account has a role, a verified address, or a higher quota."""

from __future__ import annotations

import contextlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from localaws import processes, serve
from localaws.account import resource_limits
from localaws.clock.client import turned
from localaws.cloudfront.deployed import DeployedDistribution
from localaws.ports import find_free_port
from localaws.testing import active, eventually, verify_identity

REGION = "us-east-1"
NO_ROLE = "CloudWatch Logs role ARN must be set in account settings to enable logging"
SIMPLE = {"Simple": {"Subject": {"Data": "subject"}, "Body": {"Text": {"Data": "text"}}}}
SLOW = "import time\ndef handler(event, context):\n    time.sleep(1.5)\n"
LOG_GROUP = "arn:aws:logs:us-east-1:000000000000:log-group:access"

PUBLIC_KEY = (
    rsa.generate_private_key(65537, 2048)
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)

type Client = Callable[..., Any]


def clients(endpoint: str) -> Client:
    def client(service: str, region: str = REGION) -> Any:
        return boto3.client(service, region, endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1}))

    return client


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Clients of a new account, whose requests to AWS stay pending."""
    with serve.emulator(tmp_path_factory.mktemp("new"), grant_requests=False) as url:
        yield clients(url)


@pytest.fixture(scope="module")
def granting(emulator: str) -> Client:
    """Clients of an account whose requests to AWS are granted at once."""
    return clients(emulator)


@contextlib.contextmanager
def bare_emulator(folder: Path) -> Iterator[str]:
    """Run ministack alone until the block ends; the value is its address."""
    port = find_free_port()
    settings = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
    settings |= {"GATEWAY_PORT": str(port), "TMPDIR": str(folder), "STATE_DIR": str(folder), "LOG_LEVEL": "ERROR"}
    with processes.running(["-m", "ministack"], settings, folder) as process:
        processes.wait_for(f"http://127.0.0.1:{port}/_ministack/health", process)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Clients of ministack alone."""
    with bare_emulator(tmp_path_factory.mktemp("bare")) as url:
        yield clients(url)


def stack(client: Client, name: str, resources: dict[str, Any]) -> None:
    """Create a stack. Raises AssertionError with the reason of the failed resource."""
    cloudformation = client("cloudformation")
    body = json.dumps({"Resources": resources})
    cloudformation.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    try:
        waiter = cloudformation.get_waiter("stack_create_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1})
    except WaiterError as error:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        raise AssertionError([event.get("ResourceStatusReason") for event in events]) from error


def api() -> dict[str, Any]:
    """Return an API with a deployment, and a stage that writes access logs."""
    document = {
        "swagger": "2.0",
        "info": {"title": "x", "version": "1"},
        "paths": {"/": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}},
    }
    stage = {"DestinationArn": LOG_GROUP, "Format": "$context.requestId"}
    return {
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": document}},
        "Deployment": {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": {"Ref": "Api"}}},
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "DeploymentId": {"Ref": "Deployment"},
                "StageName": "v1",
                "AccessLogSetting": stage,
            },
        },
    }


def logs_role(service: str = "apigateway.amazonaws.com", **more: Any) -> dict[str, Any]:
    """Return a role for API Gateway's logs and the setting of the account that names it."""
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policies = ["arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"]
    trust = {"Version": "2012-10-17", "Statement": [allow]}
    role = {"AssumeRolePolicyDocument": trust, "ManagedPolicyArns": policies, **more}
    return {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Account": {
            "Type": "AWS::ApiGateway::Account",
            "Properties": {"CloudWatchRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}},
        },
    }


def function(client: Client, name: str, source: str = SLOW) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    settings = {"Runtime": "python3.13", "Handler": "app.handler", "Timeout": 10}
    client("lambda").create_function(FunctionName=name, Role=role, Code={"ZipFile": zipped(source)}, **settings)
    active(client("lambda"), name)
    return name


def zipped(source: str) -> bytes:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", source)
    return code.getvalue()


def send(client: Client, sender: str, *to: str) -> Any:
    return client("sesv2").send_email(FromEmailAddress=sender, Destination={"ToAddresses": list(to)}, Content=SIMPLE)


def verify(client: Client, identity: str) -> None:
    ses = client("sesv2").meta
    verify_identity(ses.endpoint_url, identity, ses.region_name)


# --- each gap, on localaws and on the bare emulator ---------------------------------------------------------


def a_stage_with_access_logs_needs_the_role_of_the_account(client: Client) -> None:
    gateway = client("apigateway")
    made = gateway.create_rest_api(name="x")["id"]
    resource = gateway.get_resources(restApiId=made)["items"][0]["id"]
    method = {"restApiId": made, "resourceId": resource, "httpMethod": "GET"}
    gateway.put_method(**method, authorizationType="NONE")
    gateway.put_integration(**method, type="MOCK")
    gateway.create_deployment(restApiId=made, stageName="v1")
    operation = {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": LOG_GROUP}
    with pytest.raises(ClientError, match=NO_ROLE):
        gateway.update_stage(restApiId=made, stageName="v1", patchOperations=[operation])


def a_new_account_has_ten_concurrent_executions(client: Client) -> None:
    assert client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 10


def a_new_account_is_in_the_sandbox_of_ses(client: Client) -> None:
    account = client("sesv2").get_account()
    assert account["ProductionAccessEnabled"] is False
    assert (account["SendQuota"]["Max24HourSend"], account["SendQuota"]["MaxSendRate"]) == (200, 1)


def a_new_address_is_not_verified(client: Client) -> None:
    ses = client("sesv2")
    ses.create_email_identity(EmailIdentity="new@sender.example")
    assert ses.get_email_identity(EmailIdentity="new@sender.example")["VerifiedForSendingStatus"] is False


def a_region_has_five_vpcs(client: Client) -> None:
    ec2 = client("ec2", "eu-west-2")
    while len(ec2.describe_vpcs()["Vpcs"]) < 5:
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
    with pytest.raises(ClientError, match=r"VpcLimitExceeded.*: The maximum number of VPCs has been reached\."):
        ec2.create_vpc(CidrBlock="10.0.0.0/16")


def the_quota_of_concurrent_executions_is_shown(client: Client) -> None:
    quota = client("service-quotas").get_service_quota(ServiceCode="lambda", QuotaCode="L-B99A9384")["Quota"]
    assert (quota["QuotaName"], quota["Value"]) == ("Concurrent executions", 10)


each_gap = pytest.mark.parametrize(
    ("module", "probe"),
    [
        ("account.resource_limits", a_region_has_five_vpcs),
        ("account.service_quotas", the_quota_of_concurrent_executions_is_shown),
        ("apigateway.account_role", a_stage_with_access_logs_needs_the_role_of_the_account),
        ("lambda_.concurrency", a_new_account_has_ten_concurrent_executions),
        ("ses.sandbox", a_new_account_is_in_the_sandbox_of_ses),
        ("ses.verification", a_new_address_is_not_verified),
    ],
)


@each_gap
def test_the_gap_is_closed(module: str, probe: Callable[[Client], None], new: Client) -> None:
    probe(new)


@each_gap
def test_the_gap_is_still_there_in_ministack(module: str, probe: Callable[[Client], None], bare: Client) -> None:
    try:
        probe(bare)
    except (AssertionError, ClientError, pytest.fail.Exception):
        return
    pytest.fail(f"ministack no longer needs localaws/{module.replace('.', '/')}.py; delete it")


@pytest.fixture(scope="module")
def late_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulator in which everything takes an hour that takes a while on AWS."""
    with serve.emulator(tmp_path_factory.mktemp("late"), consistency_delay=3600) as url:
        yield url


@pytest.fixture(scope="module")
def late(late_url: str) -> Client:
    return clients(late_url)


def an_hour_passes(url: str) -> None:
    turned(url, 3601)


def test_a_new_role_and_the_name_of_a_deleted_bucket_need_time(late: Client, late_url: str, bare: Client) -> None:
    function(bare, "at-once")
    with pytest.raises(ClientError, match="The role defined for the function cannot be assumed by Lambda"):
        function(late, "too-early")
    late("s3").create_bucket(Bucket="name")
    late("s3").delete_bucket(Bucket="name")
    with pytest.raises(ClientError, match=r"OperationAborted.*A conflicting conditional operation"):
        late("s3").create_bucket(Bucket="name")

    an_hour_passes(late_url)

    late("s3").create_bucket(Bucket="name")
    role = late("iam").get_role(RoleName="too-early")["Role"]["Arn"]
    code = {"ZipFile": zipped(SLOW)}
    late("lambda").create_function(FunctionName="x", Role=role, Code=code, Runtime="python3.13", Handler="app.handler")


def test_a_mapping_that_starts_at_latest_needs_time(late: Client, late_url: str) -> None:
    allow = {"Effect": "Allow", "Action": "kinesis:*", "Resource": "*"}
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trusted, allowed = (json.dumps({"Version": "2012-10-17", "Statement": [each]}) for each in (trust, allow))
    role = late("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    late("iam").put_role_policy(RoleName="reader", PolicyName="x", PolicyDocument=allowed)
    late("kinesis").create_stream(StreamName="late", ShardCount=1)
    an_hour_passes(late_url)
    functions = late("lambda")
    code = {"Code": {"ZipFile": zipped(SLOW)}, "Runtime": "python3.13", "Handler": "app.handler"}
    functions.create_function(FunctionName="reader", Role=role, **code)
    source = {"EventSourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/late", "StartingPosition": "LATEST"}

    mapping = functions.create_event_source_mapping(FunctionName="reader", **source)
    turned(late_url, 1)
    assert functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Creating"

    an_hour_passes(late_url)
    enabled = functions.get_event_source_mapping(UUID=mapping["UUID"])
    assert enabled["State"] == "Enabled"
    assert enabled["LastModified"] - mapping["LastModified"] > timedelta(minutes=59)  # LATEST begins here


def test_an_index_needs_time(late: Client, late_url: str) -> None:
    dynamodb = late("dynamodb")
    dynamodb.create_table(
        TableName="indexed",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "kind")],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-kind",
                "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    query = {"KeyConditionExpression": "kind = :k", "ExpressionAttributeValues": {":k": {"S": "a"}}}
    index = {"TableName": "indexed", "IndexName": "by-kind"}

    def in_index() -> list[tuple[list[str], list[str]]]:
        answers = (dynamodb.query(**index, **query), dynamodb.scan(**index))
        return [sorted(item["id"]["S"] + item["n"]["S"] for item in answer["Items"]) for answer in answers]

    def put(key: str, number: str) -> None:
        dynamodb.put_item(TableName="indexed", Item={"id": {"S": key}, "kind": {"S": "a"}, "n": {"S": number}})

    for key, number in (("x", "1"), ("x", "2"), ("y", "1")):
        put(key, number)
    assert in_index() == [[], []]
    assert dynamodb.scan(TableName="indexed")["Count"] == 2

    an_hour_passes(late_url)
    assert in_index() == [["x2", "y1"], ["x2", "y1"]]
    put("x", "3")
    dynamodb.delete_item(TableName="indexed", Key={"id": {"S": "y"}})
    assert in_index() == [["x2", "y1"], ["x2", "y1"]]

    an_hour_passes(late_url)
    assert in_index() == [["x3"], ["x3"]]
    with pytest.raises(ClientError, match="Consistent reads are not supported on global secondary indexes"):
        dynamodb.query(**index, **query, ConsistentRead=True)


def test_the_notifications_of_a_bucket_need_time_after_the_test_event(late: Client, late_url: str) -> None:
    s3, sqs = late("s3"), late("sqs")
    s3.create_bucket(Bucket="notifying")
    url = sqs.create_queue(QueueName="notified")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="notifying", NotificationConfiguration=configuration)

    s3.put_object(Bucket="notifying", Key="early", Body=b"")
    an_hour_passes(late_url)
    s3.put_object(Bucket="notifying", Key="late", Body=b"")

    received: list[str] = []

    def events() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            body = json.loads(message["Body"])
            received.append(body.get("Event") or body["Records"][0]["s3"]["object"]["key"])
        return "late" in received

    assert eventually(events)
    assert received == ["s3:TestEvent", "late"]


def test_a_change_of_a_distribution_needs_time(late: Client, late_url: str) -> None:
    cloudfront = late("cloudfront")
    made = cloudfront.create_distribution(DistributionConfig=distribution_config("first"))["Distribution"]
    assert made["Status"] == "InProgress"
    an_hour_passes(late_url)
    assert cloudfront.get_distribution(Id=made["Id"])["Distribution"]["Status"] == "Deployed"

    edge = DeployedDistribution(cloudfront, made["Id"])
    etag = cloudfront.get_distribution_config(Id=made["Id"])["ETag"]
    config = distribution_config("second")
    updated = cloudfront.update_distribution(Id=made["Id"], IfMatch=etag, DistributionConfig=config)["Distribution"]
    batch = {"Paths": {"Quantity": 1, "Items": ["/x"]}, "CallerReference": "x"}
    invalidation = cloudfront.create_invalidation(DistributionId=made["Id"], InvalidationBatch=batch)["Invalidation"]
    assert (updated["Status"], invalidation["Status"]) == ("InProgress", "InProgress")
    assert edge.refresh() == []
    assert edge.distribution.default_root_object == "first"

    an_hour_passes(late_url)
    assert edge.refresh() == ["/x"]
    assert edge.distribution.default_root_object == "second"


def distribution_config(root: str) -> dict[str, Any]:
    origin = {"Id": "o", "DomainName": "example.com", "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443}}
    origin["CustomOriginConfig"] |= {"OriginProtocolPolicy": "https-only"}  # type: ignore[operator]
    behavior = {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all"}
    behavior |= {"CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}
    return {
        "CallerReference": "late",
        "Comment": "",
        "Enabled": True,
        "DefaultRootObject": root,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": behavior,
    }


# --- API Gateway's role -------------------------------------------------------------------------------------


def test_a_stack_with_access_logs_needs_the_role_of_the_account(new: Client) -> None:
    with pytest.raises(AssertionError, match=NO_ROLE):
        stack(new, "refused", api())
    assert new("cloudformation").describe_stacks(StackName="refused")["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
    for name, unusable in {
        "not-trusted": logs_role("lambda.amazonaws.com"),
        "no-permission": logs_role(ManagedPolicyArns=[]),
    }.items():
        with pytest.raises(AssertionError, match="The role ARN does not have required permissions configured"):
            stack(new, name, unusable)
    operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": "arn:aws:iam::000000000000:role/none"}
    with pytest.raises(ClientError, match="The role ARN does not have required permissions configured"):
        new("apigateway").update_account(patchOperations=[operation])

    stack(new, "account", logs_role())
    stack(new, "logged", api())
    logged = new("cloudformation").describe_stack_resource(StackName="logged", LogicalResourceId="Api")
    api_id = logged["StackResourceDetail"]["PhysicalResourceId"]
    settings = new("apigateway").get_stage(restApiId=api_id, stageName="v1")["accessLogSettings"]

    assert settings == {"destinationArn": LOG_GROUP, "format": "$context.requestId"}
    assert new("apigateway", "eu-west-1").get_account().get("cloudwatchRoleArn") is None


# --- SES ----------------------------------------------------------------------------------------------------


def test_the_sandbox_of_ses_sends_to_verified_addresses_only(new: Client) -> None:
    unverified = "Email address is not verified. The following identities failed the check in region US-EAST-1: "
    verify(new, "blog@sender.example")
    cases = {
        ("nobody@sender.example", "blog@sender.example"): "nobody@sender.example",
        ("blog@sender.example", "ann@example.com"): "ann@example.com",
        ("nobody@sender.example", "ann@example.com"): "nobody@sender.example, ann@example.com",
    }
    for (sender, recipient), named in cases.items():
        with pytest.raises(new("sesv2").exceptions.MessageRejected, match=re.escape(unverified + named)):
            send(new, sender, recipient)
    assert send(new, "blog@sender.example", "success@simulator.amazonses.com")["MessageId"]
    identities = {
        each["IdentityName"]: each["VerificationStatus"]
        for each in new("sesv2").list_email_identities()["EmailIdentities"]
    }
    assert identities["blog@sender.example"] == "SUCCESS"


def test_a_verified_address_is_forgotten_with_its_identity(new: Client) -> None:
    verify(new, "gone@sender.example")
    new("sesv2").delete_email_identity(EmailIdentity="gone@sender.example")
    new("sesv2").create_email_identity(EmailIdentity="gone@sender.example")
    assert not new("sesv2").get_email_identity(EmailIdentity="gone@sender.example")["VerifiedForSendingStatus"]


def test_the_address_of_a_stack_is_verified_by_its_owner(new: Client) -> None:
    identity = {"Type": "AWS::SES::EmailIdentity", "Properties": {"EmailIdentity": "stack@sender.example"}}
    stack(new, "sender", {"Sender": identity})
    ses = new("sesv2")
    assert not ses.get_email_identity(EmailIdentity="stack@sender.example")["VerifiedForSendingStatus"]
    verify(new, "stack@sender.example")
    assert ses.get_email_identity(EmailIdentity="stack@sender.example")["VerifiedForSendingStatus"]


def test_a_domain_is_verified_when_its_dns_has_the_records(new: Client) -> None:
    ses = new("sesv2")
    ses.create_email_identity(EmailIdentity="domain.example")
    assert not ses.get_email_identity(EmailIdentity="domain.example")["VerifiedForSendingStatus"]
    verify(new, "domain.example")
    identity = ses.get_email_identity(EmailIdentity="domain.example")
    assert (identity["VerifiedForSendingStatus"], identity["DkimAttributes"]["Status"]) == (True, "SUCCESS")


def test_the_sandbox_sends_one_email_a_second(new: Client) -> None:
    ses = new("sesv2", "eu-central-1")  # a Region in which nothing was sent
    regional: Client = lambda service, region="eu-central-1": new(service, region)  # noqa: E731
    verify(regional, "rate@sender.example")
    send(regional, "rate@sender.example", "success@simulator.amazonses.com", "bounce@simulator.amazonses.com")
    with pytest.raises(ses.exceptions.TooManyRequestsException, match=r"Maximum sending rate exceeded\."):
        send(regional, "rate@sender.example", "success@simulator.amazonses.com")
    with pytest.raises(ClientError, match=r"Throttling.*Maximum sending rate exceeded\."):
        new("ses", "eu-central-1").send_email(
            Source="rate@sender.example",
            Destination={"ToAddresses": ["success@simulator.amazonses.com"]},
            Message={"Subject": {"Data": "x"}, "Body": {}},
        )
    assert ses.get_account()["SendQuota"]["SentLast24Hours"] == 2


def test_production_access_is_pending_until_aws_grants_it(new: Client, granting: Client) -> None:
    details = {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://blog.example", "ProductionAccessEnabled": True}
    new("sesv2", "eu-west-3").put_account_details(**details)
    account = new("sesv2", "eu-west-3").get_account()
    assert (account["ProductionAccessEnabled"], account["Details"]["ReviewDetails"]["Status"]) == (False, "PENDING")
    with pytest.raises(ClientError, match="ConflictException"):
        new("sesv2", "eu-west-3").put_account_details(**details)

    granting("sesv2", "eu-west-3").put_account_details(**details)
    account = granting("sesv2", "eu-west-3").get_account()
    assert (account["ProductionAccessEnabled"], account["Details"]["ReviewDetails"]["Status"]) == (True, "GRANTED")
    assert account["SendQuota"]["Max24HourSend"] == 50_000


# --- Lambda's concurrency -----------------------------------------------------------------------------------


def test_ten_executions_of_all_functions_run_at_once(new: Client) -> None:
    name, lambda_ = function(new, "busy"), new("lambda")

    def invoke(_: int) -> dict[str, Any]:
        try:
            status: dict[str, Any] = lambda_.invoke(FunctionName=name)
        except ClientError as error:
            return error.response
        return status

    with ThreadPoolExecutor(14) as pool:
        answers = list(pool.map(invoke, range(14)))
    refused = [answer for answer in answers if "Error" in answer]
    assert len(refused) == 4
    for answer in refused:
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert answer["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
        assert (answer["Reason"], answer["Type"]) == ("ConcurrentInvocationLimitExceeded", "User")


def test_nothing_can_be_reserved_of_ten_executions(new: Client) -> None:
    name, lambda_ = function(new, "reserving"), new("lambda")
    reason = r"decreases account's UnreservedConcurrentExecution below its minimum value of \[10\]"
    with pytest.raises(lambda_.exceptions.InvalidParameterValueException, match=reason):
        lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(lambda_.exceptions.TooManyRequestsException) as throttled:
        lambda_.invoke(FunctionName=name)
    assert throttled.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_an_asynchronous_event_waits_until_there_is_concurrency(new: Client) -> None:
    busy, lambda_ = function(new, "fully-busy"), new("lambda")
    name = function(new, "waiting", "def handler(event, context):\n    print('called', event['at'])\n")

    def called() -> list[Any]:
        groups = new("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/waiting")["logGroups"]
        events = [e for g in groups for e in new("logs").filter_log_events(logGroupName=g["logGroupName"])["events"]]
        return [event for event in events if "called once" in event["message"]]

    with ThreadPoolExecutor(14) as pool:
        for _ in range(14):
            pool.submit(eventually, lambda: not is_throttled(lambda_, busy))
        assert eventually(lambda: is_throttled(lambda_, name))
        lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps({"at": "once"}))
        assert called() == []
    assert eventually(called)


def is_throttled(lambda_: Any, name: str) -> bool:
    try:
        lambda_.invoke(FunctionName=name, Payload=json.dumps({"at": "never"}))
    except lambda_.exceptions.TooManyRequestsException:
        return True
    return False


def test_a_higher_quota_lets_a_function_reserve(granting: Client) -> None:
    region = "ap-southeast-2"
    regional: Client = lambda service, where=region: granting(service, where)  # noqa: E731
    quota = {"ServiceCode": "lambda", "QuotaCode": "L-B99A9384"}
    asked = regional("service-quotas").request_service_quota_increase(**quota, DesiredValue=1000)["RequestedQuota"]
    assert asked["Status"] == "APPROVED"
    assert regional("service-quotas").get_service_quota(**quota)["Quota"]["Value"] == 1000
    name, lambda_ = function(regional, "reserved"), regional("lambda")
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=900)
    limit = lambda_.get_account_settings()["AccountLimit"]
    assert (limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]) == (1000, 100)
    with pytest.raises(lambda_.exceptions.InvalidParameterValueException, match=r"minimum value of \[100\]"):
        lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=901)


# --- Service Quotas -----------------------------------------------------------------------------------------


def test_a_request_for_a_higher_quota_is_pending_until_aws_grants_it(new: Client) -> None:
    quotas, quota = new("service-quotas"), {"ServiceCode": "vpc", "QuotaCode": "L-F678F1CE"}
    with pytest.raises(quotas.exceptions.IllegalArgumentException):
        quotas.request_service_quota_increase(**quota, DesiredValue=5)
    asked = quotas.request_service_quota_increase(**quota, DesiredValue=20)["RequestedQuota"]
    assert asked["Status"] == "PENDING"
    with pytest.raises(quotas.exceptions.ResourceAlreadyExistsException):
        quotas.request_service_quota_increase(**quota, DesiredValue=30)
    assert quotas.get_requested_service_quota_change(RequestId=asked["Id"])["RequestedQuota"]["DesiredValue"] == 20
    history = quotas.list_requested_service_quota_change_history(ServiceCode="vpc")["RequestedQuotas"]
    assert [each["Id"] for each in history] == [asked["Id"]]
    assert quotas.get_service_quota(**quota)["Quota"]["Value"] == 5


def test_a_quota_of_a_global_service_is_in_one_region(new: Client) -> None:
    here = new("service-quotas").list_service_quotas(ServiceCode="iam")["Quotas"]
    assert [(quota["QuotaName"], quota["Value"]) for quota in here] == [("Roles per account", 1000)]
    assert new("service-quotas", "eu-west-1").list_service_quotas(ServiceCode="iam")["Quotas"] == []
    with pytest.raises(new("service-quotas").exceptions.NoSuchResourceException):
        new("service-quotas").list_service_quotas(ServiceCode="unknown")


# --- limits of resources ------------------------------------------------------------------------------------


def test_cloudfront_has_twenty_cache_policies_ten_keys_and_ten_key_groups(new: Client) -> None:
    cloudfront = new("cloudfront")

    def policy(number: int) -> None:
        settings = {"Name": f"policy-{number}", "MinTTL": 0}
        cloudfront.create_cache_policy(CachePolicyConfig=settings)

    def key(number: int) -> str:
        settings = {"CallerReference": str(number), "Name": f"key-{number}", "EncodedKey": PUBLIC_KEY}
        return str(cloudfront.create_public_key(PublicKeyConfig=settings)["PublicKey"]["Id"])

    for number in range(20):
        policy(number)
    with pytest.raises(cloudfront.exceptions.TooManyCachePolicies):
        policy(20)
    keys = [key(number) for number in range(10)]
    with pytest.raises(cloudfront.exceptions.TooManyPublicKeys):
        key(10)
    for number in range(10):
        cloudfront.create_key_group(KeyGroupConfig={"Name": f"group-{number}", "Items": keys[:1]})
    with pytest.raises(cloudfront.exceptions.TooManyKeyGroups):
        cloudfront.create_key_group(KeyGroupConfig={"Name": "group-10", "Items": keys[:1]})
    config = {"Name": "policy-20", "MinTTL": 0, "MaxTTL": 1, "DefaultTTL": 1}
    parameters = {"CookiesConfig": {"CookieBehavior": "none"}, "EnableAcceptEncodingGzip": False}
    parameters |= {"HeadersConfig": {"HeaderBehavior": "none"}, "QueryStringsConfig": {"QueryStringBehavior": "none"}}
    config |= {"ParametersInCacheKeyAndForwardedToOrigin": parameters}
    policy_resource = {"Type": "AWS::CloudFront::CachePolicy", "Properties": {"CachePolicyConfig": config}}
    with pytest.raises(AssertionError, match=r"Limit exceeded for resource of type .*maximum number of cache policies"):
        stack(new, "policies", {"Policy": policy_resource})


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (resource_limits.BUCKETS, "You have attempted to create more buckets than allowed"),
        (resource_limits.ROLES, "Cannot exceed quota for RolesPerAccount: 0"),
        (resource_limits.STACKS, "Limit for stack has been exceeded"),
    ],
)
def test_larger_limits_have_their_own_messages(
    limit: resource_limits.Limit, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limit.exceeded() is None
    monkeypatch.setattr(resource_limits, "applied", lambda quota: 0)
    assert limit.exceeded() == message
