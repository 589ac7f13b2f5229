"""The rules of the catalogue."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import msgspec
import pytest
from shop import FILES, Shop, uploaded

from chalicelib.videos import MAX_PARTS, PART, NewFile, NewVideo, Uploaded, UploadedFile, VideoQuery
from common.errors import IdempotencyKeyReused, InvalidInput, NotFound


def a_video(title: str = "The ferry", files: list[NewFile] = FILES) -> NewVideo:
    return NewVideo(title, 60, 299, "eur", files)


def test_a_draft_is_hidden_until_it_is_published(shop: Shop) -> None:
    draft = shop.publishing.add(a_video())

    with pytest.raises(NotFound):
        shop.catalogue.get(draft.id)
    assert shop.catalogue.list(VideoQuery()).items == []
    video = shop.publishing.publish(draft.id, uploaded())
    assert shop.catalogue.get(draft.id) == video
    assert (video.status, video.published_at) == ("published", "2030-01-01T00:00:00.000Z")
    assert shop.catalogue.list(VideoQuery()).items == [video]


def test_all_parts_of_a_file_but_the_last_have_one_size(shop: Shop) -> None:
    files = [NewFile("video.mp4", 2 * PART + 1), NewFile("poster.jpg", PART)]

    sizes = [[part.size for part in upload.parts] for upload in shop.publishing.add(a_video(files=files)).uploads]

    assert sizes == [[PART, PART, 1], [PART]]


def test_only_the_poster_requires_no_signature(shop: Shop) -> None:
    video_id = shop.publish()

    assert sorted(shop.content.objects) == [
        f"posters/{video_id}.jpg",
        f"videos/{video_id}/hls/0.m4s",
        f"videos/{video_id}/hls/index.m3u8",
        f"videos/{video_id}/video.mp4",
    ]
    assert shop.catalogue.get(video_id).poster == f"/posters/{video_id}.jpg"


def test_the_same_key_returns_the_same_draft_and_starts_no_upload(shop: Shop) -> None:
    first = shop.publishing.add(a_video(), "key")

    assert shop.publishing.add(a_video(), "key") == first
    assert len(shop.content.uploads) == len(FILES)
    with pytest.raises(IdempotencyKeyReused):
        shop.publishing.add(a_video("Another"), "key")


def test_a_published_video_has_no_uploads(shop: Shop) -> None:
    draft = shop.publishing.add(a_video(), "key")
    video = shop.publishing.publish(draft.id, uploaded())
    shop.clock.advance(hours=1)

    assert shop.publishing.add(a_video(), "key").uploads == []
    assert shop.publishing.publish(draft.id, Uploaded([])) == video


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (FILES[:-1], "hls/0.m4s has 1 parts"),
        ([*FILES[:-1], NewFile("hls/0.m4s", 19)], "hls/0.m4s has 19 bytes instead of 20"),
    ],
)
def test_an_incomplete_upload_is_not_published(shop: Shop, files: list[NewFile], reason: str) -> None:
    draft = shop.publishing.add(a_video())

    with pytest.raises(InvalidInput, match=reason):
        shop.publishing.publish(draft.id, uploaded(files))
    with pytest.raises(NotFound):
        shop.catalogue.get(draft.id)


def test_wrong_etags_are_rejected(shop: Shop) -> None:
    draft = shop.publishing.add(a_video())

    with pytest.raises(InvalidInput, match="does not have these parts"):
        shop.publishing.publish(draft.id, Uploaded([UploadedFile(file.name, ["x"]) for file in FILES]))


def test_a_withdrawn_video_is_in_no_list_but_can_be_read(shop: Shop) -> None:
    video_id = shop.publish()

    shop.publishing.withdraw(video_id)

    assert shop.catalogue.list(VideoQuery()).items == []
    assert shop.catalogue.get(video_id).status == "withdrawn"
    with pytest.raises(NotFound):
        shop.publishing.publish(video_id, uploaded())
    with pytest.raises(NotFound):
        shop.publishing.withdraw("none")


def test_a_withdrawn_draft_is_not_found(shop: Shop) -> None:
    draft = shop.publishing.add(a_video())

    shop.publishing.withdraw(draft.id)

    with pytest.raises(NotFound):
        shop.catalogue.get(draft.id)


@pytest.mark.parametrize(
    "files",
    [
        [],
        [{"name": "video.mp4", "size": 1}],
        [{"name": "video.mp4", "size": 1}, {"name": "video.mp4", "size": 1}, {"name": "poster.jpg", "size": 1}],
        [{"name": "video.mp4", "size": 1}, {"name": "poster.jpg", "size": 1}, {"name": "hls/0.ts", "size": 1}],
        [{"name": "video.mp4", "size": 0}, {"name": "poster.jpg", "size": 1}],
        [{"name": "video.mp4", "size": PART * MAX_PARTS}, {"name": "poster.jpg", "size": 1}],
        *(
            [{"name": "video.mp4", "size": 1}, {"name": "poster.jpg", "size": 1}, {"name": name, "size": 1}]
            for name in ("hls/../x.ts", "hls/.ts", "hls//a.ts", "/hls/a.ts", "a.ts", "hls/a.html", "hls/a.ts\n", "")
        ),
    ],
)
def test_invalid_files_are_rejected(files: list[Any]) -> None:
    body = {"title": "T", "duration": 1, "price": 50, "currency": "eur", "files": files}

    with pytest.raises(msgspec.ValidationError, match="files"):
        msgspec.convert(body, NewVideo)


def test_all_files_together_have_at_most_two_thousand_parts() -> None:
    files = [NewFile("video.mp4", 1999 * PART), NewFile("poster.jpg", PART)]

    assert a_video(files=files).files == files
    with pytest.raises(ValueError, match="more than 2000 parts"):
        a_video(files=[NewFile("video.mp4", 1999 * PART + 1), NewFile("poster.jpg", PART)])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", "a\nb"),
        ("duration", 0),
        ("price", 49),
        ("price", "299"),
        ("price", 10**8),
        ("currency", "EUR"),
        ("description", "\x00"),
        ("status", "published"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    files = [{"name": "video.mp4", "size": 1}, {"name": "poster.jpg", "size": 1}]
    body = {"title": "T", "duration": 1, "price": 50, "currency": "eur", "files": files, field: value}

    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert(body, NewVideo)


@pytest.mark.parametrize(
    ("price", "currency", "allowed"),
    [
        (500, "isk", True),
        (550, "isk", False),
        (550, "ugx", False),
        (5120, "kwd", True),
        (5125, "kwd", False),
        (51, "jpy", True),
    ],
)
def test_a_price_that_stripe_does_not_charge_is_refused(price: int, currency: str, allowed: bool) -> None:
    files = [NewFile("video.mp4", 1), NewFile("poster.jpg", 1)]

    with nullcontext() if allowed else pytest.raises(ValueError, match=f"price: in {currency}"):
        NewVideo("T", 1, price, currency, files)
