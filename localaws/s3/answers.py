"""Gap: S3 names owners, stores another default content type, and leaves members out of answers about buckets.

S3 no longer returns the display name of an owner. An object that is stored without a type is a binary/octet-stream.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Owner.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
No longer needed when an object that is put without a type has the ContentType binary/octet-stream.
"""

import re
from typing import Any

from ministack.services import s3

type Headers = dict[str, str]

TYPE = {"content-type": "binary/octet-stream"}
DISPLAY_NAME = re.compile(rb"<DisplayName>[^<]*</DisplayName>")
HOST = "s3.amazonaws.com"


def with_members(dispatch: Any) -> Any:
    """Wrap the handling of a request."""

    def answer(method: str, bucket: str, key: str, headers: Headers, body: bytes, query: Any) -> Any:
        if not headers.get("content-type"):
            headers = headers | TYPE
        status, given, content = dispatch(method, bucket, key, headers, body, query)
        if isinstance(content, str):
            content = content.encode()
        if given.get("Content-Type") == "application/xml" and not (method == "GET" and key and not query):
            content = DISPLAY_NAME.sub(b"", content)
        if status == 200 and bucket and not key and not query.keys() - {"x-id"}:
            given.update(bucket_headers(method, bucket))
        return status, given, content

    return answer


def bucket_headers(method: str, bucket: str) -> Headers:
    """Return the headers of HeadBucket or CreateBucket that the emulator leaves out."""
    if method == "HEAD":
        return {"x-amz-access-point-alias": "false"}
    if method != "PUT":
        return {}
    location = {} if s3.bucket_region(bucket) == "us-east-1" else {"Location": f"http://{bucket}.{HOST}/"}
    return {"x-amz-bucket-arn": f"arn:aws:s3:::{bucket}"} | location


def with_type(build: Any) -> Any:
    """Wrap the building of a new object, which a form without a type makes as well."""
    return lambda body, headers, *more, **named: build(body, TYPE | headers, *more, **named)


def apply() -> None:
    s3._dispatch = with_members(s3._dispatch)
    s3._build_object_record = with_type(s3._build_object_record)
