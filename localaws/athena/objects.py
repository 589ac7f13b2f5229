"""S3 objects, accessed with the permissions of the caller."""

from __future__ import annotations

import contextlib
import io
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localaws.athena.failures import Failed

_CONCURRENCY = 8
_MAX_KEPT = 2**20
_BATCH, _BATCH_BYTES = 64, 64 * 2**20  # the most that is held in memory, unless one object is larger
# All statements use the same threads and connections: to start them takes longer than to read a small object.
_THREADS = ThreadPoolExecutor(_CONCURRENCY)
_CONNECTIONS = urllib3.PoolManager(maxsize=_CONCURRENCY, block=True)


@dataclass(frozen=True)
class Object:
    """An object from a listing."""

    bucket: str
    key: str
    size: int
    etag: str = ""

    @property
    def uri(self) -> str:
        """The S3 URI, which is the value of the ``"$path"`` column."""
        return f"s3://{self.bucket}/{self.key}"


def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key or prefix of an S3 URI, or raise Failed."""
    parts = urlsplit(uri)
    if parts.scheme not in ("s3", "s3a", "s3n") or not parts.netloc:
        raise Failed(f"INVALID_TABLE_PROPERTY: not an S3 URI: {uri}")
    return parts.netloc, uri.split("/", 3)[3] if uri.count("/") > 2 else ""


class Contents:
    """The contents of small objects that callers have read: the last of them, up to *capacity* bytes."""

    def __init__(self, capacity: int) -> None:
        self._left = capacity
        self._contents: OrderedDict[tuple[str, Object], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, caller: str, of: Object) -> bytes | None:
        """Return what the caller has read, or None."""
        with self._lock:
            content = self._contents.get((caller, of))
            if content is not None:
                self._contents.move_to_end((caller, of))
            return content

    def put(self, caller: str, of: Object, content: bytes) -> None:
        """Keep what the caller has read, unless it is large."""
        if not of.etag or len(content) > _MAX_KEPT:
            return
        with self._lock:
            self._left += len(self._contents.pop((caller, of), b"")) - len(content)
            self._contents[caller, of] = content
            while self._left < 0:
                self._left += len(self._contents.popitem(last=False)[1])


class Objects:
    """An S3 client that reads many small objects faster than boto3, with signed GETs from a shared connection pool.

    *contents* has what the same credentials have read. It is not read again, except the last object of each folder:
    so a policy that no longer allows to read the folder takes effect at once.
    """

    def __init__(self, s3: Any, credentials: Credentials, endpoint: str, region: str, contents: Contents) -> None:
        self._s3 = s3
        self._caller, self._contents = credentials.access_key, contents
        self._auth = S3SigV4Auth(credentials, "s3", region)
        self._endpoint = endpoint

    def list_objects(self, uri: str) -> list[Object]:
        """List the objects under *uri*, except those whose name or folder starts with an underscore or a dot."""
        bucket, prefix = split_uri(uri)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            return [
                Object(bucket, found["Key"], found["Size"], found["ETag"])
                for page in pages
                for found in page.get("Contents", [])
                if not _is_hidden(found["Key"][len(prefix) :])
            ]
        except ClientError as error:
            raise _read_failure(error.response["Error"]["Code"], uri) from None

    def list_each(self, uris: Iterable[str]) -> Iterator[list[Object]]:
        """Yield what list_objects() returns for each of *uris*."""
        return _THREADS.map(self.list_objects, uris)

    def is_empty(self, uri: str) -> bool:
        """Return whether no object exists under *uri*."""
        bucket, prefix = split_uri(uri)
        try:
            return not self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount")
        except ClientError as error:
            raise _read_failure(error.response["Error"]["Code"], uri) from None

    def read(self, objects: list[Object], stopped: Callable[[], bool]) -> Iterator[bytes]:
        """Yield the content of each object in order, until *stopped* returns True."""
        last = set({one.uri.rpartition("/")[0]: one for one in objects}.values())
        for batch in _batches(objects):
            if stopped():
                return
            known = {one: self._contents.get(self._caller, one) for one in batch if one not in last}
            missing = [one for one in batch if known.get(one) is None]
            read = known | dict(zip(missing, _THREADS.map(self._read, missing), strict=True))
            yield from (content for one in batch if (content := read[one]) is not None)

    def write(self, uri: str, content: bytes | Path) -> None:
        """Put an object, or raise Failed."""
        bucket, key = split_uri(uri)
        try:
            with contextlib.closing(io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")) as body:
                self._s3.put_object(Bucket=bucket, Key=key, Body=body)
        except ClientError as error:
            raise _write_failure(error.response["Error"]["Code"], uri) from None

    def _read(self, s3_object: Object) -> bytes:
        content = self._get(s3_object)
        self._contents.put(self._caller, s3_object, content)
        return content

    def _get(self, s3_object: Object) -> bytes:
        url = f"{self._endpoint}/{s3_object.bucket}/{quote(s3_object.key, safe='/~')}"
        request = AWSRequest("GET", url)
        self._auth.add_auth(request)
        response = _CONNECTIONS.request("GET", url, headers=dict(request.headers.items()))
        if response.status != 200:
            raise _read_failure("AccessDenied" if response.status == 403 else "NoSuchKey", s3_object.uri)
        return response.data


def _batches(objects: list[Object]) -> Iterator[list[Object]]:
    batch: list[Object] = []
    for s3_object in objects:
        if len(batch) == _BATCH or (batch and sum(other.size for other in batch) + s3_object.size > _BATCH_BYTES):
            yield batch
            batch = []
        batch.append(s3_object)
    if batch:
        yield batch


def _is_hidden(path: str) -> bool:
    """Return whether Athena ignores the object: https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html"""
    return path.endswith("/") or any(part.startswith(("_", ".")) for part in path.split("/"))


def _read_failure(code: str, uri: str) -> Failed:
    if code in ("AccessDenied", "403"):
        return Failed(f"PERMISSION_DENIED: Permission denied on S3 path: {uri}")
    if code == "NoSuchBucket":
        return Failed(f"HIVE_FILESYSTEM_ERROR: The specified bucket does not exist: {uri}")
    return Failed(f"HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {uri}: {code}")


def _write_failure(code: str, uri: str) -> Failed:
    if "AccessDenied" in code:
        return Failed(
            f"Access denied when writing output to url: {uri} . Please ensure you are allowed to access the S3 bucket."
        )
    return Failed(f"HIVE_WRITER_CLOSE_ERROR: Error writing {uri}: {code}")
