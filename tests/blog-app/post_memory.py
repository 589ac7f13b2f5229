"""The store of posts in memory, held to the same contract as the table (test_post_table.py)."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from chalicelib.posts import Post, PostQuery, Summary
from common import pages
from common.errors import Conflict, NotFound, PreconditionFailed
from common.pages import Page


class MemoryPosts:
    def __init__(self) -> None:
        self._posts: dict[str, Post] = {}

    def add(self, post: Post) -> Post:
        if post.slug in self._posts:
            raise Conflict(f"the slug {post.slug!r} is taken")
        self._posts[post.slug] = post
        return post

    def get(self, slug: str, cached: bool = False) -> Post | None:
        return self._posts.get(slug)

    def list(self, query: PostQuery) -> Page[Summary]:
        found = [post for post in self._posts.values() if query.tag is None or query.tag in post.tags]
        found.sort(key=_position, reverse=True)
        if query.cursor:
            last = pages.position(query.cursor)
            found = [post for post in found if _position(post) < last]
        page = found[: query.limit]
        summaries = [msgspec.convert(msgspec.structs.asdict(post), type=Summary) for post in page]
        return Page(summaries, pages.cursor(_position(page[-1])) if len(found) > query.limit else None)

    def replace(self, post: Post, versions: Collection[str] | None) -> Post:
        stored = self._at_version(post.slug, versions)
        self._posts[post.slug] = msgspec.structs.replace(post, version=stored.version + 1)
        return self._posts[post.slug]

    def remove(self, slug: str, versions: Collection[str] | None) -> None:
        self._at_version(slug, versions)
        del self._posts[slug]

    def _at_version(self, slug: str, versions: Collection[str] | None) -> Post:
        stored = self.get(slug)
        if stored is None:
            raise NotFound(f"there is no post {slug}")
        if versions is not None and str(stored.version) not in {tag.partition("-")[0] for tag in versions}:
            raise PreconditionFailed(f"post {slug} has changed since that version")
        return stored


def _position(post: Summary) -> str:
    return f"{post.published_at} {post.slug}"
