"""Gap: S3 ignores `x-amz-expected-bucket-owner`, so a request reaches a bucket of an account that it did not mean.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
No longer needed when HeadBucket with the account ID of another account as ExpectedBucketOwner answers 403.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from ministack import app
from ministack.services import s3

HEADER = "x-amz-expected-bucket-owner"
SOURCE_HEADER = "x-amz-source-expected-bucket-owner"


def expectations(path: str, headers: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each bucket of a request for which it names an owner, with the owner."""
    target = app._s3_cors_target(headers.get("host", ""), path)
    if HEADER in headers and target:
        yield target[0], headers[HEADER]
    if SOURCE_HEADER in headers and (source := headers.get("x-amz-copy-source")):
        yield unquote(source).lstrip("/").partition("/")[0], headers[SOURCE_HEADER]


def apply() -> None:
    handle = app.SERVICE_HANDLERS["s3"]

    async def handle_with_owner(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        for bucket, expected in expectations(path, headers):
            owner = s3._bucket_owner_account(bucket)
            if owner is not None and owner != expected:
                return s3._error("AccessDenied", "Access Denied", 403)
        return await handle(method, path, headers, body, query)

    app.SERVICE_HANDLERS["s3"] = handle_with_owner
