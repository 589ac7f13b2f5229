"""What answers, errors, lists and events of S3 carry."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import boto3
import pytest
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
