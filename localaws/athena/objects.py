"""The objects of S3, through the caller's own rights."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localaws.athena.failures import Failed

_TOGETHER = 8
_AHEAD, _AHEAD_BYTES = 64, 64 * 2**20  # that wait in memory, at most, unless one object is larger


@dataclass(frozen=True)
class Object:
    """One object, as a listing shows it."""

    bucket: str
    key: str
    size: int

    @property
    def uri(self) -> str:
        """Its ``"$path"``."""
        return f"s3://{self.bucket}/{self.key}"


def place(uri: str) -> tuple[str, str]:
    """Return bucket and key, or prefix, of an ``s3://`` address, or raise Failed."""
    parts = urlsplit(uri)
    if parts.scheme not in ("s3", "s3a", "s3n") or not parts.netloc:
        raise Failed(f"INVALID_TABLE_PROPERTY: not an address in S3: {uri}")
    return parts.netloc, uri.split("/", 3)[3] if uri.count("/") > 2 else ""


class Objects:
    """Reads many small objects faster than boto3: each is one signed GET of a shared pool of connections."""

    def __init__(self, s3: Any, credentials: Credentials, endpoint: str, region: str) -> None:
        self._s3 = s3
        self._auth = S3SigV4Auth(credentials, "s3", region)
        self._endpoint = endpoint
        self._pool = urllib3.PoolManager(maxsize=_TOGETHER, block=True)

    def below(self, uri: str) -> list[Object]:
        """Return the objects below *uri* that Athena reads: none with a name or folder that begins with _ or a dot."""
        bucket, prefix = place(uri)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            return [
                Object(bucket, found["Key"], found["Size"])
                for page in pages
                for found in page.get("Contents", [])
                if not _is_hidden(found["Key"][len(prefix) :])
            ]
        except ClientError as error:
            raise _failure(error.response["Error"]["Code"], uri) from None

    def is_empty(self, uri: str) -> bool:
        """Tell whether nothing at all is below *uri*."""
        bucket, prefix = place(uri)
        try:
            return not self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount")
        except ClientError as error:
            raise _failure(error.response["Error"]["Code"], uri) from None

    def read(self, objects: list[Object], stopped: Callable[[], bool]) -> Iterator[bytes]:
        """Yield the content of each, in order, until *stopped* says so."""
        with ThreadPoolExecutor(_TOGETHER) as pool:
            for some in _some_at_a_time(objects):
                if stopped():
                    return
                yield from pool.map(self._get, some)

    def write(self, uri: str, content: bytes | Path) -> None:
        """Put an object."""
        bucket, key = place(uri)
        try:
            with contextlib.closing(io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")) as body:
                self._s3.put_object(Bucket=bucket, Key=key, Body=body)
        except ClientError as error:
            raise _unwritten(error.response["Error"]["Code"], uri) from None

    def _get(self, wanted: Object) -> bytes:
        url = f"{self._endpoint}/{wanted.bucket}/{quote(wanted.key, safe='/~')}"
        request = AWSRequest("GET", url)
        self._auth.add_auth(request)
        answer = self._pool.request("GET", url, headers=dict(request.headers.items()))
        if answer.status != 200:
            raise _failure("AccessDenied" if answer.status == 403 else "NoSuchKey", wanted.uri)
        return answer.data


def _some_at_a_time(objects: list[Object]) -> Iterator[list[Object]]:
    some: list[Object] = []
    for one in objects:
        if len(some) == _AHEAD or (some and sum(other.size for other in some) + one.size > _AHEAD_BYTES):
            yield some
            some = []
        some.append(one)
    if some:
        yield some


def _is_hidden(below: str) -> bool:
    """https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html"""
    return below.endswith("/") or any(part.startswith(("_", ".")) for part in below.split("/"))


def _failure(code: str, uri: str) -> Failed:
    if code in ("AccessDenied", "403"):
        return Failed(f"PERMISSION_DENIED: Permission denied on S3 path: {uri}")
    if code == "NoSuchBucket":
        return Failed(f"HIVE_FILESYSTEM_ERROR: The specified bucket does not exist: {uri}")
    return Failed(f"HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {uri}: {code}")


def _unwritten(code: str, uri: str) -> Failed:
    if "AccessDenied" in code:
        return Failed(
            f"Access denied when writing output to url: {uri} . Please ensure you are allowed to access the S3 bucket."
        )
    return Failed(f"HIVE_WRITER_CLOSE_ERROR: Error writing {uri}: {code}")
