"""The S3 bucket of ingested readings. Adapter for S3.

It reads only ``failed/``: what Firehose could not deliver.
"""

from typing import Any

from common import aws


class IngestionBucket:
    """Bucket *name*, through an S3 *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def lines(self, key: str) -> list[bytes]:
        """Return the lines of an object."""
        with aws.translated():
            content: bytes = self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
        return content.splitlines()
