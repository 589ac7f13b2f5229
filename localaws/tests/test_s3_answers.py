"""What answers, errors, lists and events of S3 carry."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from ministack.services import s3 as ministack_s3

from localaws.s3.crc64 import BLOCK, crc64nvme
from localaws.testing import eventually, refusal

BUCKET = "answers"
OTHER_FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:other"


@pytest.fixture(scope="module")
def s3(emulator: str) -> Any:
    client: Any = boto3.client("s3", "us-east-1", endpoint_url=emulator)
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="key", Body=b"text")
    return client


def error(call: Callable[[], object]) -> dict[str, Any]:
    """Call an operation that is rejected; return the error's members without code and message."""
    with pytest.raises(ClientError) as raised:
        call()
    found = dict(raised.value.response["Error"])
    return {name: value for name, value in found.items() if name not in ("Code", "Message", "HostId", "RequestId")}


@pytest.mark.parametrize("size", [0, 9, 64, 65, 1000, BLOCK, BLOCK + 5, BLOCK + 100])
def test_crc64_of_large_bodies(size: int) -> None:
    body = os.urandom(size)

    assert crc64nvme(body) == ministack_s3._crc64nvme(body)


def test_an_object_is_encrypted_and_has_checksums(s3: Any, bare_emulator: str) -> None:
    bare: Any = boto3.client("s3", "us-east-1", endpoint_url=bare_emulator)
    bare.create_bucket(Bucket=BUCKET)
    there = {"Bucket": BUCKET, "Key": "object"}

    assert "ServerSideEncryption" not in bare.put_object(**there, Body=b"text")
    put, got = s3.put_object(**there, Body=b"text"), s3.get_object(**there, ChecksumMode="ENABLED")

    for answer in (put, got):
        assert (answer["ServerSideEncryption"], answer["ChecksumCRC32"]) == ("AES256", "O4unxw==")
        assert answer["ChecksumType"] == "FULL_OBJECT"
    assert got["ContentType"] == "binary/octet-stream"
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="object")["Contents"][0]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (["CRC32"], "FULL_OBJECT")


def test_an_upload_of_parts_without_an_algorithm_gets_a_checksum_of_the_object(s3: Any) -> None:
    there = {"Bucket": BUCKET, "Key": "parts"}
    created = s3.create_multipart_upload(**there)
    there_too = there | {"UploadId": created["UploadId"]}
    part = s3.upload_part(**there_too, PartNumber=1, Body=b"123456789")

    done = s3.complete_multipart_upload(
        **there_too, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )

    assert {each["ServerSideEncryption"] for each in (created, part, done)} == {"AES256"}
    assert (done["ChecksumCRC64NVME"], done["ChecksumType"]) == ("rosUhgp5mIg=", "FULL_OBJECT")


ERRORS: dict[str, tuple[Callable[[Any], object], dict[str, str]]] = {
    "NoSuchKey": (lambda s3: s3.get_object(Bucket=BUCKET, Key="none"), {"Key": "none"}),
    "NoSuchBucket": (lambda s3: s3.list_objects_v2(Bucket="answers-none"), {"BucketName": "answers-none"}),
    "NoSuchUpload": (
        lambda s3: s3.abort_multipart_upload(Bucket=BUCKET, Key="key", UploadId="none"),
        {"UploadId": "none"},
    ),
    "PreconditionFailed": (
        lambda s3: s3.put_object(Bucket=BUCKET, Key="key", IfNoneMatch="*"),
        {"Condition": "If-None-Match"},
    ),
    "InvalidRange": (
        lambda s3: s3.get_object(Bucket=BUCKET, Key="key", Range="bytes=100-200"),
        {"RangeRequested": "bytes=100-200", "ActualObjectSize": "4"},
    ),
    "InvalidDigest": (
        lambda s3: s3.put_object(Bucket=BUCKET, Key="key", ContentMD5="000"),
        {"Content-MD5": "000"},
    ),
    "InvalidArgument": (
        lambda s3: s3.list_objects_v2(Bucket=BUCKET, ContinuationToken=""),
        {"ArgumentName": "continuation-token"},
    ),
    "NotImplemented": (
        lambda s3: s3.put_object(Bucket=BUCKET, Key="key", IfMatch="*"),
        {
            "Header": "If-Match",
            "additionalMessage": "We don't accept the provided value of If-Match header for this API",
        },
    ),
}


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_names_what_it_is_about(s3: Any, code: str) -> None:
    call, members = ERRORS[code]

    found = error(lambda: call(s3))

    assert {name: value for name, value in found.items() if value} == members
    assert refusal(lambda: call(s3)).startswith(f"{code}: ")


def test_identifiers_are_those_of_s3(s3: Any) -> None:
    metadata = s3.list_objects_v2(Bucket=BUCKET)["ResponseMetadata"]

    assert len(metadata["RequestId"]) == 16
    assert metadata["HostId"]
    assert "x-amzn-requestid" not in metadata["HTTPHeaders"]
    assert metadata["HTTPHeaders"]["server"] == "AmazonS3"


