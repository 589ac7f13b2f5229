"""Photos from upload to variants, in a bucket in memory and on S3."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, Literal

import boto3
import httpx
import image_corpus as corpus
import msgspec
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rows import rows

from chalicelib import photo_events
from chalicelib.photo_bucket import PhotoBucket
from chalicelib.photos import MAX_SIZE, NewPhoto, Photo, Photos, StoredPhoto, Upload, UploadedPhoto
from common.errors import Conflict, NotFound

SMALL = corpus.file(corpus.quarters(400, 300), "JPEG")
OTHER = corpus.file(corpus.grainy(350, 300), "PNG")
BROKEN = SMALL[:900]


class MemoryBucket:
    """A bucket that numbers its events, and calls the functions in ``meanwhile`` just before it stores a photo."""

    def __init__(self) -> None:
        self.originals: dict[str, bytes] = {}
        self.variants: dict[str, tuple[bytes, str]] = {}
        self.photos: dict[str, tuple[StoredPhoto, int]] = {}
        self.meanwhile: list[Callable[[], object]] = []
        self._sequence = itertools.count(0xFFE)

    def upload(self, key: str, content: bytes) -> UploadedPhoto:
        self.originals[key] = content
        return UploadedPhoto("photos", key, len(content), _etag(content), f"{next(self._sequence):X}")

    def presigned_post(self, photo_id: str, key: str, content_type: str, size: int) -> Upload:
        return Upload(photo_id, "https://photos.example", {"key": key, "Content-Type": content_type}, "2030-01-01")

    def download(self, upload: UploadedPhoto, file: IO[bytes]) -> bool:
        content = self.originals.get(upload.key)
        if content is None or _etag(content) != upload.etag:
            return False
        file.write(content)
        return True

    def put_variant(self, key: str, content: bytes, content_type: str) -> None:
        assert self.variants.setdefault(key, (content, content_type)) == (content, content_type)

    def get(self, photo_id: str) -> tuple[StoredPhoto, str] | None:
        if photo_id not in self.photos:
            return None
        stored, version = self.photos[photo_id]
        return stored, str(version)

    def put(self, stored: StoredPhoto, version: str | None) -> None:
        if self.meanwhile:
            self.meanwhile.pop()()
        _, current = self.photos.get(stored.photo.id, (None, 0))
        if int(version or 0) != current:
            raise Conflict("changed")
        self.photos[stored.photo.id] = stored, current + 1


def _etag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def photos(bucket: MemoryBucket) -> Photos:
    return Photos(bucket)


def new(**fields: Any) -> NewPhoto:
    return msgspec.convert({"filename": "a.jpg", "content_type": "image/jpeg", "size": 1000} | fields, NewPhoto)


def photo(photo_id: str, status: Literal["pending", "rejected"] = "pending") -> Photo:
    return Photo(id=photo_id, status=status, variants=[])


def test_a_photo_is_pending_until_its_variants_are_made(bucket: MemoryBucket, photos: Photos) -> None:
    upload = photos.add(new())

    assert photos.get(upload.id) == photo(upload.id)
    assert msgspec.to_builtins(photos.get(upload.id)) == {"id": upload.id, "status": "pending", "variants": []}

    made = photos.make_variants(bucket.upload(upload.fields["key"], SMALL))

    assert made == photos.get(upload.id)
    assert made.status == "ready"
    assert [(v.width, v.height, v.format) for v in made.variants] == [
        (320, 240, "jpeg"),
        (320, 240, "webp"),
        (400, 300, "jpeg"),
        (400, 300, "webp"),
    ]
    digest = hashlib.sha256(SMALL).hexdigest()[:16]
    assert made.variants[0].url == f"/thumbnails/{upload.id}/{digest}-320.jpg"
    assert {variant.url.removeprefix("/") for variant in made.variants} == set(bucket.variants)
    for variant in made.variants:
        content, content_type = bucket.variants[variant.url.removeprefix("/")]
        assert content_type == f"image/{variant.format}"
        assert Image.open(io.BytesIO(content)).size == (variant.width, variant.height)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BROKEN, "truncated"),
        (b"<html>", "not an image"),
        (b"<svg/>", "unsupported format"),
        (corpus.bombs()["PNG"], "too many pixels"),
    ],
)
def test_a_rejected_photo_has_a_reason(bucket: MemoryBucket, content: bytes, reason: str) -> None:
    photos = Photos(bucket)
    upload = photos.add(new())

    photos.make_variants(bucket.upload(upload.fields["key"], content))

    assert msgspec.to_builtins(photos.get(upload.id)) == {
        "id": upload.id,
        "status": "rejected",
        "variants": [],
        "reason": reason,
    }
    assert not bucket.variants


def test_the_limits_are_settings(bucket: MemoryBucket) -> None:
    photos = Photos(bucket, max_pixels=119_999)
    upload = photos.add(new())

    photo = photos.make_variants(bucket.upload(upload.fields["key"], SMALL))

    assert photo is not None
    assert photo.reason == "too many pixels"


@pytest.mark.parametrize("photo_id", ["1", "", "x" * 3000, "../posts", "\x00", str(uuid.uuid4())])
def test_an_unknown_photo_is_not_found(photos: Photos, photo_id: str) -> None:
    with pytest.raises(NotFound):
        photos.get(photo_id)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filename": ""}, "filename"),
        ({"filename": "a/b.jpg"}, "filename"),
        ({"filename": "a\x00.jpg"}, "filename"),
        ({"filename": "x" * 201}, "filename"),
        ({"content_type": "image/svg+xml"}, "content_type"),
        ({"content_type": "text/html"}, "content_type"),
        ({"size": 0}, "size"),
        ({"size": MAX_SIZE + 1}, "size"),
        ({"size": "big"}, "size"),
        ({"owner": "bob"}, "owner"),
    ],
)
def test_an_error_names_the_invalid_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        new(**body)


@given(st.text(min_size=1, max_size=200).filter(lambda name: re.fullmatch(r"[^/\\\x00-\x1f\x7f-\x9f\ufffd]+", name)))
def test_any_filename_becomes_a_safe_key(filename: str) -> None:
    upload = Photos(MemoryBucket()).add(new(filename=filename))

    assert re.fullmatch(rf"uploads/{upload.id}/[A-Za-z0-9_][A-Za-z0-9._-]{{0,99}}", upload.fields["key"])


@pytest.mark.parametrize(
    ("filename", "safe"),
    [
        ("Café au lait.JPG", "/Cafe-au-lait.JPG"),
        ("..", "/photo"),
        ("写真", "photo"),
        ('"><script>.png', "script-.png"),
        ("x" * 150 + ".png", "/" + "x" * 96 + ".png"),
    ],
)
def test_a_key_keeps_the_safe_characters_of_the_filename(filename: str, safe: str) -> None:
    assert Photos(MemoryBucket()).add(new(filename=filename)).fields["key"].endswith(safe)


def test_the_variants_of_a_replaced_original_have_new_keys(bucket: MemoryBucket, photos: Photos) -> None:
    upload = photos.add(new())
    first = photos.make_variants(bucket.upload(upload.fields["key"], SMALL))
    second = photos.make_variants(bucket.upload(upload.fields["key"], OTHER))

    assert first is not None
    assert second is not None
    assert not {variant.url for variant in first.variants} & {variant.url for variant in second.variants}
    assert photos.get(upload.id) == second


@given(st.data())
def test_events_in_any_order_and_number_result_in_the_last_upload(data: st.DataObject) -> None:
    bucket = MemoryBucket()
    photos = Photos(bucket)
    upload = photos.add(new())
    events = [bucket.upload(upload.fields["key"], content) for content in (SMALL, BROKEN, b"text", OTHER)]
    delivered = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=4))))

    for event in delivered:
        photos.make_variants(event)

    record, version = bucket.photos[upload.id]
    assert record.sequencer == events[-1].sequencer
    assert [variant.width for variant in record.photo.variants] == [320, 320, 350, 350]
    assert version == 2, "the record was written once after it was added"


def test_a_repeated_event_does_nothing(bucket: MemoryBucket, photos: Photos) -> None:
    upload = photos.add(new())
    event = bucket.upload(upload.fields["key"], SMALL)
    made = photos.make_variants(event)
    bucket.originals.clear()
    bucket.variants.clear()

    assert photos.make_variants(event) == made
    assert not bucket.variants


@pytest.mark.parametrize(
    ("answered", "sequencer", "later"),
    [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E6", True),
        ("0055AED6DCD90281E6", "0055AED6DCD90281E5", False),
        ("0055AED6DCD90281E5", "0055AED6DCD90281E5", False),
        ("0055AED6", "0055AED600", False),
        ("0055AED6", "0055AED601", True),
        ("00FF", "0100", True),
        ("9", "A", True),
        ("1FF", "2", True),
    ],
)
def test_the_sequencer_orders_events(
    bucket: MemoryBucket, photos: Photos, answered: str, sequencer: str, later: bool
) -> None:
    upload = photos.add(new())
    event = bucket.upload(upload.fields["key"], SMALL)
    bucket.put(StoredPhoto(photo=photo(upload.id, "rejected"), sequencer=answered, etag="etag"), "1")

    photos.make_variants(msgspec.structs.replace(event, sequencer=sequencer))

    assert (photos.get(upload.id).status == "ready") is later


def test_a_later_upload_that_was_handled_meanwhile_stays(bucket: MemoryBucket, photos: Photos) -> None:
    upload = photos.add(new())
    earlier = bucket.upload(upload.fields["key"], SMALL)

    def handle_later_upload() -> None:
        photos.make_variants(bucket.upload(upload.fields["key"], OTHER))

    bucket.meanwhile.append(handle_later_upload)

    made = photos.make_variants(earlier)

    assert made == photos.get(upload.id)
    assert made is not None
    assert made.variants[-1].width == 350


def test_an_earlier_upload_that_was_handled_meanwhile_is_replaced(bucket: MemoryBucket, photos: Photos) -> None:
    upload = photos.add(new())
    earlier = StoredPhoto(photo=photo(upload.id, "rejected"), sequencer="1", etag="etag")
    bucket.meanwhile.append(lambda: bucket.put(earlier, "1"))
    later = msgspec.structs.replace(bucket.upload(upload.fields["key"], SMALL), sequencer="2")

    photos.make_variants(later)

    assert photos.get(upload.id).status == "ready"


def test_a_photo_is_stored_in_five_attempts_at_most(bucket: MemoryBucket, photos: Photos) -> None:
    upload = photos.add(new())

    def touch() -> None:
        stored, version = bucket.photos[upload.id]
        bucket.photos[upload.id] = stored, version + 1

    event = bucket.upload(upload.fields["key"], SMALL)
    bucket.meanwhile = [touch] * 5
    with pytest.raises(Conflict):
        photos.make_variants(event)

    bucket.meanwhile = [touch] * 4
    assert photos.make_variants(event) == photos.get(upload.id)


@pytest.mark.parametrize(
    "key", ["uploads/a.jpg", "uploads/not-an-id/a.jpg", f"uploads/{uuid.uuid4()}/a.jpg", "thumbnails/x/y", ""]
)
def test_an_object_that_is_not_a_photo_changes_nothing(bucket: MemoryBucket, photos: Photos, key: str) -> None:
    assert photos.make_variants(bucket.upload(key, SMALL)) is None
    assert not bucket.photos
    assert not bucket.variants


def test_an_event_of_replaced_or_removed_content_changes_nothing(bucket: MemoryBucket, photos: Photos) -> None:
    upload = photos.add(new())
    event = bucket.upload(upload.fields["key"], SMALL)
    bucket.upload(upload.fields["key"], OTHER)

    assert photos.make_variants(event) is None
    bucket.originals.clear()
    assert photos.make_variants(event) is None
    assert photos.get(upload.id).status == "pending"


def test_both_kinds_of_event_give_the_same_object() -> None:
    thing = {"size": 7, "sequencer": "0055"}
    notification = {"bucket": {"name": "b"}, "object": {"key": "uploads/x/a%2Bb+c%C3%A9.jpg", "eTag": "e", **thing}}
    detail = {"bucket": {"name": "b"}, "object": {"key": "uploads/x/a+b cé.jpg", "etag": "e", **thing}}
    expected = UploadedPhoto("b", "uploads/x/a+b cé.jpg", 7, "e", "0055")

    assert photo_events.uploaded({"Records": [{"s3": notification}]}) == expected
    assert photo_events.uploaded({"detail": detail}) == expected


def test_only_what_needs_them_imports_pillow_and_the_markdown_parser() -> None:
    modules = "photo_bucket, photos, publisher, site_bucket"
    program = f"import sys; from chalicelib import {modules}; assert not {{'PIL', 'markdown_it'}} & set(sys.modules)"
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}

    assert subprocess.run([sys.executable, "-c", program], env=path, check=False).returncode == 0


# On S3


@pytest.fixture(scope="module")
def s3(emulator: str) -> Any:
    return boto3.client("s3", endpoint_url=emulator, config=Config(signature_version="s3v4"))


@pytest.fixture
def stored(s3: Any) -> PhotoBucket:
    name = f"photos-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return PhotoBucket(s3, name)


def send(upload: Upload, content: bytes, content_type: str | None = None) -> int:
    fields = upload.fields | ({"Content-Type": content_type} if content_type else {})
    answer = httpx.post(upload.url, data=fields, files={"file": ("x", content, "application/octet-stream")})
    return answer.status_code


def event_of(s3: Any, upload: Upload, sequencer: str = "1") -> UploadedPhoto:
    bucket, key = upload.url.rstrip("/").rpartition("/")[2], upload.fields["key"]
    head = s3.head_object(Bucket=bucket, Key=key)
    return UploadedPhoto(bucket, key, head["ContentLength"], head["ETag"].strip('"'), sequencer)


def test_the_upload_policy_enforces_size_and_type(stored: PhotoBucket) -> None:
    upload = Photos(stored).add(new(size=len(SMALL)))

    assert send(upload, SMALL + b"x") == 400
    assert send(upload, b"") == 400
    assert send(upload, SMALL, "text/html") == 403
    assert send(upload, SMALL) == 204
    assert upload.expires_at.endswith("Z")


def test_a_photo_above_six_megabytes_works(s3: Any, stored: PhotoBucket) -> None:
    content = corpus.file(corpus.grainy(6000, 4000), "JPEG", quality=90)
    assert len(content) > 6 * 1024 * 1024
    photos = Photos(stored)
    upload = photos.add(new(size=len(content)))
    assert send(upload, content) == 204

    made = photos.make_variants(event_of(s3, upload))

    assert made == photos.get(upload.id)
    assert made is not None
    assert [variant.width for variant in made.variants] == [320, 320, 640, 640, 1280, 1280]
    answer = s3.get_object(Bucket=upload.url.rstrip("/").rpartition("/")[2], Key=made.variants[-1].url[1:])
    assert answer["ContentType"] == "image/webp"
    assert answer["CacheControl"] == "public, max-age=31536000, immutable"
    assert Image.open(answer["Body"]).size == (1280, 853)


def test_the_photo_is_json_that_is_cached_briefly(s3: Any, stored: PhotoBucket) -> None:
    upload = Photos(stored).add(new())
    bucket = upload.url.rstrip("/").rpartition("/")[2]

    answer = s3.get_object(Bucket=bucket, Key=f"thumbnails/{upload.id}/photo.json")

    assert answer["ContentType"] == "application/json"
    assert answer["CacheControl"] == "public, max-age=5"
    assert msgspec.json.decode(answer["Body"].read())["photo"]["status"] == "pending"


def test_a_replaced_original_is_not_downloaded(s3: Any, stored: PhotoBucket) -> None:
    upload = Photos(stored).add(new(size=len(SMALL)))
    assert send(upload, SMALL) == 204
    event = event_of(s3, upload)
    file = io.BytesIO()

    assert stored.download(event, file)
    assert file.getvalue() == SMALL
    assert send(upload, SMALL[:-1]) == 204
    assert not stored.download(event, io.BytesIO())
    s3.delete_object(Bucket=event.bucket, Key=event.key)
    assert not stored.download(event, io.BytesIO())


def test_one_of_many_concurrent_replacements_succeeds(stored: PhotoBucket) -> None:
    a_photo = photo(str(uuid.uuid4()))

    def put(version: str | None) -> bool:
        try:
            stored.put(StoredPhoto(photo=a_photo, sequencer=uuid.uuid4().hex), version)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            found = stored.get(a_photo.id)
            version = found[1] if found else None
            assert sum(pool.map(put, [version] * 8)) == 1


def test_a_missing_photo_is_not_replaced(stored: PhotoBucket) -> None:
    with pytest.raises(Conflict):
        stored.put(StoredPhoto(photo=photo(str(uuid.uuid4()))), '"etag"')


def test_a_missing_photo_is_not_found(stored: PhotoBucket) -> None:
    with pytest.raises(NotFound):
        Photos(stored).get(str(uuid.uuid4()))


@rows("blog-app", "StoredPhoto")
def test_a_photo_of_another_release_is_read(s3: Any, row: dict[str, Any]) -> None:
    name = f"photos-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    photo_id = row["photo"]["id"]
    older = row | {"photo": row["photo"] | {"added_later": "x"}}
    s3.put_object(Bucket=name, Key=f"thumbnails/{photo_id}/photo.json", Body=json.dumps(older))

    found = Photos(PhotoBucket(s3, name)).get(photo_id)

    assert (found.status, found.variants[0].width) == ("ready", 320)
