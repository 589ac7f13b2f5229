"""The catalogue of videos, from the upload to the withdrawal of a video. Imports no AWS and no HTTP."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta, Struct

from common import money
from common.errors import IdempotencyKeyReused, InvalidInput, NotFound
from common.ids import new_id
from common.pages import Page
from common.text import LINE, TEXT
from common.times import iso

PART = 16 * 1024 * 1024
"""Bytes of one part of an upload; only the last part of a file is smaller."""

MAX_FILES = 500
MAX_PARTS = 2000
"""Limit for all files of a video together: 31 GB, and an answer smaller than Lambda's 6 MB."""

MP4 = "video.mp4"
POSTER = "poster.jpg"
PLAYLIST = "hls/index.m3u8"

_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}"
FileName = Annotated[
    str,
    Meta(max_length=200, pattern=rf"\A({MP4}|{POSTER}|hls/({_SEGMENT}/)*{_SEGMENT}\.(m3u8|ts|m4s|mp4|vtt))\Z"),
]


class Video(Struct, frozen=True, kw_only=True):
    """The public data of a video.

    ``duration`` is in seconds, ``price`` in the smallest unit of ``currency`` (ISO 4217, in lower case), ``poster`` a
    path on the site. A withdrawn video is no longer for sale or part of premium; its buyers keep it.
    """

    id: str
    title: str
    description: str
    duration: int
    price: int
    currency: str
    poster: str
    published_at: str
    status: Literal["published", "withdrawn"]


class NewFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file to upload: its name, which implies its media type, and its size in bytes."""

    name: FileName
    size: Annotated[int, Meta(ge=1, le=MAX_PARTS * PART)]


class NewVideo(Struct, forbid_unknown_fields=True):
    """A video to create: ``video.mp4``, ``poster.jpg``, and for HLS ``hls/index.m3u8`` with all files that it names."""

    title: Annotated[str, Meta(min_length=1, max_length=200, pattern=LINE)]
    duration: Annotated[int, Meta(ge=1, le=86_400)]
    price: Annotated[int, Meta(ge=50, le=99_999_999)]
    currency: Annotated[str, Meta(pattern=r"\A[a-z]{3}\Z")]
    files: Annotated[list[NewFile], Meta(min_length=2, max_length=MAX_FILES)]
    description: Annotated[str, Meta(max_length=5_000, pattern=TEXT)] = ""

    def __post_init__(self) -> None:
        names = [file.name for file in self.files]
        needed = {MP4, POSTER, *([PLAYLIST] if len(names) > 2 else [])}
        if missing := needed - set(names):
            raise ValueError(f"files: {min(missing)} is missing")
        if len(set(names)) < len(names):
            raise ValueError("files: a name occurs twice")
        if sum(len(parts(file.size)) for file in self.files) > MAX_PARTS:
            raise ValueError(f"files: more than {MAX_PARTS} parts of {PART} bytes in all")
        if self.price % money.step(self.currency):
            raise ValueError(f"price: in {self.currency} it must be a multiple of {money.step(self.currency)}")

    def fingerprint(self) -> str:
        """Return a hash that is equal for equal bodies."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class Part(Struct):
    """The URL to PUT the next ``size`` bytes of a file to. To publish, send the ETags of the answers."""

    size: int
    url: str


class Upload(Struct):
    """The presigned upload of one file, in parts."""

    name: str
    parts: list[Part]


class Draft(Struct):
    """A video to publish, and the uploads of its files, valid until ``expires_at``. A published one has no uploads."""

    id: str
    uploads: list[Upload]
    expires_at: str


class UploadedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """An uploaded file: the ETags of its parts, in order."""

    name: FileName
    etags: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=MAX_PARTS)]


class Uploaded(Struct, frozen=True, forbid_unknown_fields=True):
    """All files of a draft."""

    uploads: Annotated[list[UploadedFile], Meta(max_length=MAX_FILES)]


