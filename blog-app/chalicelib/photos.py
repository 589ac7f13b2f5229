"""Photos, from the leave to upload one to its variants for the web. Knows no AWS and no HTTP."""

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

from common.errors import Conflict, NotFound
from common.ids import new_id
from common.text import FILE_NAME

WIDTHS = (320, 640, 1280)
"""Pixels of the variants' widths."""

MAX_SIZE = 30 * 1024 * 1024
"""Bytes of one upload."""

_EXTENSIONS = {"jpeg": "jpg", "webp": "webp"}

_TRIES = 5


class NewPhoto(Struct, forbid_unknown_fields=True):
    """A photo that is to be uploaded: its file's name, media type, and size in bytes."""

    filename: Annotated[str, Meta(min_length=1, max_length=200, pattern=FILE_NAME)]
    content_type: Literal["image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/bmp", "image/avif"]
    size: Annotated[int, Meta(ge=1, le=MAX_SIZE)]


class Upload(Struct):
    """Leave to upload the photo *id*: a presigned POST.

    Send ``fields`` and then the file as multipart/form-data to ``url``, before ``expires_at``.
    """

    id: str
    url: str
    fields: dict[str, str]
    expires_at: str


class UploadedPhoto(Struct, frozen=True):
    """What an event says: *key* of *bucket* got the content *etag*, of *size* bytes; *sequencer* orders the events."""

    bucket: str
    key: str
    size: int
    etag: str
    sequencer: str


class Variant(Struct, frozen=True):
    """One size of a photo in one format: pixels, and the path on the site."""

    width: int
    height: int
    format: Literal["jpeg", "webp"]
    url: str


class Photo(Struct):
    """One photo. It has variants, narrowest first, when it is ready, and a reason in few words when it is rejected."""

    id: str
    status: Literal["pending", "ready", "rejected"]
    variants: list[Variant]
    reason: str | UnsetType = UNSET


class Record(Struct):
    """A photo as it is kept, with the sequencer and etag of the upload that made it so: None while it is pending."""

    photo: Photo
    sequencer: str | None = None
    etag: str | None = None


class Bucket(Protocol):
    """Where originals, variants and records are."""

    def presigned_post(self, photo_id: str, key: str, content_type: str, size: int) -> Upload:
        """Allow one upload to *key* of just this type and of 1 to *size* bytes, for some minutes."""

    def download(self, upload: UploadedPhoto, file: IO[bytes]) -> bool:
        """Write the uploaded content into *file*. Return False if its key holds it no longer."""

    def put_variant(self, key: str, content: bytes, content_type: str) -> None:
        """Store a variant, which will never change."""

    def record(self, photo_id: str) -> tuple[Record, str] | None:
        """Return the record of the photo and the record's version, if there is one."""

    def put_record(self, record: Record, version: str | None) -> None:
        """Store the record in place of *version*, or as the first. Raises Conflict if another came between."""


class Photos:
    """All photos of the blog."""

    def __init__(self, bucket: Bucket, max_pixels: int = 50_000_000, max_frames: int = 200) -> None:
        self._bucket = bucket
        self._max_pixels = max_pixels
        self._max_frames = max_frames

    def add(self, new: NewPhoto) -> Upload:
        """Make a pending photo and return leave to upload it."""
        photo_id = new_id()
        self._bucket.put_record(Record(Photo(photo_id, "pending", [])), None)
        key = f"uploads/{photo_id}/{_safe(new.filename)}"
        return self._bucket.presigned_post(photo_id, key, new.content_type, new.size)

    def get(self, photo_id: str) -> Photo:
        """Return the photo. Raises NotFound."""
        try:
            found = self._bucket.record(str(uuid.UUID(photo_id)))
        except ValueError:
            found = None
        if found is None:
            raise NotFound(f"there is no photo {photo_id[:50]!r}")
        return found[0].photo

    def photo_of(self, stored: UploadedPhoto) -> Photo:
        """Return the photo that an object of either prefix belongs to. Raises NotFound."""
        return self.get(stored.key.split("/")[1])

    def make_variants(self, upload: UploadedPhoto) -> Photo | None:
        """Make the variants of what was uploaded, and return the photo as it then is.

        An event that comes twice, or after a later one, changes nothing. Returns None for what is no photo of ours
        and for content that was replaced meanwhile, of which there is an event of its own.
        """
        photo_id = _photo_id(upload.key)
        found = self._bucket.record(photo_id) if photo_id else None
        if found is None:
            return None
        if not _is_later(upload, found[0]):
            return found[0].photo
        with tempfile.TemporaryFile() as file:
            if not self._bucket.download(upload, file):
                return None
            photo = self._made(found[0].photo.id, file)
        return self._settled(photo, upload)

    def _made(self, photo_id: str, file: BufferedRandom) -> Photo:
        from chalicelib import images  # the API needs no Pillow

        file.seek(0)
        stem = f"thumbnails/{photo_id}/{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
        variants = []
        try:
            for image in images.variants(file, WIDTHS, self._max_pixels, self._max_frames):
                key = f"{stem}-{image.width}.{_EXTENSIONS[image.format]}"
                self._bucket.put_variant(key, image.content, f"image/{image.format}")
                variants.append(Variant(image.width, image.height, image.format, f"/{key}"))
        except images.Rejected as rejected:
            return Photo(photo_id, "rejected", [], str(rejected))
        return Photo(photo_id, "ready", sorted(variants, key=lambda variant: variant.width))

    def _settled(self, photo: Photo, upload: UploadedPhoto) -> Photo | None:
        """Keep *photo* unless a later upload was answered meanwhile; return what is kept."""
        for _ in range(_TRIES):
            found = self._bucket.record(photo.id)
            if found is None:
                return None
            record, version = found
            if not _is_later(upload, record):
                return record.photo
            with suppress(Conflict):
                self._bucket.put_record(Record(photo, upload.sequencer, upload.etag), version)
                return photo
        raise Conflict(f"photo {photo.id} is being changed by others all the time")


def _is_later(upload: UploadedPhoto, record: Record) -> bool:
    """Compare sequencers: hexadecimal, the shorter padded on its right with zeros, in the order of text.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    if record.sequencer is None:
        return True
    length = max(len(upload.sequencer), len(record.sequencer))
    return upload.sequencer.ljust(length, "0") > record.sequencer.ljust(length, "0")


def _photo_id(key: str) -> str | None:
    found = re.fullmatch(r"uploads/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/[^/]+", key)
    return found[1] if found else None


def _safe(filename: str) -> str:
    """Return what of *filename* needs no escaping in a key, an address or a page."""
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain)[-100:].strip("-.") or "photo"
