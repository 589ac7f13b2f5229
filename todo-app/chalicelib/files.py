"""Files in a user's own folder. Knows no AWS and no HTTP.

A user's own client reads and writes the folder directly, with credentials of the identity pool; the
server only says where the folder is, and signs uploads whose size and type S3 itself enforces.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from common.text import FILE_NAME, MEDIA_TYPE

MAX_SIZE = 10 * 1024 * 1024
"""Bytes of one upload."""


class NewFile(Struct, forbid_unknown_fields=True):
    """A file that is to be uploaded: its name in the folder, media type, and size in bytes."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=FILE_NAME)]
    content_type: Annotated[str, Meta(max_length=100, pattern=MEDIA_TYPE)]
    size: Annotated[int, Meta(ge=1, le=MAX_SIZE)]

    def __post_init__(self) -> None:
        if self.name in (".", ".."):
            raise ValueError("name: not a file name")
        self.name = unicodedata.normalize("NFC", self.name)


class Folder(Struct):
    """What a client needs to use its folder: exchange the ID token for credentials, then speak S3.

    ``login_provider`` is the key of the ID token in the ``Logins`` of GetCredentialsForIdentity.
    """

    bucket: str
    prefix: str
    region: str
    identity_pool_id: str
    identity_id: str
    login_provider: str
    max_size: int


class Upload(Struct):
    """A presigned POST: send ``fields`` and then the file as multipart/form-data to ``url``."""

    url: str
    fields: dict[str, str]
    key: str
    expires_at: str


class Identities(Protocol):
    """The identity pool."""

    pool_id: str
    login_provider: str
    region: str

    def identity_of(self, id_token: str) -> str:
        """Return the identity id of the token's user, the same each time. Raises Unauthorized."""


class Bucket(Protocol):
    """Where the files are."""

    name: str

    def presigned_post(self, key: str, content_type: str, size: int) -> Upload:
        """Allow one upload to *key* of just this type and of 1 to *size* bytes, for some minutes."""


class Files:
    """The folder of every user."""

    def __init__(self, bucket: Bucket, identities: Identities) -> None:
        self._bucket = bucket
        self._identities = identities

    def folder(self, id_token: str) -> Folder:
        """Return where the token's user may keep files."""
        identity_id = self._identities.identity_of(id_token)
        return Folder(
            bucket=self._bucket.name,
            prefix=_prefix(identity_id),
            region=self._identities.region,
            identity_pool_id=self._identities.pool_id,
            identity_id=identity_id,
            login_provider=self._identities.login_provider,
            max_size=MAX_SIZE,
        )

    def upload(self, id_token: str, file: NewFile) -> Upload:
        """Return leave to upload *file* into the folder of the token's user."""
        prefix = _prefix(self._identities.identity_of(id_token))
        return self._bucket.presigned_post(prefix + file.name, file.content_type, file.size)


def _prefix(identity_id: str) -> str:
    """The identity pool's role holds each identity to this prefix (resources.yaml)."""
    return f"users/{identity_id}/"