class StoredFile(Struct, frozen=True, kw_only=True):
    """A file of a video: its name, its size in bytes, and the id of its upload."""

    name: str
    size: int
    upload_id: str


class StoredVideo(Struct, frozen=True, kw_only=True):
    """All data of a video.

    A draft has no ``published_at``. A published video has no ``files``, only the flag ``streams`` for HLS. The
    ``fingerprint`` identifies the body that it was created from; items of the index have none.
    """

    id: str
    title: str
    description: str
    duration: int
    price: int
    currency: str
    status: Literal["draft", "published", "withdrawn"]
    streams: bool = False
    fingerprint: str = ""
    files: list[StoredFile] = []
    published_at: str = ""


class VideoQuery(Struct):
    """A page of videos, newest first: at most ``limit``, after ``cursor``."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, Meta(max_length=400)] | None = None


class VideoStore(Protocol):
    """Storage of videos."""

    def add(self, video: StoredVideo) -> bool:
        """Store a new draft. Return False if its id exists."""

    def get(self, video_id: str) -> StoredVideo | None:
        """Return the current video, or None if it does not exist."""

    def get_all(self, video_ids: Collection[str]) -> dict[str, Video]:
        """Return the videos, at most 100, by id, without those that were never published."""

    def list(self, query: VideoQuery) -> Page[Video]:
        """Return one page of published videos, newest first. Raises InvalidInput for a cursor of another API."""

    def publish(self, video_id: str, at: str) -> None:
        """Publish the draft. A video that is no longer a draft does not change."""

    def withdraw(self, video_id: str) -> None:
        """Withdraw the video, whatever its status. Raises NotFound."""


class Content(Protocol):
    """Storage of files, by the keys that `key` returns. Presigned URLs are valid for *life* seconds."""

    life: int

    def begin(self, keys: Collection[str]) -> list[str]:
        """Start an upload to each key, and return the ids of the uploads."""

    def presigned(self, key: str, upload_id: str, sizes: Collection[int]) -> list[Part]:
        """Return presigned parts with exactly these sizes."""

    def complete(self, uploads: Mapping[str, tuple[str, list[str]]]) -> None:
        """Complete the uploads, given by key as the id and the ETags. A completed upload does not change.

        Raises InvalidInput for missing parts.
        """

    def sizes(self, video_id: str) -> dict[str, int]:
        """Return the sizes in bytes of a video's objects, by key."""


class Catalogue:
    """The videos that are or were for sale."""

    def __init__(self, store: VideoStore) -> None:
        self._store = store

    def list(self, query: VideoQuery) -> Page[Video]:
        """Return one page of the published videos."""
        return self._store.list(query)

    def get(self, video_id: str) -> Video:
        """Return the video. Raises NotFound, also for a draft."""
        return public(self.stored(video_id))

    def stored(self, video_id: str) -> StoredVideo:
        """Return all data of a video that is or was published. Raises NotFound."""
        video = self._store.get(identifier(video_id))
        if video is None or not video.published_at:
            raise NotFound(f"there is no video {video_id}")
        return video


