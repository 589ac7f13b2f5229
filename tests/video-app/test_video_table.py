"""The contract of every store of videos, in memory and the table, and the bucket on S3."""

from __future__ import annotations

import os
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from memory import MemoryVideos
from rows import rows

from chalicelib import video_table
from chalicelib.content_bucket import ContentBucket
from chalicelib.video_table import VideoTable
from chalicelib.videos import StoredFile, StoredVideo, VideoQuery, VideoStore
from common import pages
from common.dynamodb import item, values
from common.errors import InvalidInput, NotFound
from common.ids import new_id


@pytest.fixture(params=["memory", "table"])
def store(request: pytest.FixtureRequest) -> VideoStore:
    if request.param == "memory":
        return MemoryVideos()
    return VideoTable(request.getfixturevalue("dynamodb"), os.environ["VIDEOS_TABLE"])


def a_draft() -> StoredVideo:
    files = [
        StoredFile(name="video.mp4", size=30, upload_id="u1"),
        StoredFile(name="poster.jpg", size=5, upload_id="u2"),
    ]
    return StoredVideo(
        id=new_id(),
        title="The ferry",
        description="Home",
        duration=60,
        price=299,
        currency="eur",
        status="draft",
        streams=True,
        fingerprint="fingerprint",
        files=files,
    )


def published(store: VideoStore, at: str) -> str:
    draft = a_draft()
    store.add(draft)
    store.publish(draft.id, at)
    return draft.id


def test_an_added_video_is_read(store: VideoStore) -> None:
    draft = a_draft()

    assert store.add(draft)
    assert store.get(draft.id) == draft
    assert store.get(new_id()) is None


def test_an_id_is_unique(store: VideoStore) -> None:
    draft = a_draft()

    assert (store.add(draft), store.add(draft)) == (True, False)


def test_a_published_video_has_no_files(store: VideoStore) -> None:
    record = store.get(published(store, "2030-01-01T00:00:00.000Z"))

    assert record is not None
    assert (record.status, record.published_at, record.files) == ("published", "2030-01-01T00:00:00.000Z", [])
    assert record.streams


def test_only_a_draft_can_be_published(store: VideoStore) -> None:
    video_id = published(store, "2030-01-01T00:00:00.000Z")
    store.publish(video_id, "2031-01-01T00:00:00.000Z")
    store.withdraw(video_id)
    store.publish(video_id, "2032-01-01T00:00:00.000Z")

    record = store.get(video_id)

    assert record is not None
    assert (record.status, record.published_at) == ("withdrawn", "2030-01-01T00:00:00.000Z")


def test_published_videos_are_listed_newest_first_and_pages_have_each_once(store: VideoStore) -> None:
    ids = [published(store, f"2040-01-0{n}T00:00:00.000Z") for n in range(1, 8)]
    store.withdraw(ids.pop(3))
    store.add(a_draft())

    found: list[str] = []
    cursor = None
    while True:
        page = store.list(VideoQuery(limit=2, cursor=cursor))
        found += [video.id for video in page.items]
        cursor = page.cursor
        if cursor is None or len(found) >= len(ids):
            break

    assert found == ids[::-1]


def test_a_last_page_that_is_full_has_no_cursor(store: VideoStore) -> None:
    oldest = published(store, "1990-01-01T00:00:00.000Z")

    page = store.list(VideoQuery(limit=1, cursor=pages.cursor(f"1990-01-02T00:00:00.000Z {new_id()}")))

    assert ([video.id for video in page.items], page.cursor) == ([oldest], None)


def test_an_invalid_cursor_is_rejected(store: VideoStore) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        store.list(VideoQuery(cursor="%%%"))


def test_get_all_returns_only_videos_that_were_ever_published(store: VideoStore) -> None:
    known, withdrawn, draft = (published(store, "2030-01-01T00:00:00.000Z") for _ in range(3))
    store.withdraw(withdrawn)
    store.add(a_draft())

    found = store.get_all([known, withdrawn, new_id()])

    assert {video.id: video.status for video in found.values()} == {known: "published", withdrawn: "withdrawn"}
    assert store.get_all([]) == {}
    assert draft not in found


