"""Requests that S3 rejects, and the tags of an object that is overwritten."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from ministack.services.s3 import fromstring

from localaws.testing import refusal

type Call = Callable[[Any], Any]

BUCKET = "requests"
PART = b"x" * 5 * 1024 * 1024
HERE = {"Bucket": BUCKET, "Key": "key"}


def put(**more: Any) -> Call:
    return lambda s3: s3.put_object(**HERE | {"Body": b"x"} | more)


def tag(*keys: str) -> Call:
    return lambda s3: s3.put_object_tagging(**HERE, Tagging={"TagSet": [{"Key": key, "Value": "v"} for key in keys]})


def upload(*bodies: bytes, order: tuple[int, ...] = ()) -> Call:
    """Upload the parts, and complete the upload with the parts of these numbers."""

    def run(s3: Any) -> Any:
        key = HERE | {"Key": "parts"}
        upload_id = s3.create_multipart_upload(**key)["UploadId"]
        tags = [
            s3.upload_part(**key, UploadId=upload_id, PartNumber=number, Body=body)["ETag"]
            for number, body in enumerate(bodies, 1)
        ]
        numbers = order or tuple(range(1, len(bodies) + 1))
        parts = [{"PartNumber": number, "ETag": tags[number - 1]} for number in numbers]
        s3.complete_multipart_upload(**key, UploadId=upload_id, MultipartUpload={"Parts": parts})

    return run


def conflicting_upload(s3: Any) -> Any:
    """Complete an upload on the condition that the object is as it is, though it was written meanwhile."""
    key = HERE | {"Key": "conflict"}
    s3.put_object(**key, Body=b"x")
    upload_id = s3.create_multipart_upload(**key)["UploadId"]
    part = s3.upload_part(**key, UploadId=upload_id, PartNumber=1, Body=b"y")
    now = s3.put_object(**key, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**key, UploadId=upload_id, MultipartUpload=parts, IfMatch=now)


def form(conditions: list[Any], body: str = "text", **fields: str) -> Call:
    """Post a form with these conditions in its policy; fail with the error of the response."""

    def run(s3: Any) -> Any:
        conditions_too = [{"bucket": BUCKET}, *conditions]
        post = s3.generate_presigned_post(BUCKET, "form", Fields=dict(fields), Conditions=conditions_too)
        answer = httpx.post(post["url"], data=post["fields"], files={"file": ("name", body.encode())})
        if answer.status_code >= 400:
            error = {name: fromstring(answer.text).findtext(name) for name in ("Code", "Message")}
            raise ClientError({"Error": error}, "PostObject")

    return run


def policy(text: str) -> Call:
    return lambda s3: s3.put_bucket_policy(Bucket=BUCKET, Policy=text)


def statement(resource: str) -> str:
    principal = {"AWS": "arn:aws:iam::000000000000:root"}
    allow = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def copy(**more: Any) -> Call:
    return lambda s3: s3.copy_object(**HERE, CopySource=f"{BUCKET}/key", **more)


CASES: dict[str, tuple[Call, str]] = {
    "a small part before the last": (
        upload(b"a", b"b"),
        "EntityTooSmall: Your proposed upload is smaller than the minimum allowed size",
    ),
    "parts out of order": (
        upload(PART, b"b", order=(2, 1)),
        "InvalidPartOrder: The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    "a part twice": (
        upload(PART, order=(1, 1)),
        "InvalidPartOrder: The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    "no parts": (
        upload(),
        "InvalidRequest: You must specify at least one part",
    ),
    "a key of 1025 bytes": (put(Key="k" * 1025), "KeyTooLongError: Your key is too long"),
    "metadata above 2 KB": (
        put(Metadata={"m": "x" * 2048}),
        "MetadataTooLarge: Your metadata headers exceed the maximum allowed metadata size",
    ),
    "a write if no entity tag matches": (
        put(IfNoneMatch='"x"'),
        "NotImplemented: A header you provided implies functionality that is not implemented",
    ),
    "a copy to itself": (
        copy(),
        "InvalidRequest: This copy request is illegal because it is trying to copy an object to itself without "
        "changing the object's metadata, storage class, website redirect location or encryption attributes.",
    ),
    "a copy to an object that exists": (
        copy(MetadataDirective="REPLACE", IfNoneMatch="*"),
        "PreconditionFailed: At least one of the pre-conditions you specified did not hold",
    ),
    "a tag twice": (tag("a", "a"), "InvalidTag: Cannot provide multiple Tags with the same key"),
    "a tag of AWS": (tag("aws:a"), "InvalidTag: System tags cannot be added/updated by requester"),
    "1001 keys to delete": (
        lambda s3: s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": str(n)} for n in range(1001)]}),
        "MalformedXML: The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "a reserved bucket name": (
        lambda s3: s3.create_bucket(Bucket="data-s3alias"),
        "InvalidBucketName: The specified bucket is not valid.",
    ),
    "a policy that is not JSON": (
        policy("x"),
        "MalformedPolicy: Policies must be valid JSON and the first byte must be '{'",
    ),
    "a policy for another bucket": (
        policy(statement("arn:aws:s3:::other/*")),
        "MalformedPolicy: Policy has invalid resource",
    ),
    "a policy without statements": (policy("{}"), "MalformedPolicy: Missing required field Statement"),
    "an upload of an object that changed": (
        conflicting_upload,
        "ConditionalRequestConflict: The conditional request cannot succeed due to a conflicting operation against "
        "this resource.",
    ),
    "a version of a bucket without versions": (
        lambda s3: s3.delete_object(**HERE, VersionId="HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"),
        "InvalidArgument: Invalid version id specified",
    ),
    "a form with a file that is too large": (
        form([["content-length-range", 5, 10]], "x" * 12),
        "EntityTooLarge: Your proposed upload exceeds the maximum allowed size",
    ),
    "a form with a file that is too small": (
        form([["content-length-range", 5, 10]], "x"),
        "EntityTooSmall: Your proposed upload is smaller than the minimum allowed size",
    ),
    "a form with a condition for a field without $": (
        form([["eq", "acl", "private"]], acl="private"),
        'AccessDenied: Invalid according to Policy: Policy Condition failed: ["eq", "acl", "private"]',
    ),
    "a form with two properties in a condition": (
        form([{"acl": "private", "x-amz-meta-a": "b"}], acl="private", **{"x-amz-meta-a": "b"}),
        "InvalidPolicyDocument: Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one "
        "property specified.",
    ),
    "CORS with PATCH": (
        lambda s3: s3.put_bucket_cors(
            Bucket=BUCKET,
            CORSConfiguration={"CORSRules": [{"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]}]},
        ),
        "InvalidRequest: Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
    ),
}


@cache
def client(endpoint: str) -> Any:
    """Return a client for which the bucket and the object of the cases exist."""
    config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=endpoint, config=config)
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=BUCKET)
    s3.put_object(**HERE, Body=b"x")
    return s3


@pytest.mark.parametrize("case", CASES)
def test_an_invalid_request_is_rejected(emulator: str, case: str) -> None:
    call, expected = CASES[case]

    assert refusal(lambda: call(client(emulator))) == expected


@pytest.mark.parametrize("case", CASES)
def test_the_gap_is_still_there(bare_emulator: str, case: str) -> None:
    call, expected = CASES[case]

    assert refusal(lambda: call(client(bare_emulator))) != expected


@pytest.mark.parametrize(
    "call",
    [
        upload(b"small"),
        upload(PART, b"last"),
        put(Key="k" * 1024, Metadata={"m": "x" * 2000}),
        copy(MetadataDirective="REPLACE"),
        tag("a", "b"),
        policy(statement(f"arn:aws:s3:::{BUCKET}/*")),
        form([["content-length-range", 4, 4]]),
        lambda s3: s3.delete_object(**HERE | {"Key": "other"}, VersionId="null"),
        lambda s3: s3.create_bucket(Bucket="data-alias"),
    ],
)
def test_a_valid_request_is_accepted(emulator: str, call: Call) -> None:
    assert refusal(lambda: call(client(emulator))) == ""


def test_an_object_that_is_overwritten_loses_its_tags(emulator: str, bare_emulator: str) -> None:
    kept = []
    for endpoint in (emulator, bare_emulator):
        s3 = client(endpoint)
        s3.put_object(**HERE, Body=b"1", Tagging="a=b")
        s3.put_object(**HERE, Body=b"2")
        kept.append(s3.get_object_tagging(**HERE)["TagSet"])

    assert kept == [[], [{"Key": "a", "Value": "b"}]]


def test_a_write_that_fails_keeps_the_tags(emulator: str) -> None:
    s3 = client(emulator)
    s3.put_object(**HERE, Body=b"1", Tagging="a=b")

    assert refusal(lambda: s3.put_object(**HERE, Body=b"2", IfNoneMatch="*")).startswith("PreconditionFailed")
    assert s3.get_object_tagging(**HERE)["TagSet"] == [{"Key": "a", "Value": "b"}]


def test_a_list_has_at_most_a_thousand_keys(emulator: str) -> None:
    assert client(emulator).list_objects_v2(Bucket=BUCKET, MaxKeys=2000)["MaxKeys"] == 1000
