"""A user's own folder in S3, reached with the user's own temporary credentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from users import User


def test_a_user_stores_lists_reads_and_removes_files_of_their_own(sign_up: Callable[[], User]) -> None:
    user = sign_up()
    folder, s3 = user.folder(), user.s3()
    key = folder["prefix"] + "Ünïcode + space.txt"

    s3.put_object(Bucket=folder["bucket"], Key=key, Body=b"hello")
    listed = s3.list_objects_v2(Bucket=folder["bucket"], Prefix=folder["prefix"])

    assert [item["Key"] for item in listed["Contents"]] == [key]
    assert s3.get_object(Bucket=folder["bucket"], Key=key)["Body"].read() == b"hello"
    s3.delete_object(Bucket=folder["bucket"], Key=key)
    assert s3.list_objects_v2(Bucket=folder["bucket"], Prefix=folder["prefix"])["KeyCount"] == 0


def test_no_user_reaches_the_folder_of_another(ann: User, bob: User) -> None:
    theirs, s3 = bob.folder(), ann.s3()
    bucket, key = theirs["bucket"], theirs["prefix"] + "secret.txt"
    bob.s3().put_object(Bucket=bucket, Key=key, Body=b"secret")

    attempts: dict[str, Any] = {
        "put": lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"mine now"),
        "get": lambda: s3.get_object(Bucket=bucket, Key=key),
        "head": lambda: s3.head_object(Bucket=bucket, Key=key),
        "delete": lambda: s3.delete_object(Bucket=bucket, Key=key),
        "copy": lambda: s3.copy_object(Bucket=bucket, Key=ann.folder()["prefix"] + "c", CopySource=f"{bucket}/{key}"),
        "list their prefix": lambda: s3.list_objects_v2(Bucket=bucket, Prefix=theirs["prefix"]),
        "list all users": lambda: s3.list_objects_v2(Bucket=bucket, Prefix="users/"),
        "list without a prefix": lambda: s3.list_objects_v2(Bucket=bucket),
        "put outside all folders": lambda: s3.put_object(Bucket=bucket, Key="users/x", Body=b""),
        "put beside their own": lambda: s3.put_object(Bucket=bucket, Key=ann.folder()["prefix"][:-1], Body=b""),
    }

    for name, attempt in attempts.items():
        with pytest.raises(ClientError) as refused:
            attempt()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, name
    assert bob.s3().get_object(Bucket=bucket, Key=key)["Body"].read() == b"secret"


@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer "])
def test_the_scheme_of_a_token_may_be_in_any_case(ann: User, todo: dict[str, Any], scheme: str) -> None:
    answer = httpx.get(f"{todo['api']}/files", headers={"Authorization": scheme + ann.id_token})

    assert (answer.status_code, answer.json()) == (200, ann.folder())


def upload(signed: dict[str, Any], content: bytes, **changed: str) -> int:
    files = {"file": ("file", content)}
    return httpx.post(signed["url"], data=signed["fields"] | changed, files=files).status_code


def test_a_presigned_upload_must_match_its_request(ann: User) -> None:
    with ann.api() as api:
        signed = api.post("/files", json={"name": "a.txt", "content_type": "text/plain", "size": 5}).json()

    assert upload(signed, b"123456") == 400, "one byte too many"
    assert upload(signed, b"") == 400, "nothing"
    assert upload(signed, b"12345", **{"Content-Type": "text/html"}) == 403
    assert upload(signed, b"12345", key=signed["key"] + "x") == 403
    assert upload(signed, b"12345") == 204
    stored = ann.s3().get_object(Bucket=ann.folder()["bucket"], Key=signed["key"])
    assert (stored["Body"].read(), stored["ContentType"]) == (b"12345", "text/plain")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": "../x", "content_type": "text/plain", "size": 1}, "name"),
        ({"name": "..", "content_type": "text/plain", "size": 1}, "name"),
        ({"name": "${filename}", "content_type": "text/plain", "size": 1}, "name"),
        ({"name": "a\u0001", "content_type": "text/plain", "size": 1}, "name"),
        ({"name": "a", "content_type": "text", "size": 1}, "content_type"),
        ({"name": "a", "content_type": "text/plain", "size": 10**9}, "size"),
        ({"name": "a", "content_type": "text/plain", "size": 0}, "size"),
        ({"name": "a", "content_type": "text/plain"}, "size"),
    ],
)
def test_a_wrong_field_of_a_file_is_named(ann: User, body: dict[str, Any], named: str) -> None:
    with ann.api() as api:
        refused = api.post("/files", json=body)
    assert refused.status_code == 400
    assert named in refused.json()["Message"]