def rules(**rule: Any) -> Any:
    return {"Rules": [{"ID": "old ones", "Status": "Enabled", "Filter": {"Prefix": "old"}} | rule]}


def test_the_date_at_which_a_rule_expires_an_object(s3: Any) -> None:
    bucket = {"Bucket": "answers-expiring"}
    s3.create_bucket(**bucket)
    s3.put_bucket_lifecycle_configuration(**bucket, LifecycleConfiguration=rules(Expiration={"Days": 7}))

    put = s3.put_object(**bucket, Key="old/object")
    s3.put_object(**bucket, Key="new/object")

    assert put["Expiration"].endswith('00:00:00 GMT", rule-id="old%20ones"')
    assert s3.head_object(**bucket, Key="old/object")["Expiration"] == put["Expiration"]
    assert "Expiration" not in s3.head_object(**bucket, Key="new/object")


@pytest.mark.parametrize(
    "rule",
    [
        {"Filter": {"Prefix": "", "ObjectSizeGreaterThan": 500}, "Expiration": {"Days": 1}},
        {"NoncurrentVersionExpiration": {}},
        {"Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}},
    ],
)
def test_a_lifecycle_rule_that_s3_rejects(s3: Any, rule: Any) -> None:
    put = lambda: s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=rules(**rule))  # noqa: E731

    assert refusal(put).startswith("MalformedXML: ")


def notify(s3: Any, kind: str, **destination: Any) -> Callable[[], object]:
    configuration = {f"{kind}Configurations": [destination | {"Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]}
    return lambda: s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)


def test_s3_names_the_destination_that_it_rejects(s3: Any) -> None:
    assert error(notify(s3, "LambdaFunction", LambdaFunctionArn=OTHER_FUNCTION)) == {
        "ArgumentName1": f"{OTHER_FUNCTION}, null",
        "ArgumentValue1": f"Not authorized to invoke function [{OTHER_FUNCTION}]",
    }
    assert error(notify(s3, "Queue", QueueArn="queue")) == {"ArgumentName": "Queue", "ArgumentValue": "queue"}


def test_the_events_of_an_object_that_comes_and_goes(s3: Any, emulator: str) -> None:
    sqs: Any = boto3.client("sqs", "us-east-1", endpoint_url=emulator)
    url = sqs.create_queue(QueueName="answers")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    notify(s3, "Queue", QueueArn=arn)()
    found: dict[str, Any] = {}

    def received() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for record in json.loads(message["Body"]).get("Records", []):
                found[record["eventName"]] = record
        return len(found) == 2

    s3.put_object(Bucket=BUCKET, Key="event", Body=b"text")
    s3.delete_object(Bucket=BUCKET, Key="event")

    assert eventually(received)
    made, gone = found["ObjectCreated:Put"], found["ObjectRemoved:Delete"]
    assert made["s3"]["object"]["size"] == 4
    assert gone["s3"]["object"].keys() == {"key", "sequencer"}
    assert made["userIdentity"] != made["s3"]["bucket"]["ownerIdentity"]


@pytest.mark.parametrize(
    ("given", "status", "body"),
    [
        ("bytes=0-2", 206, b"012"),
        ("bytes=-2", 206, b"89"),
        ("bytes=1-0", 200, b"0123456789"),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
        ("0-1", 200, b"0123456789"),
    ],
)
def test_a_range_that_is_not_valid_is_ignored(s3: Any, given: str, status: int, body: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key="digits", Body=b"0123456789")

    got = s3.get_object(Bucket=BUCKET, Key="digits", Range=given)

    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["Body"].read()) == (status, body)


def test_a_range_of_the_whole_object_has_its_checksum(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="digits", Body=b"0123456789")

    def checksum(given: str) -> Any:
        return s3.get_object(Bucket=BUCKET, Key="digits", Range=given, ChecksumMode="ENABLED").get("ChecksumCRC32")

    assert (checksum("bytes=0-8"), checksum("bytes=0-100")) == (None, "poTHxg==")


def test_a_condition_with_a_date_in_the_future_is_ignored(s3: Any) -> None:
    modified = s3.head_object(Bucket=BUCKET, Key="key")["LastModified"]

    def head(since: datetime) -> str:
        return refusal(lambda: s3.head_object(Bucket=BUCKET, Key="key", IfModifiedSince=since))

    assert head(modified).startswith("304")
    assert head(modified + timedelta(days=1)) == ""


def test_texts_in_headers_are_utf8(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="text", Body=b"", CacheControl="Ä", ContentDisposition='attachment; filename="—"')

    got = s3.get_object(Bucket=BUCKET, Key="text")

    assert got["CacheControl"].encode("latin-1").decode() == "Ä"
    assert got["ContentDisposition"].encode("latin-1").decode() == 'attachment; filename="—"'


def test_the_location_of_an_upload_is_a_url(s3: Any) -> None:
    there = {"Bucket": BUCKET, "Key": "a —/b"}
    upload = s3.create_multipart_upload(**there)["UploadId"]
    part = s3.upload_part(**there, UploadId=upload, PartNumber=1, Body=b"1")

    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = s3.complete_multipart_upload(**there, UploadId=upload, MultipartUpload=parts)

    assert done["Location"].endswith(f"/{BUCKET}/a%20%E2%80%94/b")


def test_an_answer_without_content_has_no_length(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="short", Body=b"x")

    headers = s3.delete_object(Bucket=BUCKET, Key="short")["ResponseMetadata"]["HTTPHeaders"]

    assert "content-length" not in headers


def test_a_setting_that_a_public_access_block_leaves_out_is_off(s3: Any) -> None:
    s3.create_bucket(Bucket="answers-block")
    s3.put_public_access_block(Bucket="answers-block", PublicAccessBlockConfiguration={"BlockPublicAcls": True})

    block = s3.get_public_access_block(Bucket="answers-block")["PublicAccessBlockConfiguration"]

    others = dict.fromkeys(("IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), False)
    assert block == {"BlockPublicAcls": True} | others


def test_versions_of_a_bucket_without_versions_are_errors(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="plain", Body=b"x")
    objects = [{"Key": "plain", "VersionId": "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"}, {"Key": "none"}]

    deleted = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})

    assert [(each["Key"], each["Code"]) for each in deleted["Errors"]] == [("plain", "NoSuchVersion")]
    assert [each["Key"] for each in deleted["Deleted"]] == ["none"]
    assert s3.head_object(Bucket=BUCKET, Key="plain")["ContentLength"] == 1


@pytest.mark.parametrize(
    ("redirect", "status"),
    [("https://example.com/done", 303), ("/done", 204)],
)
def test_a_form_redirects_to_an_absolute_url_only(s3: Any, redirect: str, status: int) -> None:
    field = {"success_action_redirect": redirect}
    post = s3.generate_presigned_post(BUCKET, "form", Fields=dict(field), Conditions=[{"bucket": BUCKET}, field])

    answer = httpx.post(post["url"], data=post["fields"], files={"file": ("name", b"x")})

    assert (answer.status_code, "done" in answer.headers.get("location", "")) == (status, status == 303)


def test_a_file_without_a_name_leaves_its_placeholder(s3: Any) -> None:
    post = s3.generate_presigned_post(BUCKET, "forms/${filename}")

    for file in ((None, b"x"), ("name", b"x")):
        assert httpx.post(post["url"], data=post["fields"], files={"file": file}).status_code == 204

    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="forms/")["Contents"]
    assert [each["Key"] for each in listed] == ["forms/${filename}", "forms/name"]


