"""The policies of all deployed functions: what a simulation says is what the call gets."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import suite
from botocore.config import Config
from botocore.exceptions import ClientError

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "403"}
type Request = tuple[str, str, dict[str, Any], Callable[..., Any]]

CALLS: dict[str, Callable[[Any, str], Request]] = {
    "AWS::DynamoDB::Table": lambda session, table: (
        "dynamodb:Query",
        f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}",
        {"TableName": table, "KeyConditionExpression": "nothing = :v", "ExpressionAttributeValues": {":v": {"S": "v"}}},
        session("dynamodb").query,
    ),
    "AWS::SQS::Queue": lambda session, url: (
        "sqs:SendMessage",
        f"arn:aws:sqs:us-east-1:000000000000:{url.rpartition('/')[2]}",
        {"QueueUrl": url, "MessageBody": "", "DelaySeconds": -1},  # refused after the authorization
        session("sqs").send_message,
    ),
    "AWS::S3::Bucket": lambda session, bucket: (
        "s3:GetObject",
        f"arn:aws:s3:::{bucket}/no-such-key",
        {"Bucket": bucket, "Key": "no-such-key"},
        session("s3").get_object,
    ),
    "AWS::SecretsManager::Secret": lambda session, secret: (
        "secretsmanager:GetSecretValue",
        boto3.client("secretsmanager").describe_secret(SecretId=secret)["ARN"],
        {"SecretId": secret, "VersionId": "0" * 32},
        session("secretsmanager").get_secret_value,
    ),
    "AWS::SNS::Topic": lambda session, topic: (
        "sns:Publish",
        topic,
        {"TopicArn": topic, "Message": ""},
        session("sns").publish,
    ),
    "AWS::Kinesis::Stream": lambda session, stream: (
        "kinesis:PutRecord",
        f"arn:aws:kinesis:us-east-1:000000000000:stream/{stream}",
        {"StreamName": stream, "Data": b"", "PartitionKey": ""},
        session("kinesis").put_record,
    ),
}
"""A call for each type of resource, by the action and resource that it needs; none of them changes anything."""


def _resources(cloudformation: Any) -> Iterator[tuple[str, str]]:
    for stack in cloudformation.get_paginator("describe_stacks").paginate().search("Stacks[].StackName"):
        for resource in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]:
            yield resource["ResourceType"], resource["PhysicalResourceId"]


def _session(endpoint: str, credentials: dict[str, str]) -> Callable[[str], Any]:
    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            config=Config(retries={"max_attempts": 0}, parameter_validation=False),
        )

    return client


def _is_denied(call: Callable[..., Any], request: dict[str, Any]) -> bool:
    try:
        call(**request)
    except ClientError as error:
        return error.response["Error"]["Code"] in DENIED
    return False


@suite.of_all_apps
@pytest.mark.alone
def test_a_simulation_and_the_call_agree_for_every_function(sandbox: dict[str, Any]) -> None:
    iam, sts, resources = boto3.client("iam"), boto3.client("sts"), list(_resources(boto3.client("cloudformation")))
    sts.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header("x-localaws-service", "lambda.amazonaws.com")
    )
    functions = boto3.client("lambda").get_paginator("list_functions").paginate().search("Functions[].Role")
    roles, chosen = sorted(set(functions)), random.Random(12)
    things = sorted(resource for resource in resources if resource[0] in CALLS)
    assert len(roles) >= 20
    assert {kind for kind, _ in things} == CALLS.keys()
    decisions = set()
    for role in roles:
        session = _session(sandbox["endpoint"], sts.assume_role(RoleArn=role, RoleSessionName="trial")["Credentials"])
        own = [thing for thing in things if role.rpartition("/")[2].split("-app")[0] in thing[1]]
        for kind, name in chosen.sample(own, min(len(own), 5)) + chosen.sample(things, 4):
            action, resource, request, call = CALLS[kind](session, name)
            answer = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource])
            decision = answer["EvaluationResults"][0]["EvalDecision"]
            decisions.add(decision)
            assert _is_denied(call, request) is (decision != "allowed"), (role, action, resource, decision)
    assert decisions == {"allowed", "implicitDeny"}


@pytest.mark.alone
def test_no_function_reaches_another_stage(sandbox: dict[str, Any]) -> None:
    iam, resources = boto3.client("iam"), list(_resources(boto3.client("cloudformation")))
    functions = boto3.client("lambda").get_paginator("list_functions").paginate().search("Functions[].Role")
    stage = sandbox["todo-app"]["table"].split("-")[2]
    reached = []
    for role in sorted(set(functions)):
        for kind, name in resources:
            if kind in CALLS and f"-{stage}-" in name:
                action, resource, _, _ = CALLS[kind](lambda service: boto3.client(service), name)
                theirs = resource.replace(f"-{stage}-", "-other-")
                answer = iam.simulate_principal_policy(
                    PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource, theirs]
                )
                own, other = (each["EvalDecision"] for each in answer["EvaluationResults"])
                reached += [own == "allowed"]
                assert other != "allowed", (role, action, theirs)
    assert any(reached)
