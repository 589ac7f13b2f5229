"""Publication of the site: makes the files in the bucket match the posts. Imports no AWS and no HTTP.

Each run compares all files, whatever has changed. So the next run corrects the effect of an event that was delivered
twice, late or never.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from chalicelib.photos import Photo
from chalicelib.posts import Posts
from chalicelib.site import Site, SiteFile
from common.errors import Conflict

TRIES = 5
"""How often a run begins that is overtaken by another."""


class SiteStore(Protocol):
    """Storage of the site's files."""

    def contents(self) -> Mapping[str, str]:
        """Return the MD5 of each file by its key."""

    def put(self, file: SiteFile, md5: str | None) -> None:
        """Replace the file with *md5*, or create it if that is None. Raises Conflict if it has changed."""

    def remove(self, key: str) -> None:
        """Remove a file."""


class Publisher:
    """Writes the files of *site* for *posts* to *store*."""

    def __init__(self, posts: Posts, site: Site, store: SiteStore) -> None:
        self._posts = posts
        self._site = site
        self._store = store

    def publish_photo(self, photo: Photo) -> None:
        """Publish if the photo is ready or rejected."""
        if photo.status != "pending":
            self.publish()

    def publish(self) -> int:
        """Write the new and changed files, remove the obsolete ones, and return how many files changed.

        Old assets stay, since a cached page may still refer to them. When a concurrent run has written a file, this one
        begins again, with the posts of that time. Raises Conflict after TRIES; Lambda then retries the event.
        """
        for _ in range(TRIES - 1):
            with suppress(Conflict):
                return self._publish_once()
        return self._publish_once()

    def _publish_once(self) -> int:
        stored = self._store.contents()
        files = list(self._site.files(self._posts.all()))
        changed = [file for file in files if stored.get(file.key) != _md5(file)]
        obsolete = [key for key in stored.keys() - {file.key for file in files} if not key.startswith("assets/")]
        for file in changed:
            self._store.put(file, stored.get(file.key))
        for key in obsolete:
            self._store.remove(key)
        return len(changed) + len(obsolete)


def _md5(file: SiteFile) -> str:
    return hashlib.md5(file.body, usedforsecurity=False).hexdigest()
