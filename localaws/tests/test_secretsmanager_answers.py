"""What answers and errors of Secrets Manager carry."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

TOKEN = "answers-" + "0123456789" * 3


@pytest.fixture(scope="module")
def secrets(emulator: str) -> Any:
    return boto3.client("secretsmanager", "us-east-1", endpoint_url=emulator)


def test_a_secret_has_only_the_members_that_it_needs(secrets: Any, bare_emulator: str) -> None:
    bare: Any = boto3.client("secretsmanager", "us-east-1", endpoint_url=bare_emulator)
    bare.create_secret(Name="plain")
    assert "Description" in bare.describe_secret(SecretId="plain")

    created = secrets.create_secret(Name="plain")
    described = secrets.describe_secret(SecretId="plain")

    assert "VersionId" not in created
    assert described.keys() == {"ARN", "Name", "CreatedDate", "LastChangedDate", "ResponseMetadata"}


def test_versions_are_listed_as_they_were_created(secrets: Any) -> None:
    created = secrets.create_secret(Name="versions", SecretString="0", ClientRequestToken=TOKEN)
    later = [secrets.put_secret_value(SecretId="versions", SecretString=value)["VersionId"] for value in ("1", "2")]
    secrets.get_secret_value(SecretId="versions")

    listed = secrets.list_secret_version_ids(SecretId="versions")["Versions"]
    every = secrets.list_secret_version_ids(SecretId="versions", IncludeDeprecated=True)["Versions"]

    assert created["VersionId"] == TOKEN
    assert [version["VersionId"] for version in listed] == later
    assert [version["VersionId"] for version in every] == [TOKEN, *later]
    assert "VersionStages" not in every[0]
    assert listed[1]["KmsKeyIds"] == ["DefaultEncryptionKey"]
    assert "LastAccessedDate" in listed[1]


def test_what_does_not_exist_can_be_deleted_by_force(secrets: Any) -> None:
    assert secrets.delete_secret(SecretId="none", ForceDeleteWithoutRecovery=True)["Name"] == "none"
    with pytest.raises(ClientError, match="can't find the specified secret") as raised:
        secrets.delete_secret(SecretId="none")
    assert raised.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert "message" not in raised.value.response
