"""The catalogue of videos, from the leave to upload one to its withdrawal. Knows no AWS and no HTTP."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta, Struct

from common.errors import IdempotencyKeyReused, InvalidInput, NotFound
from common.ids import new_id
from common.pages import Page
from common.text import LINE, TEXT
from common.times import iso

PART = 16 * 1024 * 1024
"""Bytes of one part of an upload; only a file's last part is smaller."""

MAX_FILES = 500
MAX_PARTS = 2000
"""Of all files of a video: 31 GB, and an answer below Lambda's 6 MB."""

MP4 = "video.mp4"
POSTER = "poster.jpg"
PLAYLIST = "hls/index.m3u8"

_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}"
FileName = Annotated[
    str,
    Meta(max_length=200, pattern=rf"\A({MP4}|{POSTER}|hls/({_SEGMENT}/)*{_SEGMENT}\.(m3u8|ts|m4s|mp4|vtt))\Z"),
]


class Video(Struct, frozen=True):
    """A video as everybody sees it.

    ``duration`` is in seconds, ``price`` in the smallest unit of ``currency`` (ISO 4217, in lower case), ``poster`` a
    path on the site. One that is withdrawn is neither sold nor part of premium any more; who bought it keeps it.
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
    """A file that is to be uploaded: its name, which tells its media type, and size in bytes."""

    name: FileName
    size: Annotated[int, Meta(ge=1, le=MAX_PARTS * PART)]


class NewVideo(Struct, forbid_unknown_fields=True):
    """A video that is to be: ``video.mp4``, ``poster.jpg``, and for HLS ``hls/index.m3u8`` with all that it names."""

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
            raise ValueError("files: a name comes twice")
        if sum(len(parts(file.size)) for file in self.files) > MAX_PARTS:
            raise ValueError(f"files: more than {MAX_PARTS} parts of {PART} bytes in all")

    def fingerprint(self) -> str:
        """Return what is equal for two bodies that ask for the same video."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class Part(Struct):
    """Where to PUT the next ``size`` bytes of a file; the answer's ETag is wanted when all are there."""

    size: int
    url: str


class Upload(Struct):
    """Leave to upload one file, part by part."""

    name: str
    parts: list[Part]


class Draft(Struct):
    """A video that is to be published, and leave to upload its files until ``expires_at``: none when they are there."""

    id: str
    uploads: list[Upload]
    expires_at: str


class UploadedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that was uploaded: the ETags of its parts, in their order."""

    name: FileName
    etags: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=MAX_PARTS)]


class Uploaded(Struct, frozen=True, forbid_unknown_fields=True):
    """All files of a draft."""

    uploads: Annotated[list[UploadedFile], Meta(max_length=MAX_FILES)]


class StoredFile(Struct, frozen=True):
    """A file of a video: its name, size in bytes, and what its upload goes by."""

    name: str
    size: int
    upload_id: str


class Record(Struct, frozen=True):
    """A video as it is kept.

    A draft has no ``published_at``; once it is published nobody needs its ``files`` any more, only whether it
    ``streams`` (by HLS). The ``fingerprint`` tells of which body it was made.
    """

    id: str
    title: str
    description: str
    duration: int
    price: int
    currency: str
    status: Literal["draft", "published", "withdrawn"]
    streams: bool
    fingerprint: str
    files: list[StoredFile] = []
    published_at: str = ""


class VideoQuery(Struct):
    """Which videos, newest first: ``limit`` of them, after ``cursor``."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, Meta(max_length=400)] | None = None


class VideoStore(Protocol):
    """Where the records are."""

    def add(self, record: Record) -> bool:
        """Store a new draft. Return False when its id is taken."""

    def get(self, video_id: str) -> Record | None:
        """Return the record as it is now, if there is one."""

    def get_all(self, video_ids: Collection[str]) -> dict[str, Video]:
        """Return those of at most 100 videos that were ever published, by id."""

    def list(self, query: VideoQuery) -> Page[Video]:
        """Return one page of the published, newest first. Raises InvalidInput for a cursor that is not ours."""

    def publish(self, video_id: str, at: str) -> None:
        """Publish the draft; one that is none any more stays as it is."""

    def withdraw(self, video_id: str) -> None:
        """Withdraw the video, whatever it is. Raises NotFound."""


class Content(Protocol):
    """Where the files are, by the keys of `key`. What is presigned is good for *life* seconds."""

    life: int

    def begin(self, keys: Collection[str]) -> list[str]:
        """Begin an upload to each key and return what each goes by."""

    def presigned(self, key: str, upload_id: str, sizes: Collection[int]) -> list[Part]:
        """Allow the upload of parts of just these sizes."""

    def complete(self, uploads: Mapping[str, tuple[str, list[str]]]) -> None:
        """Make objects of the uploaded parts: by key, the upload and its ETags. What is complete already stays so.

        Raises InvalidInput for parts that are not there.
        """

    def sizes(self, video_id: str) -> dict[str, int]:
        """Return the sizes in bytes of a video's objects, by key."""


