"""The folders and objects of an S3 bucket, and a preview of an object that runs nothing."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError
from starlette.responses import Response, StreamingResponse

from deploy.account import client
from sandbox.console.data.answers import Json, Missing, field, given, sized

PAGE = 100
"""Folders and objects on a page."""
SHOWN = 64_000
"""How many bytes of a text the console shows."""
PICTURE = 16_000_000
"""How many bytes a picture may have to be shown."""
PICTURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF????WEBP": "image/webp",
    b"????ftypavif": "image/avif",
}
"""By its first bytes the type of a picture. In a browser it can only be drawn: SVG, which has scripts, is text."""
_NO_SCRIPTS = "sandbox; default-src 'none'; frame-ancestors 'none'"


def folder(query: Mapping[str, str]) -> Json:
    """Return a page of the folders and objects below a ``prefix`` of a ``bucket``. Raises Refused."""
    name, prefix = given(query, "bucket"), query.get("prefix", "")
    request = {"Bucket": name, "Prefix": prefix, "Delimiter": "/", "MaxKeys": PAGE}
    if cursor := query.get("cursor"):
        request["ContinuationToken"] = cursor
    answer = client("s3").list_objects_v2(**request)
    return {
        "name": name,
        "prefix": prefix,
        "folders": [each["Prefix"] for each in answer.get("CommonPrefixes", [])],
        "objects": [
            {"key": each["Key"], "size": sized(each["Size"]), "at": each["LastModified"].timestamp()}
            for each in answer.get("Contents", [])
        ],
        "cursor": answer.get("NextContinuationToken"),
    }


def described(query: Mapping[str, str]) -> Json:
    """Return the metadata of an ``object`` of a ``bucket``, and its preview. Raises Refused."""
    name, key = given(query, "bucket"), given(query, "object")
    head = _found(name, key, "head_object")
    facts = [
        field("Size", "", f"{head['ContentLength']:,} bytes"),
        field("Type", "", head.get("ContentType", "")),
        field("Changed", "", head["LastModified"].isoformat()),
        field("ETag", "", head["ETag"]),
        *(field(title, "", str(head[member])) for title, member in _FACTS if head.get(member)),
        *(field(f"x-amz-meta-{each}", "metadata", value) for each, value in sorted(head["Metadata"].items())),
    ]
    return {"name": name, "key": key, "fields": facts} | _preview(name, key, head)


_FACTS = (
    ("Encryption", "ServerSideEncryption"),
    ("Cache-Control", "CacheControl"),
    ("Content-Encoding", "ContentEncoding"),
    ("Content-Disposition", "ContentDisposition"),
    ("Version", "VersionId"),
    ("Storage class", "StorageClass"),
    ("Expires", "Expiration"),
)


def _preview(bucket: str, key: str, head: Json) -> Json:
    """Return ``{shows, text}``: whether the object is shown as a ``picture``, as ``text`` or as ``nothing``."""
    size = head["ContentLength"]
    if not size:
        return {"shows": "nothing", "text": "The object is empty."}
    beginning = _found(bucket, key, "get_object", Range=f"bytes=0-{SHOWN - 1}")["Body"].read()
    if picture(beginning):
        if size <= PICTURE:
            return {"shows": "picture", "text": ""}
        return {"shows": "nothing", "text": f"The picture is larger than {sized(PICTURE)}. Download it to see it."}
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(beginning, final=size <= SHOWN)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return {"shows": "nothing", "text": "This is neither text nor a picture. Download it to see it."}
    return {"shows": "text", "text": text, "rest": f"The first {sized(SHOWN)} of it." if size > SHOWN else ""}


def picture(beginning: bytes) -> str | None:
    """Return the media type of a picture by its first bytes; None for everything else."""
    for signature, type in PICTURES.items():
        if len(beginning) >= len(signature) and all(
            wanted in (byte, ord("?")) for wanted, byte in zip(signature, beginning, strict=False)
        ):
            return type
    return None


def drawn(query: Mapping[str, str]) -> Response:
    """Return an object that is a picture. Raises Missing if it is none."""
    name, key = given(query, "bucket"), given(query, "object")
    answer = _found(name, key, "get_object")
    body = answer["Body"].read() if answer["ContentLength"] <= PICTURE else b""
    type = picture(body)
    if not type:
        raise Missing(f"{key} is no picture of at most {sized(PICTURE)}")
    return Response(body, media_type=type, headers={"Content-Security-Policy": _NO_SCRIPTS})


def download(query: Mapping[str, str]) -> Response:
    """Return an object as a file that a browser saves and never opens, whatever its type is. Raises Refused."""
    name, key = given(query, "bucket"), given(query, "object")
    answer = _found(name, key, "get_object")
    file = quote(key.rstrip("/").rpartition("/")[2], safe="")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{file}",
        "Content-Length": str(answer["ContentLength"]),
        "Content-Security-Policy": _NO_SCRIPTS,
    }
    return StreamingResponse(answer["Body"].iter_chunks(), media_type="application/octet-stream", headers=headers)


def _found(bucket: str, key: str, operation: str, **more: Any) -> Json:
    try:
        answer: Json = getattr(client("s3"), operation)(Bucket=bucket, Key=key, **more)
        return answer
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            raise Missing(f"there is no object {key} in the bucket {bucket}") from None
        raise
