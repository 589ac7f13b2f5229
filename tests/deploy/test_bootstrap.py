"""`make bootstrap`: what a new account needs before the first release, and nothing more the second time."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from deploy import bootstrap, stacks


@pytest.fixture
def region(emulator: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Region of a new account in which nothing was done."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    return "eu-north-1"


def client(service: str) -> Any:
    return boto3.Session().client(service)


def test_a_new_account_gets_the_role_once(region: str) -> None:
    assert bootstrap.logs_role() is None

    made = bootstrap.bootstrap()

    assert made["bucket"].endswith(region)
    assert client("s3").get_public_access_block(Bucket=made["bucket"])["PublicAccessBlockConfiguration"]
    assert bootstrap.logs_role() == made["API Gateway's role"]
    assert bootstrap.bootstrap() == made

    stacks.delete(bootstrap.STACK)
    assert bootstrap.logs_role() == made["API Gateway's role"], "other APIs of the account use it"


def test_a_role_that_is_there_is_kept(region: str) -> None:
    allow = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    role = client("iam").create_role(RoleName="own", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    policy = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    client("iam").attach_role_policy(RoleName="own", PolicyArn=policy)
    operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": role}
    client("apigateway").update_account(patchOperations=[operation])

    assert bootstrap.bootstrap()["API Gateway's role"] == role
    assert bootstrap.STACK not in stacks.existing()
