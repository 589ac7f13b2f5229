"""The gaps that the edge closes: the stock emulator's distributions have no cache and check no signatures."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ministack.services import cloudfront

from localaws.cloudfront import invalidations, viewer_requests
from localaws.testing import eventually, is_listening

SETTINGS = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[str]:
    """The address of an unpatched ministack."""
    folder, port = tmp_path_factory.mktemp("stock"), free_port()
    environment = SETTINGS | {"PATH": os.environ["PATH"], "GATEWAY_PORT": str(port), "STATE_DIR": str(folder)}
    command = [sys.executable, "-c", "from ministack.app import main; main()"]
    process = subprocess.Popen(command, env=environment | {"LOG_LEVEL": "ERROR"}, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    assert eventually(lambda: is_listening(port))
    yield url
    process.terminate()
    process.wait(90)


def _deploy(endpoint: str) -> str:
    """Create a bucket and a distribution that caches and requires signatures; return its domain."""
    cloudfront, s3 = boto3.client("cloudfront", endpoint_url=endpoint), boto3.client("s3", endpoint_url=endpoint)
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    key = cloudfront.create_public_key(PublicKeyConfig={"CallerReference": "key", "Name": "key", "EncodedKey": pem})[
        "PublicKey"
    ]["Id"]
    group = cloudfront.create_key_group(KeyGroupConfig={"Name": "group", "Items": [key]})["KeyGroup"]["Id"]
    origin = {"Id": "s3", "DomainName": "open.s3.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""}}
    behavior: Any = {
        "TargetOriginId": "s3",
        "ViewerProtocolPolicy": "allow-all",
        "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        "TrustedKeyGroups": {"Enabled": True, "Quantity": 1, "Items": [group]},
    }
    distribution = cloudfront.create_distribution(
        DistributionConfig={
            "CallerReference": "distribution",
            "Comment": "",
            "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": behavior,
        }
    )["Distribution"]
    s3.create_bucket(Bucket="open")
    s3.delete_public_access_block(Bucket="open")
    s3.put_object(Bucket="open", Key="a", Body=b"a", CacheControl="max-age=600")
    s3.put_bucket_policy(
        Bucket="open",
        Policy='{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",'
        ' "Resource": "arn:aws:s3:::open/*"}]}',
    )
    return str(distribution["DomainName"])


def test_the_stock_emulator_serves_unsigned_requests_without_a_cache(stock: str) -> None:
    domain = _deploy(stock)
    for _ in range(2):
        answer = httpx.get(f"{stock}/a", headers={"Host": domain})
        assert (answer.status_code, answer.headers["x-cache"]) == (200, "Miss from cloudfront")


def test_localaws_rejects_requests_to_a_distributions_domain(emulator: str) -> None:
    domain = _deploy(emulator)
    assert httpx.get(f"{emulator}/a", headers={"Host": domain}).status_code == 403


def test_the_stock_emulator_completes_an_invalidation_at_its_creation(stock: str) -> None:
    cloudfront = boto3.client("cloudfront", endpoint_url=stock)
    (distribution, *_) = cloudfront.list_distributions()["DistributionList"]["Items"]

    made = cloudfront.create_invalidation(
        DistributionId=distribution["Id"],
        InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/a"]}, "CallerReference": "a"},
    )

    assert made["Invalidation"]["Status"] == "Completed", (
        "ministack no longer needs localaws/cloudfront/invalidations.py; delete it"
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "steps"),
    [
        ("POST", "/2020-05-31/distribution/E1/invalidation", 201, ["created", invalidations.REFRESH_WAIT, "answered"]),
        ("POST", "/2020-05-31/distribution/E1/invalidation", 404, ["created", "answered"]),
        ("GET", "/2020-05-31/distribution/E1/invalidation", 200, ["created", "answered"]),
        ("POST", "/2020-05-31/distribution", 201, ["created", "answered"]),
    ],
)
def test_an_invalidation_is_answered_after_the_edges_have_refreshed(
    method: str, path: str, status: int, steps: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []

    async def handle(*_: Any) -> tuple[int, dict[str, str], bytes]:
        done.append("created")
        return status, {}, b""

    async def sleep(seconds: float) -> None:
        done.append(seconds)

    monkeypatch.setattr(cloudfront, "handle_request", handle)
    monkeypatch.setattr(invalidations.asyncio, "sleep", sleep)
    invalidations.apply()

    asyncio.run(cloudfront.handle_request(method, path, {}, b"", {}))
    done.append("answered")

    assert done == steps
    assert invalidations.REFRESH_WAIT >= 2 * viewer_requests.REFRESH_INTERVAL


def test_only_localaws_answers_404_if_the_origin_may_list_the_bucket(stock: str, emulator: str) -> None:
    def status(endpoint: str, *, can_list: bool) -> int:
        cloudfront, s3 = boto3.client("cloudfront", endpoint_url=endpoint), boto3.client("s3", endpoint_url=endpoint)
        bucket = f"listed-{str(can_list).lower()}"
        control = cloudfront.create_origin_access_control(
            OriginAccessControlConfig={
                "Name": bucket,
                "SigningProtocol": "sigv4",
                "SigningBehavior": "always",
                "OriginAccessControlOriginType": "s3",
            }
        )["OriginAccessControl"]["Id"]
        origin = {
            "Id": "s3",
            "DomainName": f"{bucket}.s3.amazonaws.com",
            "OriginAccessControlId": control,
            "S3OriginConfig": {"OriginAccessIdentity": ""},
        }
        behavior: Any = {
            "TargetOriginId": "s3",
            "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        }
        distribution = cloudfront.create_distribution(
            DistributionConfig={
                "CallerReference": bucket,
                "Comment": "",
                "Enabled": True,
                "Origins": {"Quantity": 1, "Items": [origin]},
                "DefaultCacheBehavior": behavior,
            }
        )["Distribution"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": ["s3:GetObject", *(["s3:ListBucket"] if can_list else [])],
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            "Condition": {"StringEquals": {"aws:SourceArn": distribution["ARN"]}},
        }
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [statement]}))
        headers = {"Host": str(distribution["DomainName"]), "x-edge-origin": "s3"}
        return httpx.get(f"{endpoint}/none", headers=headers).status_code

    assert status(stock, can_list=True) == 403
    assert (status(emulator, can_list=True), status(emulator, can_list=False)) == (404, 403)
