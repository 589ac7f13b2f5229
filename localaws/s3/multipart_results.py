"""Gap: the answer to each CompleteMultipartUpload stays in memory, for a client that asks again.

S3 forgets it after some time. Here the newest 1,000 of an account stay.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
No longer needed when an emulator after a million multipart uploads uses as much memory as one after 1,000.
"""

from itertools import islice
from typing import Any

from ministack.services import s3

MAX_RESULTS = 1_000


def with_bound(complete: Any) -> Any:
    """Wrap CompleteMultipartUpload."""

    def complete_multipart_upload(*request: Any, **named: Any) -> Any:
        answer = complete(*request, **named)
        results = s3._completed_multipart_uploads
        for upload in list(islice(results, max(0, len(results) - MAX_RESULTS))):
            results.pop(upload, None)
        return answer

    return complete_multipart_upload


def apply() -> None:
    s3._complete_multipart_upload = with_bound(s3._complete_multipart_upload)
