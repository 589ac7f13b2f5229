"""Gap: S3 takes a date in the future for a condition, and an upload does not see that its object changed meanwhile.

A recipient ignores If-Modified-Since with a date later than its own time. CompleteMultipartUpload with a condition
conflicts with a write or a deletion of the object since the upload was created.
RFC 9110, 13.1.3: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.3
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
No longer needed when CompleteMultipartUpload with IfMatch answers ConditionalRequestConflict for an object that was
written after the upload was created.
"""

from datetime import UTC, datetime
from typing import Any

from ministack.services import s3

from localaws.s3.requests import CONDITIONS

type Headers = dict[str, str]

SINCE = "if-modified-since"
CONFLICT = "The conditional request cannot succeed due to a conflicting operation against this resource."

_at_creation: dict[str, Any] = {}
"""The object of each upload when the upload was created, or None."""


def without_future_date(check: Any) -> Any:
    """Wrap the check of the conditions of a read."""

    def checked(headers: Headers, record: Any, answer: Headers) -> Any:
        since = s3._parse_http_date(headers.get(SINCE, ""))
        if since and since > datetime.now(UTC):
            headers = {name: value for name, value in headers.items() if name != SINCE}
        return check(headers, record, answer)

    return checked


def remembering(create: Any) -> Any:
    """Wrap CreateMultipartUpload."""

    def create_upload(bucket: str, key: str, headers: Headers) -> Any:
        answer = create(bucket, key, headers)
        if answer[0] < 400:
            upload_id = s3.fromstring(answer[2]).findtext(f"{{{s3.S3_NS}}}UploadId")
            _at_creation[upload_id] = s3._buckets[bucket]["objects"].get(key)
        return answer

    return create_upload


def conflicting(complete: Any) -> Any:
    """Wrap CompleteMultipartUpload."""

    def complete_upload(bucket: str, key: str, body: bytes, query: Any, headers: Headers | None = None) -> Any:
        upload_id = s3._qp(query, "uploadId")
        condition = next((name for name in CONDITIONS if name in (headers or {})), None)
        if condition and upload_id in s3._multipart_uploads:
            now = s3._buckets[bucket]["objects"].get(key)
            failed = s3._check_put_preconditions(headers, now)
            if not failed and _at_creation.get(upload_id, now) is not now:
                members = {"Condition": condition.title(), "Key": key}
                return s3._error("ConditionalRequestConflict", CONFLICT, 409, extra=members)
        answer = complete(bucket, key, body, query, headers)
        if answer[0] < 400:
            _at_creation.pop(upload_id, None)
        return answer

    return complete_upload


def apply() -> None:
    s3._check_read_preconditions = without_future_date(s3._check_read_preconditions)
    s3._create_multipart_upload = remembering(s3._create_multipart_upload)
    s3._complete_multipart_upload = conflicting(s3._complete_multipart_upload)
