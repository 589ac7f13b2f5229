"""The deployment of an app, in the emulator."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy import __main__ as command
from deploy import apps, stacks

ACCOUNT = "000000000000"


@pytest.fixture
def aws(emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Point the clients of the deployment to the emulator."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    for cached in (stacks._client, stacks._artifacts):
        cached.cache_clear()
    yield emulator
    for cached in (stacks._client, stacks._artifacts):
        cached.cache_clear()


def test_the_bucket_for_code_is_private_and_its_owner_is_checked(aws: str) -> None:
    requested: dict[str, Any] = {}
    s3 = stacks._client("s3")
    s3.meta.events.register(
        "before-call.s3", lambda model, params, **_: requested.update({model.name: params["headers"]})
    )

    bucket, key = stacks.upload(b"code", ".zip")

    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"code"
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert len(blocked) == 4
    assert all(blocked.values())
    owners = {name: headers.get("x-amz-expected-bucket-owner") for name, headers in requested.items()}
    for name in ("HeadBucket", "PutPublicAccessBlock", "PutObject"):
        assert owners[name] == ACCOUNT, name


def test_an_api_deployed_by_chalice_is_registered(
    aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = tmp_path / "receipts-app" / ".chalice" / "deployed" / "unit.json"
    deployed.parent.mkdir(parents=True)
    (deployed.parent.parent / "config.json").touch()
    url = "https://abc123.execute-api.us-east-1.amazonaws.com/api/"
    resources = [
        {"name": "api_handler", "resource_type": "lambda_function"},
        {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "abc123", "rest_api_url": url},
    ]
    monkeypatch.setattr(apps, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["deploy", "register", "receipts-app", "unit"])

    assert "No such file" in str(command.main())
    deployed.write_text(json.dumps({"resources": resources, "schema_version": "2.0"}))
    assert command.main() is None

    registered = boto3.client("ssm", endpoint_url=aws).get_parameter(Name="/unit/receipts-app/api")
    assert registered["Parameter"]["Value"] == url.rstrip("/")
    assert "/unit/receipts-app/api" in capsys.readouterr().out
