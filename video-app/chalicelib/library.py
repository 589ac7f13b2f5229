"""The videos that a user may watch. Imports no AWS and no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from chalicelib.entitlements import Entitlements, EntitlementStore, is_held
from chalicelib.videos import Video, VideoQuery, VideoStore
from common import pages
from common.errors import InvalidInput
from common.pages import Page

_BOUGHT = "bought"
_PREMIUM = "premium"


class LibraryVideo(Video, frozen=True, kw_only=True):
    """A video, why the user may watch it, and when access by premium ends (ISO 8601 in UTC)."""

    access: Literal["purchase", "premium"]
    until: str | UnsetType = UNSET


class Library:
    """The videos of each user: the purchases, and for premium users the rest of the catalogue."""

    def __init__(self, entitlements: Entitlements, store: EntitlementStore, videos: VideoStore) -> None:
        self._entitlements = entitlements
        self._store = store
        self._videos = videos

    def list(self, user: str, query: VideoQuery) -> Page[LibraryVideo]:
        """Return one page: first the purchases, in a fixed order, and then the catalogue, newest first.

        A page that is not full may have a next page. Raises InvalidInput for a cursor of another API.
        """
        part, after = _position(query.cursor)
        if part == _PREMIUM:
            return self._by_premium(user, VideoQuery(query.limit, after))
        payments = self._store.videos(user, query.limit, after)
        bought = self._of([item for item, made in payments.items() if is_held(made)])
        if len(payments) == query.limit:
            return Page(bought, pages.cursor(f"{_BOUGHT} {list(payments)[-1]}"))
        others = self._by_premium(user, VideoQuery(query.limit - len(bought)))
        return Page([*bought, *others.items], others.cursor)

    def _of(self, items: Sequence[str]) -> Sequence[LibraryVideo]:
        video_ids = [item.removeprefix("video:") for item in items]
        found = self._videos.get_all(video_ids)
        return [LibraryVideo(**asdict(found[i]), access="purchase") for i in video_ids if i in found]

    def _by_premium(self, user: str, query: VideoQuery) -> Page[LibraryVideo]:
        premium = self._entitlements.premium(user)
        if premium.until is None:
            return Page([], None)
        page = self._videos.list(query)
        payments = self._store.get(user, [f"video:{video.id}" for video in page.items])
        others = [video for video in page.items if not is_held(payments[f"video:{video.id}"])]
        next_page = page.cursor and pages.cursor(f"{_PREMIUM} {page.cursor}")
        return Page([LibraryVideo(**asdict(v), access="premium", until=premium.until) for v in others], next_page)


def _position(cursor: str | None) -> tuple[str, str | None]:
    if cursor is None:
        return _BOUGHT, None
    part, _, after = pages.position(cursor).partition(" ")
    if part not in (_BOUGHT, _PREMIUM) or not after:
        raise InvalidInput("cursor: not one that this API gave")
    return part, after
