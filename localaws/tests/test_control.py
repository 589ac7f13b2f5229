"""A control call needs the secret of the root key."""

from __future__ import annotations

import json
import urllib.error

import boto3
import httpx
import pytest

from localaws import control, control_client

CALLS = [
    ("POST", "/_ministack/reset"),
    ("POST", "/_ministack/config"),
    ("GET", "/_ministack/ready"),
    ("GET", "/_ministack/ses/messages"),
    ("GET", "/_ministack/sqs/messages"),
    ("GET", "/_ministack/sns/sms-messages"),
    ("GET", "/_ministack/lambda-code/000000000000/us-east-1/f"),
    ("GET", "/_ministack/lambda-layers/000000000000/us-east-1/l/1/content"),
    ("POST", "/_ministack/eks-auth/x"),
    ("POST", "/_ministack/rds/iam-auth"),
    ("GET", "/_localstack/init"),
    ("GET", "/_localaws/clock"),
    ("POST", "/_localaws/clock"),
    ("GET", "/_localaws/changes?service=lambda"),
    ("POST", "/_localaws/origins?add=http://evil.test"),
    ("GET", "/_localaws/regions"),
    ("POST", "/_localaws/regions?down=us-east-1"),
    ("GET", "/_localaws/deliveries"),
    ("POST", "/_localaws/deliveries"),
    ("GET", "/_localaws/ses/traces"),
    ("GET", "/_localaws/unknown"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_control_call_without_the_key_is_refused(emulator: str, method: str, path: str) -> None:
    boto3.client("ssm", endpoint_url=emulator).put_parameter(Name="kept", Value="x", Type="String", Overwrite=True)

    for authorization in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "test"},
    ):
        refused = httpx.request(method, emulator + path, headers=authorization)
        assert (refused.status_code, list(refused.json())) == (403, ["message"])

    assert boto3.client("ssm", endpoint_url=emulator).get_parameter(Name="kept")["Parameter"]["Value"] == "x"


def test_a_key_of_a_user_is_not_enough(emulator: str) -> None:
    iam = boto3.client("iam", endpoint_url=emulator)
    iam.create_user(UserName="control")
    secret = iam.create_access_key(UserName="control")["AccessKey"]["SecretAccessKey"]

    assert httpx.post(f"{emulator}/_ministack/reset", headers={"Authorization": f"Bearer {secret}"}).status_code == 403


def test_the_key_of_this_environment_is_sent(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"{emulator}/_ministack/ses/messages"
    assert "messages" in json.loads(control_client.call(address))

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")

    with pytest.raises(urllib.error.HTTPError, match="403"):
        control_client.call(address)


def test_a_link_works_for_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/_ministack/lambda-code/f"
    link = control.link(path)
    query = dict(pair.split("=") for pair in link.partition("?")[2].split("&"))
    given = {name: [value] for name, value in query.items()}

    assert control.is_linked(path, given)
    assert not control.is_linked(path + "x", given)
    assert not control.is_linked(path, given | {"Expires": ["9999999999"]})
    assert not control.is_linked(path, {})
    monkeypatch.setattr(control.time, "time", lambda: int(query["Expires"]))
    assert not control.is_linked(path, given)
