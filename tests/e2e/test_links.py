"""Links to the deployed shop's films over HTTP: tampered links, links of other keys, and ways around the edge."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from links import changed_bits, key_pair
from users import anonymous

from common.cloudfront import UrlSigner


@pytest.fixture(scope="module")
def video(sandbox: dict[str, Any]) -> dict[str, Any]:
    outputs: dict[str, Any] = sandbox["video-app"]
    return outputs


@pytest.fixture(scope="module")
def edge(video: dict[str, Any]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=video["cdn"]) as client:
        yield client


@pytest.fixture(scope="module")
def films(edge: httpx.Client) -> list[str]:
    """The folders of two films."""
    return [f"/videos/{item['id']}" for item in edge.get("/api/videos").json()["items"][:2]]


@pytest.fixture(scope="module")
def signer(video: dict[str, Any]) -> UrlSigner:
    """The signing key of the shop, read as its function reads it."""
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=video["signing_key_secret"])
    return UrlSigner(**json.loads(secret["SecretString"]))


def later() -> int:
    return int(time.time()) + 300


def opens(edge: httpx.Client, target: str, **headers: str) -> bool:
    """Request path and query unchanged, which httpx would normalize. Return whether the response has a film."""
    connection = http.client.HTTPConnection(str(edge.base_url.host), edge.base_url.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", target, headers={"Range": "bytes=0-99", **headers})
        answer = connection.getresponse()
        assert answer.status in (206, 400, 403, 404), target
        return answer.status == 206 or b"ftyp" in answer.read()


def test_tampered_links_do_not_open(edge: httpx.Client, films: list[str], signer: UrlSigner) -> None:
    site = str(edge.base_url).rstrip("/")
    link = signer.url(f"{site}{films[0]}/video.mp4", later()).removeprefix(site)
    changed = [text for text in changed_bits(link) if text.isascii() and text.isprintable() and " " not in text]

    assert opens(edge, link)
    opened = [text for text in random.Random(4).sample(changed, 300) if opens(edge, text)]
    assert opened == []


def test_a_link_to_one_film_does_not_open_another(edge: httpx.Client, films: list[str], signer: UrlSigner) -> None:
    mine, other = films
    site = str(edge.base_url).rstrip("/")
    cookies = "; ".join(f"{name}={value}" for name, value in signer.cookies(f"{site}{mine}/*", later()).items())
    link = signer.url(f"{site}{mine}/video.mp4", later(), resource=f"{site}{mine}/*").removeprefix(site)
    detours = [
        f"{other}/video.mp4",
        f"{mine}/../{other.rpartition('/')[2]}/video.mp4",
        f"{mine}/..%2f{other.rpartition('/')[2]}/video.mp4",
        f"{mine}/%2e%2e/{other.rpartition('/')[2]}/video.mp4",
        f"{mine}/..%252f{other.rpartition('/')[2]}/video.mp4",
        f"{mine}/.%2e/{other.rpartition('/')[2]}/video.mp4",
        f"{mine}/..;/{other.rpartition('/')[2]}/video.mp4",
        f"{mine}/..%5c{other.rpartition('/')[2]}%5cvideo.mp4",
    ]

    assert opens(edge, f"{mine}/video.mp4", Cookie=cookies)
    assert not any(opens(edge, path, Cookie=cookies) for path in detours)
    assert not any(opens(edge, link.replace(f"{mine}/video.mp4", path)) for path in detours)


def test_there_is_no_other_way_to_a_film(edge: httpx.Client, films: list[str]) -> None:
    film = f"{films[0]}/video.mp4"
    for prefix in ("", "/posters/..", "/posters/../posters/..", "/api/..", "/x/.."):
        for path in (
            film,
            film.replace("/", "//"),
            film.replace("/videos/", "/videos%2f"),
            film.replace("v", "%76", 1),
        ):
            for way in (
                prefix + path,
                (prefix + path).replace("..", "%2e%2e"),
                (prefix + path).replace("/..", "%2f.."),
            ):
                assert not opens(edge, way), way
    for path in (
        "/posters/..%252fvideos",
        "/posters/%252e%252e/videos",
        "/posters/..%5cvideos",
        "/VIDEOS",
        "/videos;a",
    ):
        assert not opens(edge, film.replace("/videos", path)), path


def test_the_bucket_answers_only_the_edge(sandbox: dict[str, Any], video: dict[str, Any], films: list[str]) -> None:
    bucket, key = video["origin_bucket"], f"{films[0]}/video.mp4".lstrip("/")
    blog = sandbox["blog-app"]
    stranger = boto3.client(
        "s3",
        aws_access_key_id=blog["author_access_key_id"],
        aws_secret_access_key=blog["author_secret_access_key"],
    )

    for s3 in (anonymous("s3", sandbox["endpoint"]), stranger):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.get_object(Bucket=bucket, Key=key)
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.list_objects_v2(Bucket=bucket)
    assert httpx.get(f"{sandbox['endpoint']}/{bucket}/{key}").status_code == 403


def test_a_key_that_another_distribution_trusts_opens_nothing(edge: httpx.Client, films: list[str]) -> None:
    cloudfront, pair = boto3.client("cloudfront"), key_pair("ecdsa")
    name = f"other-{time.time()}"
    config = {"CallerReference": name, "Name": name, "EncodedKey": pair.public.decode()}
    key_id = cloudfront.create_public_key(PublicKeyConfig=config)["PublicKey"]["Id"]
    group = cloudfront.create_key_group(KeyGroupConfig={"Name": name, "Items": [key_id]})

    refused = edge.get(
        UrlSigner(key_id, pair.private).url(f"http://{edge.base_url.netloc.decode()}{films[0]}/video.mp4", later())
    )

    cloudfront.delete_key_group(Id=group["KeyGroup"]["Id"], IfMatch=group["ETag"])
    assert refused.status_code == 403
    assert b"<Code>InvalidKey</Code>" in refused.content
