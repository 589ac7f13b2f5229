"""The stores of the shop in memory, tested like the tables by test_video_table.py and test_tables.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from chalicelib.payments import Event, Payment
from chalicelib.videos import Part, StoredVideo, Video, VideoQuery, public
from common import pages
from common.errors import InvalidInput, NotFound
from common.pages import Page


class MemoryVideos:
    def __init__(self) -> None:
        self.videos: dict[str, StoredVideo] = {}

    def add(self, video: StoredVideo) -> bool:
        if video.id in self.videos:
            return False
        self.videos[video.id] = video
        return True

    def get(self, video_id: str) -> StoredVideo | None:
        return self.videos.get(video_id)

    def get_all(self, video_ids: Collection[str]) -> dict[str, Video]:
        found = [self.videos[video_id] for video_id in video_ids if video_id in self.videos]
        return {video.id: public(video) for video in found if video.published_at}

    def list(self, query: VideoQuery) -> Page[Video]:
        published = [video for video in self.videos.values() if video.status == "published"]
        published.sort(key=_place, reverse=True)
        if query.cursor:
            last = pages.position(query.cursor)
            published = [video for video in published if _place(video) < last]
        page = published[: query.limit]
        more = len(published) > query.limit
        return Page([public(video) for video in page], pages.cursor(_place(page[-1])) if more else None)

    def publish(self, video_id: str, at: str) -> None:
        if self.videos[video_id].status == "draft":
            self.videos[video_id] = replace(self.videos[video_id], status="published", published_at=at, files=[])

    def withdraw(self, video_id: str) -> None:
        if video_id not in self.videos:
            raise NotFound(f"there is no video {video_id}")
        self.videos[video_id] = replace(self.videos[video_id], status="withdrawn")


def _place(video: StoredVideo) -> str:
    return f"{video.published_at} {video.id}"


class MemoryContent:
    """``objects`` are sizes by key. The ETag of an uploaded part is its size."""

    life = 3600

    def __init__(self) -> None:
        self.objects: dict[str, int] = {}
        self.uploads: list[str] = []

    def begin(self, keys: Collection[str]) -> list[str]:
        self.uploads += keys
        return [f"upload-{key}" for key in keys]

    def presigned(self, key: str, upload_id: str, sizes: Collection[int]) -> list[Part]:
        return [Part(size, f"https://s3.example/{key}?{upload_id}&{n}") for n, size in enumerate(sizes, 1)]

    def complete(self, uploads: Mapping[str, tuple[str, list[str]]]) -> None:
        for key, (_, etags) in uploads.items():
            if not all(etag.isdecimal() for etag in etags):
                raise InvalidInput(f"uploads: {key} does not have these parts")
            self.objects[key] = sum(map(int, etags))

    def sizes(self, video_id: str) -> dict[str, int]:
        return {key: size for key, size in self.objects.items() if video_id in key}


class MemoryPayments:
    def __init__(self) -> None:
        self.payments: dict[str, Payment] = {}

    def note(self, event: Event, known_only: bool = False) -> Payment | None:
        payment = self.payments.get(event.payment)
        if payment is None and known_only:
            return None
        self.payments[event.payment] = (payment or Payment(id=event.payment, version=0)).noting(event)
        return self.payments[event.payment]


class MemoryEntitlements:
    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Payment]] = {}

    def put(self, user: str, item: str, payment: Payment) -> None:
        known = self.items.setdefault((user, item), {})
        if payment.id not in known or known[payment.id].version < payment.version:
            known[payment.id] = payment

    def get(self, user: str, items: Collection[str]) -> dict[str, list[Payment]]:
        return {item: list(self.items.get((user, item), {}).values()) for item in items}

    def videos(self, user: str, limit: int, after: str | None) -> dict[str, list[Payment]]:
        items = sorted(item for owner, item in self.items if owner == user and item.startswith("video:"))
        return self.get(user, [item for item in items if after is None or item > after][:limit])
