"""IAM: which action and resource a request needs, what a simulation says of it, and who may assume a role."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localaws.iam import authorization_reference as reference
from localaws.iam.authorized_actions import once
from localaws.iam.parsed_policies import parsed_once

type Statement = dict[str, Any]
ACCOUNT = "000000000000"
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "403", "ForbiddenException"}


@pytest.fixture(scope="module")
def client(emulator: str) -> Callable[..., Any]:
    """A client of a service, as root or as a user with the given statements."""
    names = itertools.count()
    iam = boto3.client("iam", endpoint_url=emulator)

    def make(service: str, *statements: Statement, boundary: Statement | None = None, **options: Any) -> Any:
        if statements:
            user = f"iam-{next(names)}"
            iam.create_user(UserName=user)
            iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document(*statements))
            if boundary:
                arn = iam.create_policy(PolicyName=user, PolicyDocument=document(boundary))["Policy"]["Arn"]
                iam.put_user_permissions_boundary(UserName=user, PermissionsBoundary=arn)
            key = iam.create_access_key(UserName=user)["AccessKey"]
            options |= {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        made = boto3.client(service, endpoint_url=emulator, **options)
        made.user = user if statements else None
        return made

    return make


def document(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions: str, on: str | list[str] = "*", **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on} | more


def is_denied(call: Callable[..., Any], **request: Any) -> bool:
    """Return whether a call is refused by IAM; other errors mean that it was authorized."""
    try:
        call(**request)
    except ClientError as error:
        return error.response["Error"]["Code"] in DENIED
    return False


MAPPING = {"UUID": "12345678-1234-1234-1234-123456789012"}
FUNCTION = {"FunctionName": "f"}


@pytest.mark.parametrize(
    ("operation", "request_", "another", "needed"),
    [
        ("delete_event_source_mapping", MAPPING, "CreateEventSourceMapping", "DeleteEventSourceMapping"),
        ("get_event_source_mapping", MAPPING, "ListEventSourceMappings", "GetEventSourceMapping"),
        ("put_function_event_invoke_config", FUNCTION, "UpdateFunctionCode", "PutFunctionEventInvokeConfig"),
        ("delete_function_concurrency", FUNCTION, "PutFunctionConcurrency", "DeleteFunctionConcurrency"),
        ("get_account_settings", {}, "ListFunctions", "GetAccountSettings"),
        ("invoke", FUNCTION, "InvokeAsync", "InvokeFunction"),
    ],
)
def test_each_operation_of_lambda_needs_its_own_action(
    client: Callable[..., Any], operation: str, request_: dict[str, str], another: str, needed: str
) -> None:
    assert is_denied(getattr(client("lambda", allow(f"lambda:{another}")), operation), **request_)
    assert not is_denied(getattr(client("lambda", allow(f"lambda:{needed}")), operation), **request_)


def test_an_unknown_operation_needs_every_action_of_its_service(emulator: str, client: Callable[..., Any]) -> None:
    def get(made: Any) -> int:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.httpsession import URLLib3Session

        request = AWSRequest("GET", f"{emulator}/2015-03-31/no-such-thing")
        SigV4Auth(made._request_signer._credentials, "lambda", "us-east-1").add_auth(request)
        return int(URLLib3Session().send(request.prepare()).status_code)

    assert get(client("lambda", allow("lambda:GetFunction"))) == 403
    assert get(client("lambda", allow("lambda:*"))) != 403


def test_an_action_without_resources_is_allowed_only_for_all(client: Callable[..., Any]) -> None:
    action, group = "autoscaling:DescribeLifecycleHooks", "arn:aws:autoscaling:*:*:autoScalingGroup:*"
    request = {"AutoScalingGroupName": "g"}

    assert is_denied(client("autoscaling", allow(action, on=group)).describe_lifecycle_hooks, **request)
    assert not is_denied(client("autoscaling", allow(action)).describe_lifecycle_hooks, **request)


def test_a_request_that_names_an_arn_is_authorized_for_it(client: Callable[..., Any]) -> None:
    mine, other = (f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}" for name in ("mine", "other"))
    sqs = client("sqs", allow("sqs:ListMessageMoveTasks", on=mine))

    assert not is_denied(sqs.list_message_move_tasks, SourceArn=mine)
    assert is_denied(sqs.list_message_move_tasks, SourceArn=other)


@pytest.mark.parametrize("key", ["dynamodb:LeadingKeys", "aws:SourceVpce", "ses:Recipients", "s3:TlsVersion"])
def test_a_policy_with_a_condition_that_is_not_played_is_refused(client: Callable[..., Any], key: str) -> None:
    statement = allow("s3:GetObject", Condition={"StringEquals": {key: "x"}})

    with pytest.raises(ClientError, match=f"NotImplemented: .*{key}"):
        client("iam").create_policy(PolicyName="conditions", PolicyDocument=document(statement))


def test_only_the_service_that_a_role_trusts_assumes_it(client: Callable[..., Any]) -> None:
    iam, role = client("iam"), f"arn:aws:iam::{ACCOUNT}:role/of-a-service"
    trust = {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="of-a-service", AssumeRolePolicyDocument=document(trust))

    def assume(sts: Any, service: str | None) -> bool:
        if service:
            sts.meta.events.register(
                "before-sign", lambda request, **_: request.headers.add_header("x-localaws-service", service)
            )
        return not is_denied(sts.assume_role, RoleArn=role, RoleSessionName="session")

    assert assume(client("sts"), "firehose.amazonaws.com")
    assert not assume(client("sts"), "lambda.amazonaws.com")
    assert not assume(client("sts"), None)
    assert not assume(client("sts", allow("sts:AssumeRole")), "firehose.amazonaws.com")


BUCKET = "arn:aws:s3:::simulated"
STATEMENTS = [
    allow("s3:GetObject", on=f"{BUCKET}/a/*"),
    allow("s3:*", on=[BUCKET, f"{BUCKET}/*"]),
    allow("s3:ListBucket", on=BUCKET, Condition={"StringLike": {"s3:prefix": "a/*"}}),
    allow("s3:GetObject", on=f"{BUCKET}/${{aws:username}}/*"),
    allow("s3:PutObject") | {"Effect": "Deny", "Resource": f"{BUCKET}/a/*"},
    {"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"},
    {"Effect": "Deny", "Action": "s3:GetObject", "NotResource": f"{BUCKET}/b/*"},
]
BOUNDARIES = [None, allow("s3:GetObject"), allow("s3:*", on=f"{BUCKET}/b/*")]


@pytest.fixture(scope="module")
def bucket(client: Callable[..., Any]) -> None:
    client("s3").create_bucket(Bucket="simulated")


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.usefixtures("bucket")
def test_a_simulation_and_the_call_agree(client: Callable[..., Any], boundary: Statement | None) -> None:
    iam = client("iam")
    for statements in itertools.combinations(STATEMENTS, 2):
        s3 = client("s3", *statements, boundary=boundary)
        source = f"arn:aws:iam::{ACCOUNT}:user/{s3.user}"
        calls = [
            (action, f"{BUCKET}/{key}", {"Key": key}, operation)
            for action, operation in (("s3:GetObject", s3.get_object), ("s3:PutObject", s3.put_object))
            for key in ("a/1", "b/1", f"{s3.user}/1")
        ]
        for prefix in ("a/", "b/"):
            calls.append(("s3:ListBucket", BUCKET, {"Prefix": prefix}, s3.list_objects_v2))
        for action, resource, request, call in calls:
            keys = [("aws:username", s3.user)] + [
                ("s3:prefix", prefix) for name, prefix in request.items() if name == "Prefix"
            ]
            answer = iam.simulate_principal_policy(
                PolicySourceArn=source,
                ActionNames=[action],
                ResourceArns=[resource],
                ContextEntries=[
                    {"ContextKeyName": name, "ContextKeyValues": [value], "ContextKeyType": "string"}
                    for name, value in keys
                ],
            )
            allowed = answer["EvaluationResults"][0]["EvalDecision"] == "allowed"
            assert is_denied(call, Bucket="simulated", **request) is not allowed, (
                statements,
                boundary,
                action,
                request,
            )


def test_a_simulation_answers_for_each_action_and_resource(client: Callable[..., Any]) -> None:
    user = client("s3", allow("s3:GetObject", on=f"{BUCKET}/a/*")).user
    answer = client("iam").simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/{user}",
        ActionNames=["s3:GetObject", "s3:PutObject"],
        ResourceArns=[f"{BUCKET}/a/1", f"{BUCKET}/b/1"],
    )

    assert [result["EvalDecision"] for result in answer["EvaluationResults"]] == ["allowed", *["implicitDeny"] * 3]


def test_the_reference_knows_actions_and_resources() -> None:
    assert reference.exists("sqs:SendMessage")
    assert not reference.exists("sqs:SendMessageBatch")
    assert reference.has_resources("sqs:SendMessage")
    assert not reference.has_resources("elasticloadbalancing:DescribeTargetHealth")


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [
        ("test", "another", "SignatureDoesNotMatch"),
        ("123456789012", "test", "InvalidClientTokenId"),
        ("AKIAIOSFODNN7EXAMPLE", "test", "InvalidClientTokenId"),
    ],
)
def test_the_signature_of_the_root_key_is_checked(client: Callable[..., Any], key: str, secret: str, code: str) -> None:
    sts = client("sts", aws_access_key_id=key, aws_secret_access_key=secret)

    with pytest.raises(ClientError, match=code):
        sts.get_caller_identity()
    assert client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_the_action_of_a_request_is_derived_once() -> None:
    derived: list[object] = []
    headers: dict[str, str] = {}

    def derive(*request: object) -> str:
        derived.append(request)
        return f"s3:{request[1]}"

    action = once(derive)

    assert [action("s3", name, headers) for name in ("Get", "Get", "Put")] == ["s3:Get", "s3:Get", "s3:Put"]
    action("s3", "Put", {})
    assert len(derived) == 3


def test_a_policy_is_parsed_once_and_a_changed_one_again() -> None:
    parsed: list[str] = []

    def parse(policy: str) -> list[str]:
        parsed.append(policy)
        return [policy]

    parse_once = parsed_once(parse)

    assert [parse_once(policy) for policy in ("{}", "{}", "[]")] == [["{}"], ["{}"], ["[]"]]
    assert parsed == ["{}", "[]"]
