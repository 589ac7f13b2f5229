"""EventBridge and S3 invoke only a function whose resource policy lets them."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache
from itertools import count
from typing import Any

import boto3
import pytest

from localaws.testing import active, eventually, refusal

CODE = """
import boto3, json, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""
REFUSED = "InvalidArgument: Unable to validate the following destination configurations"
numbers = count(1)


class Aws:
    """The emulator at an address, with a function that forwards its events to a queue."""

    def __init__(self, endpoint: str) -> None:
        self.client = cache(lambda service: boto3.client(service, "us-east-1", endpoint_url=endpoint))
        self.name = f"permissions-{next(numbers)}"
        self.queue = self.client("sqs").create_queue(QueueName=self.name)["QueueUrl"]
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        allowed = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
        policies = [json.dumps({"Version": "2012-10-17", "Statement": [statement]}) for statement in (trust, allowed)]
        role = self.client("iam").create_role(RoleName=self.name, AssumeRolePolicyDocument=policies[0])["Role"]["Arn"]
        self.client("iam").put_role_policy(RoleName=self.name, PolicyName="queue", PolicyDocument=policies[1])
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", CODE)
        self.client("lambda").create_function(
            FunctionName=self.name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=role,
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": {"QUEUE": self.queue}},
            Timeout=20,
        )
        self.function = active(self.client("lambda"), self.name)

    def permit(self, service: str, source: str) -> None:
        self.client("lambda").add_permission(
            FunctionName=self.name,
            StatementId=f"s{next(numbers)}",
            Action="lambda:InvokeFunction",
            Principal=service,
            SourceArn=source,
        )

    def rule(self) -> str:
        """Create a rule whose target is the function; return its ARN."""
        events = self.client("events")
        arn: str = events.put_rule(Name=self.name, EventPattern=json.dumps({"source": [self.name]}))["RuleArn"]
        events.put_targets(Rule=self.name, Targets=[{"Id": "function", "Arn": self.function}])
        return arn

    def put_event(self) -> None:
        entry = {"Source": self.name, "DetailType": "test", "Detail": "{}"}
        self.client("events").put_events(Entries=[entry])

    def notify(self) -> None:
        """Let the bucket notify the function of new objects."""
        notified = {"LambdaFunctionArn": self.function, "Events": ["s3:ObjectCreated:*"]}
        self.client("s3").put_bucket_notification_configuration(
            Bucket=self.name, NotificationConfiguration={"LambdaFunctionConfigurations": [notified]}
        )

    def received(self, seconds: float = 15) -> list[Any]:
        """Return the events that the function got."""
        receive = self.client("sqs").receive_message
        messages = eventually(lambda: receive(QueueUrl=self.queue, WaitTimeSeconds=1).get("Messages", []), seconds)
        return [json.loads(message["Body"]) for message in messages]


@pytest.mark.parametrize("permitted", [None, "other", "rule"])
def test_a_rule_invokes_a_function_that_permits_it(emulator: str, permitted: str | None) -> None:
    aws = Aws(emulator)
    rule = aws.rule()
    if permitted:
        aws.permit("events.amazonaws.com", rule if permitted == "rule" else f"{rule}-other")

    aws.put_event()

    expected = ["test"] if permitted == "rule" else []
    assert [event["detail-type"] for event in aws.received(15 if expected else 2)] == expected


def test_a_bucket_notifies_only_a_function_that_permits_it(emulator: str) -> None:
    aws = Aws(emulator)
    aws.client("s3").create_bucket(Bucket=aws.name)
    assert refusal(aws.notify) == REFUSED

    aws.permit("s3.amazonaws.com", "arn:aws:s3:::other")
    assert refusal(aws.notify) == REFUSED

    aws.permit("s3.amazonaws.com", f"arn:aws:s3:::{aws.name}")
    aws.notify()
    aws.client("s3").put_object(Bucket=aws.name, Key="x", Body=b"x")
    assert [event["Records"][0]["s3"]["object"]["key"] for event in aws.received()] == ["x"]


def test_the_bare_emulator_still_needs_no_permission(bare_emulator: str) -> None:
    aws = Aws(bare_emulator)
    aws.client("s3").create_bucket(Bucket=aws.name)
    assert refusal(aws.notify) == "", "the emulator needs less of localaws/s3/lambda_permission.py"
    aws.rule()
    aws.put_event()
    assert aws.received(), "the emulator needs less of localaws/eventbridge/lambda_permission.py"
