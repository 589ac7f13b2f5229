"""`make preflight`: each thing that a new account lacks is named in one line, with what mends it. It only reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3
import pytest

from deploy import __main__ as command
from deploy import account, bootstrap, order, preflight, stacks
from localaws import serve
from localaws.testing import verify_identity

SENDERS = {"Sender": "hello@shop.test", "ReceiptSender": "receipts@shop.test", "AlertRecipient": "ops@shop.test"}


@pytest.fixture(scope="module")
def new_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A new account in which nothing was done, and whose requests to AWS stay pending."""
    with serve.emulator(tmp_path_factory.mktemp("new"), grant_requests=False) as url:
        yield url


@pytest.fixture
def at(
    new_account: str, forget_clients: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """A function that returns the lines of a preflight in a Region of the account: those of all checks, or of some."""

    def at(region: str, *checks: preflight.Check, apps: Sequence[str] = order.names(), **given: str) -> list[str]:
        monkeypatch.setenv("AWS_ENDPOINT_URL", new_account)
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
        forget_clients()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(preflight, "CHECKS", checks or preflight.CHECKS)
            return [str(lack) for lack in preflight.preflight("prod", apps, given)]

    return at


def client(service: str, region: str, endpoint: str) -> Any:
    return boto3.client(service, region, endpoint_url=endpoint)


def lines(found: list[str], *words: str) -> list[str]:
    return [line for line in found if all(word in line for word in words)]


def test_a_new_account_lacks_what_a_team_makes_and_asks_for(at: Callable[..., list[str]]) -> None:
    unsaid = lines(at("eu-north-1", ReplicaRegion="eu-west-1"), "warning", "sends no mails without a sender")
    found = at("eu-north-1", ReplicaRegion="eu-west-1", **SENDERS)

    assert len(unsaid) == 3, "there is no sender by default"
    assert lines(found, "missing", "API Gateway has no role for logs in eu-north-1", "make bootstrap")
    assert lines(found, "missing", "no bucket for code in eu-north-1", "make bootstrap")
    assert lines(found, "warning", "SES is in its sandbox", "https://console.aws.amazon.com/ses/")
    assert lines(
        found, "warning", "10 executions", "--service-code lambda --quota-code L-B99A9384 --desired-value 1000"
    )
    assert lines(found, "warning", "may start 5 vCPUs", "may grow to 12", "L-1216C47A --desired-value 12")
    assert lines(found, "warning", "never had a CloudFront distribution")
    assert all("\n" not in line for line in found)
    assert len(lines(found, "missing")) == 2, found


def test_after_bootstrap_nothing_makes_the_release_fail(at: Callable[..., list[str]]) -> None:
    before = at("eu-north-1", ReplicaRegion="eu-west-1", **SENDERS)
    bootstrap.bootstrap()

    found = at("eu-north-1", ReplicaRegion="eu-west-1", **SENDERS)

    assert lines(found, "missing") == []
    assert set(found) < set(before)


def test_it_only_reads(at: Callable[..., list[str]]) -> None:
    at("ap-south-1")

    assert [bucket for bucket in account.client("s3").list_buckets()["Buckets"] if "ap-south-1" in bucket["Name"]] == []
    assert stacks.existing() == set()
    assert bootstrap.logs_role() is None


@pytest.mark.parametrize(
    ("check", "region", "given", "words"),
    [
        (preflight.zones, "us-west-1", {}, ["us-west-1 has 2 Availability Zones", "updates needs 3"]),
        (preflight.zones, "us-west-1", {"Dax": "true"}, ["us-west-1 has 2 Availability Zones", "todo-app"]),
        (preflight.region_services, "eu-central-2", {}, ["eu-central-2 has no IoT"]),
        (preflight.replicas, "eu-west-2", {"ReplicaRegion": "mars-1"}, ["the account may not use mars-1"]),
        (
            preflight.servers,
            "eu-west-2",
            {"InstanceType": "x9.large"},
            ["EC2 has no x9.large in eu-west-2a,"],
        ),
        (
            preflight.servers,
            "eu-west-2",
            {"InstanceType": "c7g.xlarge"},
            ["may start 5 vCPUs", "need 16"],
        ),
        (preflight.parameters, "eu-west-2", {"Currency": "Euro"}, ["Currency=Euro is not allowed for video-app-prod"]),
    ],
)
def test_a_choice_that_aws_would_refuse_is_named(
    at: Callable[..., list[str]], check: preflight.Check, region: str, given: dict[str, str], words: list[str]
) -> None:
    assert lines(at(region, check, **given), "missing", *words)


def test_tables_without_a_replica_are_named(at: Callable[..., list[str]]) -> None:
    found = at("eu-west-1", preflight.replicas, ReplicaRegion="eu-west-1")

    assert lines(found, "warning", "blog-app's tables have no replica outside eu-west-1", "ReplicaRegion=")
    assert lines(found, "missing") == []


def test_senders_that_are_not_verified_are_named(at: Callable[..., list[str]], new_account: str) -> None:
    region = "eu-west-3"
    assert lines(
        at(region, preflight.mail, **SENDERS), "warning", "SES has not verified hello@shop.test, the Sender of blog-app"
    )

    verify_identity(new_account, "shop.test", region)

    assert lines(at(region, preflight.mail, **SENDERS), "SES has not verified") == []


def test_what_stands_in_the_way_is_named_with_the_command_that_removes_it(
    at: Callable[..., list[str]], new_account: str
) -> None:
    region = "ca-central-1"
    logs, secrets = client("logs", region, new_account), client("secretsmanager", region, new_account)
    logs.create_log_group(logGroupName="/aws/apigateway/todo-app-prod")
    logs.create_log_group(logGroupName="/aws/apigateway/todo-app-prod-2")
    secrets.create_secret(Name="blog-app-prod-author", SecretString="{}")
    client("sesv2", region, new_account).create_email_identity(EmailIdentity="receipts@shop.test")
    client("dynamodb", region, new_account).create_table(
        TableName="todo-app-prod-todos",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )

    found = lines(at(region, preflight.existing_names, ReceiptSender="receipts@shop.test"), "is of no stack of prod")

    assert lines(found, "Logs::LogGroup /aws/apigateway/todo-app-prod", "aws logs delete-log-group --log-group-name")
    assert lines(found, "SecretsManager::Secret blog-app-prod-author", "aws secretsmanager delete-secret")
    assert lines(found, "DynamoDB::Table todo-app-prod-todos", "aws dynamodb delete-table")
    assert len(found) == 3, "a release uses an SES identity that is there"


def test_a_stage_like_another_needs_quotas(at: Callable[..., list[str]], new_account: str) -> None:
    region = "ap-northeast-1"
    for number in range(4):
        client("ec2", region, new_account).create_vpc(CidrBlock=f"10.{number}.0.0/16")

    found = at(region, preflight.counted_quotas, Dax="true")

    assert lines(found, "missing", "adds 3 VPCs; the account has 5 of 5", "--quota-code L-F678F1CE --desired-value 8")


def test_reserved_concurrency_must_leave_a_hundred(at: Callable[..., list[str]]) -> None:
    found = at("eu-west-2", preflight.concurrency, apps=["pipeline-app"], CleanseConcurrency="5")

    assert lines(found, "missing", "the stage reserves 5 and 10 must stay", "L-B99A9384 --desired-value 1000")


def test_a_role_that_api_gateway_cannot_use_is_named(at: Callable[..., list[str]], new_account: str) -> None:
    region = "ap-southeast-1"
    at(region, preflight.zones)
    bootstrap.bootstrap()
    role = str(bootstrap.logs_role()).rpartition("/")[2]
    iam = client("iam", region, new_account)
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])

    assert lines(
        at(region), "missing", "cannot write logs", "does not allow logs:", "op=replace,path=/cloudwatchRoleArn"
    )