class Catalogue:
    """The videos that are or were sold."""

    def __init__(self, store: VideoStore) -> None:
        self._store = store

    def list(self, query: VideoQuery) -> Page[Video]:
        """Return one page of the published videos."""
        return self._store.list(query)

    def get(self, video_id: str) -> Video:
        """Return the video. Raises NotFound, also for a draft."""
        return public(self.record(video_id))

    def record(self, video_id: str) -> Record:
        """Return the record of a video that is or was published. Raises NotFound."""
        record = self._store.get(identifier(video_id))
        if record is None or not record.published_at:
            raise NotFound(f"there is no video {video_id}")
        return record


class Publishing:
    """Where the owner makes videos of files, and withdraws them."""

    def __init__(
        self, store: VideoStore, content: Content, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._content = content
        self._now = now

    def add(self, new: NewVideo, idempotency_key: str | None = None) -> Draft:
        """Make a draft and return leave to upload its files; the same key again returns the first one's draft.

        Raises IdempotencyKeyReused when the key came with another body.
        """
        video_id = str(uuid.uuid5(uuid.NAMESPACE_OID, idempotency_key)) if idempotency_key else new_id()
        record = self._store.get(video_id) if idempotency_key else None
        if record is None:
            record = self._begun(video_id, new)
        if record.fingerprint != new.fingerprint():
            raise IdempotencyKeyReused("this Idempotency-Key was used with another body")
        expires_at = timestamp(self._now().timestamp() + self._content.life)
        return Draft(video_id, [self._upload(video_id, file) for file in record.files], expires_at)

    def _begun(self, video_id: str, new: NewVideo) -> Record:
        """Uploads that another request has begun at the same time, or a crash has left, are abandoned."""
        upload_ids = self._content.begin([key(video_id, file.name) for file in new.files])
        record = Record(
            id=video_id,
            title=new.title,
            description=new.description,
            duration=new.duration,
            price=new.price,
            currency=new.currency,
            status="draft",
            streams=PLAYLIST in [file.name for file in new.files],
            files=[StoredFile(f.name, f.size, u) for f, u in zip(new.files, upload_ids, strict=True)],
            fingerprint=new.fingerprint(),
        )
        return record if self._store.add(record) else self._stored(video_id)

    def _upload(self, video_id: str, file: StoredFile) -> Upload:
        place = key(video_id, file.name)
        return Upload(file.name, self._content.presigned(place, file.upload_id, parts(file.size)))

    def publish(self, video_id: str, uploaded: Uploaded) -> Video:
        """Publish the draft whose files are all uploaded. Raises InvalidInput naming what is missing, and NotFound."""
        record = self._stored(video_id)
        if record.status == "withdrawn":
            raise NotFound(f"video {record.id} is withdrawn")
        if record.status == "draft":
            self._content.complete(_completions(record, uploaded))
            _require_files(record, self._content.sizes(record.id))
            self._store.publish(record.id, timestamp(self._now().timestamp()))
        return public(self._stored(record.id))

    def withdraw(self, video_id: str) -> None:
        """End the sale of a video; a draft will never be sold. Raises NotFound."""
        self._store.withdraw(identifier(video_id))

    def _stored(self, video_id: str) -> Record:
        record = self._store.get(identifier(video_id))
        if record is None:
            raise NotFound(f"there is no video {video_id}")
        return record


def public(record: Record) -> Video:
    """Return what of a published *record* everybody sees."""
    return Video(
        id=record.id,
        title=record.title,
        description=record.description,
        duration=record.duration,
        price=record.price,
        currency=record.currency,
        poster=poster(record.id),
        published_at=record.published_at,
        status="withdrawn" if record.status == "withdrawn" else "published",
    )


def key(video_id: str, name: str) -> str:
    """Return where a file lies, in the bucket as on the site: the edge asks for a signature under ``videos/`` only."""
    return f"posters/{video_id}.jpg" if name == POSTER else f"videos/{video_id}/{name}"


def parts(size: int) -> list[int]:
    """Return the sizes of the parts that a file of *size* bytes is uploaded in."""
    whole, rest = divmod(size, PART)
    return [PART] * whole + [rest] * bool(rest)


def poster(video_id: str) -> str:
    """Return the path of the video's poster on the site."""
    return f"/{key(video_id, POSTER)}"


def identifier(video_id: str) -> str:
    """Return *video_id* as it is kept. Raises NotFound for what is no id."""
    try:
        return str(uuid.UUID(video_id))
    except ValueError as error:
        raise NotFound(f"there is no video {video_id[:50]!r}") from error


def timestamp(seconds: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC."""
    return iso(datetime.fromtimestamp(seconds, UTC))


def _completions(record: Record, uploaded: Uploaded) -> dict[str, tuple[str, list[str]]]:
    etags = {file.name: file.etags for file in uploaded.uploads}
    for file in record.files:
        wanted = len(parts(file.size))
        if len(etags.get(file.name, [])) != wanted:
            raise InvalidInput(f"uploads: {file.name} has {wanted} parts, each with an ETag")
    return {key(record.id, file.name): (file.upload_id, etags[file.name]) for file in record.files}


def _require_files(record: Record, sizes: dict[str, int]) -> None:
    for file in record.files:
        size = sizes.get(key(record.id, file.name))
        if size is None:
            raise InvalidInput(f"uploads: {file.name} is not there; if its upload has expired, begin with a new video")
        if size != file.size:
            raise InvalidInput(f"uploads: {file.name} has {size} bytes, {file.size} were announced")
