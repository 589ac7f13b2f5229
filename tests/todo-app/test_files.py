"""The folders of users: where they are, and what may be uploaded to them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.bucket import FilesBucket
from chalicelib.files import MAX_SIZE, Files, Folder, NewFile
from chalicelib.identity_pool import IdentityPool
from common.errors import Unauthorized

POOL = "eu-west-3:6f1b0c2e-0000-4000-8000-000000000001"
PROVIDER = "cognito-idp.eu-west-3.amazonaws.com/eu-west-3_users"
IDENTITY = "eu-west-3:0d1e2f3a-0000-4000-8000-000000000002"


def get_id(IdentityPoolId: str, Logins: dict[str, str]) -> dict[str, Any]:
    """Know one token of the user pool, as Cognito does."""
    if (IdentityPoolId, Logins) != (POOL, {PROVIDER: "token of ann"}):
        raise ClientError({"Error": {"Code": "NotAuthorizedException"}}, "GetId")
    return {"IdentityId": IDENTITY}


@pytest.fixture
def files() -> Files:
    bucket = FilesBucket(boto3.client("s3"), "files")
    return Files(bucket, IdentityPool(SimpleNamespace(get_id=get_id), POOL, "eu-west-3_users"))


def test_a_folder_is_in_the_region_of_its_identity_pool(files: Files) -> None:
    assert files.folder("token of ann") == Folder(
        bucket="files",
        prefix=f"users/{IDENTITY}/",
        region="eu-west-3",
        identity_pool_id=POOL,
        identity_id=IDENTITY,
        login_provider=PROVIDER,
        max_size=MAX_SIZE,
    )


def test_a_token_that_the_pool_refuses_is_unauthorized(files: Files) -> None:
    with pytest.raises(Unauthorized):
        files.folder("token of another pool")


def test_an_upload_goes_to_the_folder_of_its_user(files: Files) -> None:
    upload = files.upload("token of ann", NewFile("a b.txt", "text/plain", 5))

    assert upload.key == upload.fields["key"] == f"users/{IDENTITY}/a b.txt"
    assert upload.fields["Content-Type"] == "text/plain"
