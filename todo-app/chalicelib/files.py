"""Files in each user's folder. Imports no AWS and no HTTP.

The client reads and writes its folder directly, with credentials of the identity pool. The server only returns the
location of the folder, and presigned uploads whose size and type S3 enforces.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from common.text import FILE_NAME, MEDIA_TYPE

MAX_SIZE = 10 * 1024 * 1024
"""Largest size of an upload, in bytes."""


class NewFile(Struct, forbid_unknown_fields=True):
    """A file to upload: its name in the folder, media type, and size in bytes."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=FILE_NAME)]
    content_type: Annotated[str, Meta(max_length=100, pattern=MEDIA_TYPE)]
    size: Annotated[int, Meta(ge=1, le=MAX_SIZE)]

    def __post_init__(self) -> None:
        if self.name in (".", ".."):
            raise ValueError("name: not a file name")
        self.name = unicodedata.normalize("NFC", self.name)


class Folder(Struct):
    """The folder of a user. The client exchanges its ID token for credentials, and then calls S3.

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
        """Return the permanent identity id of the token's user. Raises Unauthorized."""


class Bucket(Protocol):
    """Storage of files."""

    name: str

    def presigned_post(self, key: str, content_type: str, size: int) -> Upload:
        """Return a presigned POST to *key*, for this type and 1 to *size* bytes, that expires after some minutes."""


class Files:
    """The folders of all users."""

    def __init__(self, bucket: Bucket, identities: Identities) -> None:
        self._bucket = bucket
        self._identities = identities

    def folder(self, id_token: str) -> Folder:
        """Return the folder of the token's user."""
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
        """Return a presigned upload of *file* to the folder of the token's user."""
        prefix = _prefix(self._identities.identity_of(id_token))
        return self._bucket.presigned_post(prefix + file.name, file.content_type, file.size)


def _prefix(identity_id: str) -> str:
    """Return the prefix to which the identity pool's role limits the identity (resources.yaml)."""
    return f"users/{identity_id}/"
