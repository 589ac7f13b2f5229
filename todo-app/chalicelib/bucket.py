"""The S3 bucket of the users' files. Adapter for S3."""

from typing import Any

from chalicelib.files import Upload
from common import uploads


class FilesBucket:
    """Bucket *name*, through an S3 *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def presigned_post(self, key: str, content_type: str, size: int) -> Upload:
        signed = uploads.presigned_post(self._client, self.name, key, content_type, size)
        return Upload(signed.url, signed.fields, key, signed.expires_at)
