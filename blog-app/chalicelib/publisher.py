"""Brings the site in its bucket up to date with the posts. Knows no AWS.

It compares everything, whatever changed: a change told twice, late or never leaves nothing wrong for longer than
until the next one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

from chalicelib.photos import Photo
from chalicelib.posts import Posts
from chalicelib.site import Page, Site


class SiteStore(Protocol):
    """Where the pages are."""

    def contents(self) -> Mapping[str, str]:
        """Return the MD5 of each page by its key."""

    def put(self, page: Page, md5: str | None) -> None:
        """Store a page in place of the one with *md5*, or as the first. Raises Conflict if another came between."""

    def remove(self, key: str) -> None:
        """Remove a page."""


class Publisher:
    """Writes those pages of *site* that are not yet in *store* as *posts* make them."""

    def __init__(self, posts: Posts, site: Site, store: SiteStore) -> None:
        self._posts = posts
        self._site = site
        self._store = store

    def publish_photo(self, photo: Photo) -> None:
        """Publish once the photo's thumbnails are made, or never will be."""
        if photo.status != "pending":
            self.publish()

    def publish(self) -> int:
        """Write what is new or changed, then remove what is no more; return how many pages changed.

        Assets stay: a page in some cache may still name an old one. Raises Conflict when another run is faster; the
        event is then tried again, on what the posts are by then.
        """
        there = self._store.contents()
        pages = list(self._site.pages(self._posts.all()))
        changed = [page for page in pages if there.get(page.key) != _md5(page)]
        gone = [key for key in there.keys() - {page.key for page in pages} if not key.startswith("assets/")]
        for page in changed:
            self._store.put(page, there.get(page.key))
        for key in gone:
            self._store.remove(key)
        return len(changed) + len(gone)


def _md5(page: Page) -> str:
    return hashlib.md5(page.body, usedforsecurity=False).hexdigest()
