"""Gap: S3 names owners, stores another default content type, and leaves members out of answers about buckets.

S3 no longer returns the display name of an owner. An object that is stored without a type is a binary/octet-stream.
The texts of headers are UTF-8. The location of an upload is a URL. A 204 has no Content-Length.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Owner.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
No longer needed when an object that is put without a type has the ContentType binary/octet-stream.
"""

import re
from typing import Any
from xml.etree.ElementTree import Element

from ministack import app
from ministack.services import s3

type Headers = dict[str, str]

TYPE = {"content-type": "binary/octet-stream"}
DISPLAY_NAME = re.compile(rb"<DisplayName>[^<]*</DisplayName>")
HOST = "s3.amazonaws.com"
SYSTEM_METADATA = ("cache-control", "content-disposition", "content-encoding", "content-language", "expires")


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
        if key and method in ("GET", "HEAD"):
            given = {name: as_utf8(name, value) for name, value in given.items()}
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


def as_utf8(name: str, value: str) -> str:
    """Return the value of a header such that the emulator, which sends Latin-1, sends it as UTF-8."""
    return value.encode().decode("latin-1") if name.lower() in SYSTEM_METADATA else value


def with_type(build: Any) -> Any:
    """Wrap the building of a new object, which a form without a type makes as well."""
    return lambda body, headers, *more, **named: build(body, TYPE | headers, *more, **named)


def with_encoded_location(write: Any) -> Any:
    """Wrap the writing of an XML body."""

    def xml_body(root: Element) -> bytes:
        if root.tag == "CompleteMultipartUploadResult" and (location := root.find("Location")) is not None:
            key = root.findtext("Key") or ""
            location.text = (location.text or "").removesuffix(key) + s3.url_quote(key, safe="/")
        body: bytes = write(root)
        return body

    return xml_body


def without_length(send: Any) -> Any:
    """Wrap the sending of an answer: one without content has no length (RFC 9110, 8.6)."""

    async def send_response(to: Any, status: int, headers: Headers, body: Any, *, head: bool = False) -> None:
        await send(to, status, headers, body, head=head or status == 204)

    return send_response


def apply() -> None:
    app._send_response = without_length(app._send_response)
    s3._xml_body = with_encoded_location(s3._xml_body)
    s3._dispatch = with_members(s3._dispatch)
    s3._build_object_record = with_type(s3._build_object_record)
