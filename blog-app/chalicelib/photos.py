"""Photos, from the presigned upload to the variants for the web. Imports no AWS and no HTTP."""

from __future__ import annotations

import hashlib
import re
import tempfile
import unicodedata
import uuid
from contextlib import suppress
from io import BufferedRandom
from typing import IO, Annotated, Literal, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.image_files import MAX_PIXELS
from common.errors import Conflict, NotFound
from common.ids import new_id
from common.text import FILE_NAME

WIDTHS = (320, 640, 1280)
"""Widths of the variants, in pixels."""

MAX_SIZE = 30 * 1024 * 1024
"""Bytes of one upload."""

_EXTENSIONS = {"jpeg": "jpg", "webp": "webp"}

_TRIES = 5


class NewPhoto(Struct, forbid_unknown_fields=True):
    """A photo to upload: its file name, media type, and size in bytes."""

    filename: Annotated[str, Meta(min_length=1, max_length=200, pattern=FILE_NAME)]
    content_type: Literal["image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/bmp", "image/avif"]
    size: Annotated[int, Meta(ge=1, le=MAX_SIZE)]


class Upload(Struct):
    """A presigned POST for the photo *id*.

    Send ``fields`` and then the file as multipart/form-data to ``url``, before ``expires_at``.
    """

    id: str
    url: str
    fields: dict[str, str]
    expires_at: str


class UploadedPhoto(Struct, frozen=True):
    """A created object: *key* of *bucket* has the content *etag*, of *size* bytes; *sequencer* orders its events."""

    bucket: str
    key: str
    size: int
    etag: str
    sequencer: str


class Variant(Struct, frozen=True, kw_only=True):
    """One size of a photo in one format: its size in pixels, and its path on the site."""

    width: int
    height: int
    format: Literal["jpeg", "webp"]
    url: str


class Photo(Struct, kw_only=True):
    """One photo. A ready one has variants, narrowest first. A rejected one has a short reason."""

    id: str
    status: Literal["pending", "ready", "rejected"]
    variants: list[Variant]
    reason: str | UnsetType = UNSET


class StoredPhoto(Struct, kw_only=True):
    """A photo, with the sequencer and the etag of the upload it was made from: None while it is pending."""

    photo: Photo
    sequencer: str | None = None
    etag: str | None = None


class Bucket(Protocol):
    """Storage of originals, variants and photos."""

    def presigned_post(self, photo_id: str, key: str, content_type: str, size: int) -> Upload:
        """Return a presigned POST to *key*, for this type and 1 to *size* bytes, that expires after some minutes."""

    def download(self, upload: UploadedPhoto, file: IO[bytes]) -> bool:
        """Write the uploaded content into *file*. Return False if the key no longer has that content."""

    def put_variant(self, key: str, content: bytes, content_type: str) -> None:
        """Store a variant. It never changes."""

    def get(self, photo_id: str) -> tuple[StoredPhoto, str] | None:
        """Return the photo and its version, or None if it does not exist."""

    def put(self, stored: StoredPhoto, version: str | None) -> None:
        """Replace *version* of the photo, or create it if that is None. Raises Conflict if the version has changed."""


class Photos:
    """All photos of the blog."""

    def __init__(self, bucket: Bucket, max_pixels: int = MAX_PIXELS) -> None:
        self._bucket = bucket
        self._max_pixels = max_pixels

    def add(self, new: NewPhoto) -> Upload:
        """Create a pending photo and return a presigned upload for it."""
        photo_id = new_id()
        self._bucket.put(StoredPhoto(photo=Photo(id=photo_id, status="pending", variants=[])), None)
        key = f"uploads/{photo_id}/{_safe(new.filename)}"
        return self._bucket.presigned_post(photo_id, key, new.content_type, new.size)

    def get(self, photo_id: str) -> Photo:
        """Return the photo. Raises NotFound."""
        try:
            found = self._bucket.get(str(uuid.UUID(photo_id)))
        except ValueError:
            found = None
        if found is None:
            raise NotFound(f"there is no photo {photo_id[:50]!r}")
        return found[0].photo

    def photo_of(self, stored: UploadedPhoto) -> Photo:
        """Return the photo that an object under ``uploads/`` or ``thumbnails/`` belongs to. Raises NotFound."""
        return self.get(stored.key.split("/")[1])

    def make_variants(self, upload: UploadedPhoto) -> Photo | None:
        """Make the variants of an upload, and return the resulting photo.

        An event that is delivered twice, or after a later one, changes nothing. Returns None if the object is not the
        upload of a photo, and if its content was replaced meanwhile: the replacement has an event of its own.
        """
        photo_id = _photo_id(upload.key)
        found = self._bucket.get(photo_id) if photo_id else None
        if found is None:
            return None
        if not _is_later(upload, found[0]):
            return found[0].photo
        with tempfile.TemporaryFile() as file:
            if not self._bucket.download(upload, file):
                return None
            photo = self._make(found[0].photo.id, file)
        return self._store(photo, upload)

    def _make(self, photo_id: str, file: BufferedRandom) -> Photo:
        from chalicelib import images  # the API does not need Pillow

        file.seek(0)
        stem = f"thumbnails/{photo_id}/{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
        variants = []
        try:
            for image in images.variants(file, WIDTHS, self._max_pixels):
                key = f"{stem}-{image.width}.{_EXTENSIONS[image.format]}"
                self._bucket.put_variant(key, image.content, f"image/{image.format}")
                variants.append(Variant(width=image.width, height=image.height, format=image.format, url=f"/{key}"))
        except images.Rejected as rejected:
            return Photo(id=photo_id, status="rejected", variants=[], reason=str(rejected))
        return Photo(id=photo_id, status="ready", variants=sorted(variants, key=lambda variant: variant.width))

    def _store(self, photo: Photo, upload: UploadedPhoto) -> Photo | None:
        """Store *photo* unless a later upload was handled meanwhile; return the photo that is stored."""
        for _ in range(_TRIES):
            found = self._bucket.get(photo.id)
            if found is None:
                return None
            stored, version = found
            if not _is_later(upload, stored):
                return stored.photo
            with suppress(Conflict):
                self._bucket.put(StoredPhoto(photo=photo, sequencer=upload.sequencer, etag=upload.etag), version)
                return photo
        raise Conflict(f"other requests keep changing photo {photo.id}")


def _is_later(upload: UploadedPhoto, stored: StoredPhoto) -> bool:
    """Compare the sequencers as text, after padding the shorter hexadecimal number on the right with zeros.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    if stored.sequencer is None:
        return True
    length = max(len(upload.sequencer), len(stored.sequencer))
    return upload.sequencer.ljust(length, "0") > stored.sequencer.ljust(length, "0")


def _photo_id(key: str) -> str | None:
    found = re.fullmatch(r"uploads/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/[^/]+", key)
    return found[1] if found else None


def _safe(filename: str) -> str:
    """Return *filename* with only those characters that need no escaping in a key, a URL or HTML."""
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain)[-100:].strip("-.") or "photo"
