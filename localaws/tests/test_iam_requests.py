"""IAM and STS: what they reject, and how they describe roles and users."""

from __future__ import annotations

import itertools
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}],
    }
)
ALLOW_ALL = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
)
names = (f"iam-requests-{number}" for number in itertools.count())


def code_and_message(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def iam(emulator: str) -> Any:
    return boto3.client("iam", endpoint_url=emulator)


@pytest.fixture
def role(iam: Any) -> dict[str, Any]:
    made: dict[str, Any] = iam.create_role(RoleName=next(names), AssumeRolePolicyDocument=TRUST)["Role"]
    return made


def test_a_description_has_only_what_was_set(iam: Any, role: dict[str, Any]) -> None:
    described = iam.get_role(RoleName=role["RoleName"])["Role"]
    assert not {"Description", "MaxSessionDuration"} & role.keys()
    assert described["MaxSessionDuration"] == 3600
    assert described["RoleLastUsed"] == {}


def test_a_permissions_boundary_has_the_type_policy(iam: Any) -> None:
    arn = iam.create_policy(PolicyName=next(names), PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
    user = iam.create_user(UserName=next(names), PermissionsBoundary=arn)["User"]
    assert user["PermissionsBoundary"]["PermissionsBoundaryType"] == "Policy"


def test_a_trust_policy_must_be_json(iam: Any) -> None:
    error = code_and_message(iam.create_role, RoleName=next(names), AssumeRolePolicyDocument="{,}")
    assert error == ("MalformedPolicyDocument", "This policy contains invalid Json")


@pytest.mark.parametrize(
    ("arn", "code"),
    [("not-an-arn-of-a-policy", "ValidationError"), ("arn:aws:iam::000000000000:policy/missing", "NoSuchEntity")],
)
def test_an_attached_policy_must_exist(iam: Any, role: dict[str, Any], arn: str, code: str) -> None:
    assert code_and_message(iam.attach_role_policy, RoleName=role["RoleName"], PolicyArn=arn)[0] == code


def test_every_policy_of_aws_can_be_attached(iam: Any, role: dict[str, Any]) -> None:
    arn = "arn:aws:iam::aws:policy/AmazonConnectReadOnlyAccess"
    iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn=arn)
    attached = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [arn]


def test_a_user_gets_its_own_description_and_a_role_none(iam: Any, emulator: str, role: dict[str, Any]) -> None:
    name = iam.create_user(UserName=next(names))["User"]["UserName"]
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=ALLOW_ALL)
    iam.put_role_policy(RoleName=role["RoleName"], PolicyName="all", PolicyDocument=ALLOW_ALL)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.client("sts", endpoint_url=emulator).assume_role(RoleArn=role["Arn"], RoleSessionName="one")
    as_user = boto3.client(
        "iam",
        endpoint_url=emulator,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    as_role = boto3.client(
        "iam",
        endpoint_url=emulator,
        aws_access_key_id=session["Credentials"]["AccessKeyId"],
        aws_secret_access_key=session["Credentials"]["SecretAccessKey"],
        aws_session_token=session["Credentials"]["SessionToken"],
    )

    assert as_user.get_user()["User"]["UserName"] == name
    assert code_and_message(as_role.get_user)[0] == "ValidationError"


def test_a_session_name_and_a_role_arn_have_a_form(emulator: str, role: dict[str, Any]) -> None:
    sts = boto3.client("sts", endpoint_url=emulator)
    assert "roleSessionName" in code_and_message(sts.assume_role, RoleArn=role["Arn"], RoleSessionName="a:b")[1]
    error = code_and_message(sts.assume_role, RoleArn="no-arn-of-a-role-at-all", RoleSessionName="ab")
    assert error == ("ValidationError", "no-arn-of-a-role-at-all is invalid")


def test_a_group_can_be_simulated(iam: Any) -> None:
    group = iam.create_group(GroupName=next(names))["Group"]
    iam.put_group_policy(GroupName=group["GroupName"], PolicyName="all", PolicyDocument=ALLOW_ALL)
    result = iam.simulate_principal_policy(PolicySourceArn=group["Arn"], ActionNames=["s3:PutObject"])
    assert result["EvaluationResults"][0]["EvalDecision"] == "allowed"


def test_the_bare_emulator_attaches_policies_that_do_not_exist(bare_emulator: str) -> None:
    iam = boto3.client("iam", endpoint_url=bare_emulator)
    role = iam.create_role(RoleName="bare", AssumeRolePolicyDocument="{,}")["Role"]
    iam.attach_role_policy(RoleName="bare", PolicyArn="arn:aws:iam::000000000000:policy/missing")
    assert role["Description"] == ""