def test_an_unknown_video_cannot_be_withdrawn(store: VideoStore) -> None:
    with pytest.raises(NotFound):
        store.withdraw(new_id())


def test_a_draft_expires_after_two_days_and_a_published_video_never(
    dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_table.time, "time", lambda: 1_900_000_000.9)
    store, draft = VideoTable(dynamodb, os.environ["VIDEOS_TABLE"]), a_draft()

    def stored() -> dict[str, Any]:
        key = item({"id": draft.id})
        return values(dynamodb.get_item(TableName=os.environ["VIDEOS_TABLE"], Key=key)["Item"])

    store.add(draft)
    assert stored()["expires_at"] == 1_900_172_800
    store.publish(draft.id, "2030-01-01T00:00:00.000Z")
    assert "expires_at" not in stored()


# The bucket


@pytest.fixture(scope="session")
def s3(emulator: str) -> Any:
    client = boto3.client("s3", endpoint_url=emulator, config=Config(signature_version="s3v4"))
    client.create_bucket(Bucket=os.environ["ORIGIN_BUCKET"])
    return client


@pytest.fixture
def bucket(s3: Any) -> ContentBucket:
    return ContentBucket(s3, os.environ["ORIGIN_BUCKET"])


def test_parts_become_objects_with_content_type_and_cache_control(s3: Any, bucket: ContentBucket) -> None:
    video_id = new_id()
    content = {f"videos/{video_id}/hls/index.m3u8": b"#EXTM3U", f"posters/{video_id}.jpg": b"jpeg"}
    upload_ids = dict(zip(content, bucket.begin(list(content)), strict=True))

    etags = {}
    for key, body in content.items():
        (part,) = bucket.presigned(key, upload_ids[key], [len(body)])
        etags[key] = [httpx.put(part.url, content=body).headers["ETag"]]
    for _ in range(2):  # again, which changes nothing
        bucket.complete({key: (upload_ids[key], etags[key]) for key in content})

    assert bucket.sizes(video_id) == {key: len(body) for key, body in content.items()}
    playlist = s3.head_object(Bucket=os.environ["ORIGIN_BUCKET"], Key=f"videos/{video_id}/hls/index.m3u8")
    assert (playlist["ContentType"], playlist["CacheControl"]) == (
        "application/vnd.apple.mpegurl",
        "max-age=0, s-maxage=60",
    )
    poster = s3.head_object(Bucket=os.environ["ORIGIN_BUCKET"], Key=f"posters/{video_id}.jpg")
    assert (poster["ContentType"], "immutable" in poster["CacheControl"]) == ("image/jpeg", True)


def test_missing_parts_are_rejected(bucket: ContentBucket) -> None:
    key = f"videos/{new_id()}/video.mp4"
    (upload_id,) = bucket.begin([key])

    with pytest.raises(InvalidInput, match=r"video\.mp4"):
        bucket.complete({key: (upload_id, ['"none"'])})


def test_the_size_of_a_part_is_signed(bucket: ContentBucket) -> None:
    key = f"videos/{new_id()}/video.mp4"
    (upload_id,) = bucket.begin([key])

    (part,) = bucket.presigned(key, upload_id, [5])

    assert "content-length" in httpx.URL(part.url).params["X-Amz-SignedHeaders"]
    assert httpx.URL(part.url).params["X-Amz-Expires"] == "3600"
    assert bucket.life == 3600, "what the owner is told"


@rows("video-app", "StoredVideo")
def test_a_video_of_another_release_is_read(dynamodb: Any, row: dict[str, Any]) -> None:
    dynamodb.put_item(TableName=os.environ["VIDEOS_TABLE"], Item=item(row))
    store = VideoTable(dynamodb, os.environ["VIDEOS_TABLE"])

    video = store.get(row["id"])

    assert video is not None
    assert (video.title, video.streams, video.files) == (row["title"], False, [])
    assert store.get_all([row["id"]])[row["id"]].title == row["title"]