def test_a_quick_deployment_of_the_same_stage_is_named(at: Callable[..., list[str]], new_account: str) -> None:
    region = "sa-east-1"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = client("iam", region, new_account).create_role(RoleName="quick", AssumeRolePolicyDocument=document)
    client("lambda", region, new_account).create_function(
        FunctionName="todo-app-prod",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="app.app",
        Code={"ZipFile": EMPTY_ZIP},
    )

    found = at(region, preflight.quick_deployments)

    assert lines(found, "missing", "`chalice deploy` has deployed todo-app to prod", "chalice delete --stage prod")


def test_a_check_that_aws_refuses_is_a_warning(at: Callable[..., list[str]]) -> None:
    def refused(release: preflight.Release) -> Iterator[preflight.Lack]:
        boto3.client("iam").get_role(RoleName="no such role")
        yield from ()

    (line,) = at("eu-west-2", refused)
    assert line.startswith("warning  refused was not checked: An error occurred (NoSuchEntity)")


@pytest.mark.parametrize(("fails", "code"), [(True, "a release to qa would fail: 1 missing"), (False, None)])
def test_the_exit_code_says_whether_the_release_would_fail(
    new_account: str,
    fails: bool,
    code: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", new_account)
    lack = preflight.Lack("there is no role", "make bootstrap", fails)
    monkeypatch.setattr(command, "target", lambda: "account 1")
    monkeypatch.setattr(preflight, "preflight", lambda stage, released, given: [lack])
    monkeypatch.setattr(sys, "argv", ["deploy", "preflight", "all", "qa"])

    assert command.main() == code
    assert capsys.readouterr().out == f"account 1\n{lack}\n"


EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
