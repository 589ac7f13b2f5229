"""Leave for a client to upload one object to S3 by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from common.times import iso

_LIFE = 300
"""Seconds in which an upload may begin."""


class PresignedPost(NamedTuple):
    """Where to send ``fields`` and then the file as multipart/form-data, and until when (ISO 8601 in UTC)."""

    url: str
    fields: dict[str, str]
    expires_at: str


def presigned_post(s3: Any, bucket: str, key: str, content_type: str, size: int) -> PresignedPost:
    """Sign a POST policy for *key* that S3 holds to *content_type* and to 1 to *size* bytes.

    A presigned PUT could not limit the size:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    """
    signed = s3.generate_presigned_post(
        bucket,
        key,
        Fields={"Content-Type": content_type},
        Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, size]],
        ExpiresIn=_LIFE,
    )
    expires_at = datetime.now(UTC) + timedelta(seconds=_LIFE)
    return PresignedPost(signed["url"], signed["fields"], iso(expires_at, "seconds"))
