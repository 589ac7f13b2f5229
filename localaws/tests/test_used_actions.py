"""The record of which role used which action."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest

from localaws import serve
from localaws.testing import refusal


def test_each_action_of_a_role_is_recorded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "used.jsonl"
    monkeypatch.setenv("LOCALAWS_USED_ACTIONS", str(file))
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    with serve.emulator(tmp_path) as url:
        iam = boto3.client("iam", "us-east-1", endpoint_url=url)
        document = json.dumps({"Version": "2012-10-17", "Statement": trust})
        arn = iam.create_role(RoleName="sender", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        policy = json.dumps({"Version": "2012-10-17", "Statement": allow})
        iam.put_role_policy(RoleName="sender", PolicyName="send", PolicyDocument=policy)
        queue = boto3.client("sqs", "us-east-1", endpoint_url=url).create_queue(QueueName="q")["QueueUrl"]
        sts = boto3.client("sts", "us-east-1", endpoint_url=url)
        keys = sts.assume_role(RoleArn=arn, RoleSessionName="one")["Credentials"]
        sqs = boto3.client(
            "sqs",
            "us-east-1",
            endpoint_url=url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        for _ in range(2):
            sqs.send_message(QueueUrl=queue, MessageBody="x")
        assert refusal(lambda: sqs.purge_queue(QueueUrl=queue))

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    resource = "arn:aws:sqs:us-east-1:000000000000:q"
    assert lines == [
        {"role": "sender", "session": "one", "action": "sqs:SendMessage", "decision": "Allow", "resource": resource},
        {"role": "sender", "session": "one", "action": "sqs:PurgeQueue", "decision": "Deny", "resource": resource},
    ]