def test_a_form_of_another_type_fails_before_its_signature_is_checked(emulator: str, s3: Any) -> None:
    answer = httpx.post(f"{emulator}/{BUCKET}", content=b"x", headers={"content-type": "text/html"})

    assert answer.status_code == 412
    assert ministack_s3.fromstring(answer.text).findtext("Code") == "PreconditionFailed"


def test_a_url_with_a_malformed_credential(emulator: str) -> None:
    s3: Any = boto3.client("s3", "us-east-1", endpoint_url=emulator, config=Config(signature_version="s3v4"))
    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "key"}).replace("%2F", "%252F")

    answer = httpx.get(url)

    assert answer.status_code == 400
    assert ministack_s3.fromstring(answer.text).findtext("Code") == "AuthorizationQueryParametersError"


def test_a_preflight_for_a_bucket_that_does_not_exist_fails(emulator: str) -> None:
    host = {"host": f"answers-none.s3.localhost:{emulator.rpartition(':')[2]}"}

    def preflight(**headers: str) -> tuple[int, str | None]:
        answer = httpx.options(f"{emulator}/key", headers=host | headers)
        return answer.status_code, ministack_s3.fromstring(answer.text).findtext("Message")

    assert preflight() == (400, "Insufficient information. Origin request header needed.")
    assert preflight(origin="https://example.com") == (403, "CORSResponse: Bucket not found")


def test_a_request_that_announces_headers_is_matched_by_them(s3: Any) -> None:
    bucket = {"Bucket": "answers-cors"}
    s3.create_bucket(**bucket)
    s3.put_object(**bucket, Key="key", Body=b"x")
    rule = {"AllowedOrigins": ["https://example.com"], "AllowedMethods": ["GET"], "AllowedHeaders": ["x-amz-a"]}
    s3.put_bucket_cors(**bucket, CORSConfiguration={"CORSRules": [rule]})
    url = s3.generate_presigned_url("get_object", bucket | {"Key": "key"})

    def is_allowed(**headers: str) -> bool:
        answer = httpx.get(url, headers={"origin": "https://example.com"} | headers)
        return "access-control-allow-origin" in answer.headers

    assert is_allowed()
    assert is_allowed(**{"access-control-request-headers": "x-amz-a"})
    assert not is_allowed(**{"access-control-request-headers": "x-amz-b"})