class Publishing:
    """The owner's operations: upload, publish and withdraw videos."""

    def __init__(
        self, store: VideoStore, content: Content, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._content = content
        self._now = now

    def add(self, new: NewVideo, idempotency_key: str | None = None) -> Draft:
        """Create a draft and return the uploads of its files. The same key returns the same draft.

        Raises IdempotencyKeyReused when the key was used with another body.
        """
        video_id = str(uuid.uuid5(uuid.NAMESPACE_OID, idempotency_key)) if idempotency_key else new_id()
        video = self._store.get(video_id) if idempotency_key else None
        if video is None:
            video = self._create(video_id, new)
        if video.fingerprint != new.fingerprint():
            raise IdempotencyKeyReused("this Idempotency-Key was used with another body")
        expires_at = iso(self._now() + timedelta(seconds=self._content.life))
        return Draft(video_id, [self._upload(video_id, file) for file in video.files], expires_at)

    def _create(self, video_id: str, new: NewVideo) -> StoredVideo:
        """Store a draft. Uploads started by a concurrent request or before a crash are abandoned."""
        upload_ids = self._content.begin([key(video_id, file.name) for file in new.files])
        video = StoredVideo(
            id=video_id,
            title=new.title,
            description=new.description,
            duration=new.duration,
            price=new.price,
            currency=new.currency,
            status="draft",
            streams=PLAYLIST in [file.name for file in new.files],
            files=[
                StoredFile(name=f.name, size=f.size, upload_id=u) for f, u in zip(new.files, upload_ids, strict=True)
            ],
            fingerprint=new.fingerprint(),
        )
        return video if self._store.add(video) else self._stored(video_id)

    def _upload(self, video_id: str, file: StoredFile) -> Upload:
        presigned = self._content.presigned(key(video_id, file.name), file.upload_id, parts(file.size))
        return Upload(file.name, presigned)

    def publish(self, video_id: str, uploaded: Uploaded) -> Video:
        """Publish the draft if all files are uploaded. Raises InvalidInput naming a missing file, and NotFound."""
        video = self._stored(video_id)
        if video.status == "withdrawn":
            raise NotFound(f"video {video.id} is withdrawn")
        if video.status == "draft":
            self._content.complete(_completions(video, uploaded))
            _require_files(video, self._content.sizes(video.id))
            self._store.publish(video.id, iso(self._now()))
        return public(self._stored(video.id))

    def withdraw(self, video_id: str) -> None:
        """End the sale of a video, or discard a draft. Raises NotFound."""
        self._store.withdraw(identifier(video_id))

    def _stored(self, video_id: str) -> StoredVideo:
        video = self._store.get(identifier(video_id))
        if video is None:
            raise NotFound(f"there is no video {video_id}")
        return video


def public(video: StoredVideo) -> Video:
    """Return the public data of a published *video*."""
    return Video(
        id=video.id,
        title=video.title,
        description=video.description,
        duration=video.duration,
        price=video.price,
        currency=video.currency,
        poster=poster(video.id),
        published_at=video.published_at,
        status="withdrawn" if video.status == "withdrawn" else "published",
    )


def key(video_id: str, name: str) -> str:
    """Return a file's key in the bucket and path on the site. CloudFront requires signatures below ``videos/`` only."""
    return f"posters/{video_id}.jpg" if name == POSTER else f"videos/{video_id}/{name}"


def parts(size: int) -> list[int]:
    """Return the sizes of the parts of an upload of *size* bytes."""
    whole, rest = divmod(size, PART)
    return [PART] * whole + [rest] * bool(rest)


def poster(video_id: str) -> str:
    """Return the path of the video's poster on the site."""
    return f"/{key(video_id, POSTER)}"


def identifier(video_id: str) -> str:
    """Return *video_id* in its stored form. Raises NotFound for an invalid id."""
    try:
        return str(uuid.UUID(video_id))
    except ValueError as error:
        raise NotFound(f"there is no video {video_id[:50]!r}") from error


def _completions(video: StoredVideo, uploaded: Uploaded) -> dict[str, tuple[str, list[str]]]:
    etags = {file.name: file.etags for file in uploaded.uploads}
    for file in video.files:
        count = len(parts(file.size))
        if len(etags.get(file.name, [])) != count:
            raise InvalidInput(f"uploads: {file.name} has {count} parts, each with an ETag")
    return {key(video.id, file.name): (file.upload_id, etags[file.name]) for file in video.files}


def _require_files(video: StoredVideo, sizes: dict[str, int]) -> None:
    for file in video.files:
        size = sizes.get(key(video.id, file.name))
        if size is None:
            raise InvalidInput(f"uploads: {file.name} is missing; if its upload has expired, create a new video")
        if size != file.size:
            raise InvalidInput(f"uploads: {file.name} has {size} bytes instead of {file.size}")
