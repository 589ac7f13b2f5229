"""Publication of the site: makes the files in the bucket match the posts. Imports no AWS and no HTTP.

A change of a post publishes the files that it affects, which are few whatever the number of posts. A regular run
compares all files. So it corrects the effect of an event that was delivered twice, late or never.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from heapq import nlargest
from itertools import batched
from typing import Protocol

from chalicelib.photos import Photo
from chalicelib.posts import Post, Posts, Summary
from chalicelib.site import PlannedFile, Site, SiteFile
from common.errors import Conflict

_LATEST = 50
"""Posts among which those that show a photo are looked for."""

_FILES = 50
"""Files that are rendered between two reads of posts."""

KEPT = 1_000
"""Posts that a run keeps in memory for the next files. Files with the same posts are near each other in the plan."""

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
        """Publish the posts that show the photo if it is ready or rejected.

        These are looked for among the posts that were changed last, since authors upload the photos of a post when they
        write it. The next regular run publishes the others.
        """
        if photo.status == "pending":
            return
        latest = nlargest(_LATEST, self._posts.summaries(), key=lambda post: post.updated_at)
        posts = self._posts.get_all([post.slug for post in latest])
        showing = {slug: post for slug, post in posts.items() if photo.id in post.body_markdown}
        if showing:
            self.publish_changes(showing)

    def publish(self) -> int:
        """Write the new and changed files, remove the obsolete ones, and return how many files changed.

        Old assets stay, since a cached page may still refer to them. When a concurrent run has written a file, this one
        begins again, with the posts of that time. Raises Conflict after TRIES; Lambda then retries the event.
        """
        return _repeated(self._publish_all)

    def publish_changes(self, *before: Mapping[str, Summary | None]) -> int:
        """Publish as `publish` does, but only the files that some changes of posts affect.

        *before* has each changed post by its slug as it was, or None if there was none: before its first change, then
        before the others, if it changed several times. A run publishes the newest posts. So an earlier run, for other
        changes, may have published any of these.
        """
        return _repeated(lambda: self._publish_changes(before))

    def _publish_all(self) -> int:
        stored = self._store.contents()
        plan = self._site.plan(self._posts.summaries())
        obsolete = [key for key in stored.keys() - {file.key for file in plan} if not key.startswith("assets/")]
        return self._write(plan, stored) + self._remove(obsolete)

    def _publish_changes(self, before: Sequence[Mapping[str, Summary | None]]) -> int:
        stored = self._store.contents()
        changed = before[0].keys()
        others = [post for post in self._posts.summaries() if post.slug not in changed]
        old_plans = [self._site.plan([*others, *filter(None, posts.values())]) for posts in before]
        plan = self._site.plan([*others, *self._posts.get_all(changed).values()])
        known = [{file.key: file for file in old_plan} for old_plan in old_plans]

        def is_affected(file: PlannedFile) -> bool:
            # The pages refer to the assets of this release, which no run may have written yet.
            is_missing = not file.posts and file.key not in stored
            was_other = any(files.get(file.key) != file for files in known)
            return is_missing or was_other or not changed.isdisjoint(file.posts)

        affected = list(filter(is_affected, plan))
        obsolete = stored.keys() & {key for files in known for key in files} - {file.key for file in plan}
        return self._write(affected, stored) + self._remove(obsolete)

    def _write(self, files: Iterable[PlannedFile], stored: Mapping[str, str]) -> int:
        """Write those of the files that differ from the stored ones; return how many."""
        changed, known = 0, dict[str, Post]()
        for some in batched(files, _FILES):
            known |= self._posts.get_all({slug for planned in some for slug in planned.posts} - known.keys())
            for planned in some:
                posts = [known[slug] for slug in planned.posts if slug in known]
                if planned.posts and not posts:
                    continue  # they were removed meanwhile, and another run removes the file
                file = planned.render(posts)
                if stored.get(file.key) != _md5(file):
                    self._store.put(file, stored.get(file.key))
                    changed += 1
            for slug in list(known)[:-KEPT]:
                del known[slug]
        return changed

    def _remove(self, keys: Collection[str]) -> int:
        for key in keys:
            self._store.remove(key)
        return len(keys)


def _repeated(run: Callable[[], int]) -> int:
    """Return the result of *run*, which begins again while others overtake it. Raises Conflict after TRIES."""
    for _ in range(TRIES - 1):
        with suppress(Conflict):
            return run()
    return run()


def _md5(file: SiteFile) -> str:
    return hashlib.md5(file.body, usedforsecurity=False).hexdigest()
