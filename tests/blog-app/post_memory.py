"""The store of posts in memory. test_post_table.py tests it and the table by the same contract."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from chalicelib.posts import Post, PostQuery, Rendered, Summary, at_version
from common import pages
from common.errors import Conflict
from common.pages import Page


class MemoryPosts:
    def __init__(self) -> None:
        self._posts: dict[str, Post] = {}
        self._html: dict[str, Rendered] = {}
        self.read: list[str] = []
        """The slugs that `get_all` has read."""

    def add(self, post: Post, rendered: Rendered) -> Post:
        if post.slug in self._posts:
            raise Conflict(f"the slug {post.slug!r} is taken")
        self._posts[post.slug] = post
        self._html[post.slug] = rendered
        return post

    def get(self, slug: str, cached: bool = False) -> Post | None:
        return self._posts.get(slug)

    def rendered(self, slug: str, cached: bool = False) -> Rendered | None:
        return self._html.get(slug)

    def get_all(self, slugs: Collection[str]) -> dict[str, tuple[Post, Rendered | None]]:
        self.read += list(slugs)
        return {slug: (self._posts[slug], self._html.get(slug)) for slug in slugs if slug in self._posts}

    def keep(self, post: Post, rendered: Rendered) -> None:
        if self._posts.get(post.slug) == post:
            self._html[post.slug] = rendered

    def list(self, query: PostQuery) -> Page[Summary]:
        found = [post for post in self._posts.values() if query.tag is None or query.tag in post.tags]
        found.sort(key=_position, reverse=True)
        if query.cursor:
            last = pages.position(query.cursor)
            found = [post for post in found if _position(post) < last]
        page = found[: query.limit]
        summaries = [msgspec.convert(msgspec.structs.asdict(post), type=Summary) for post in page]
        return Page(summaries, pages.cursor(_position(page[-1])) if len(found) > query.limit else None)

    def replace(self, post: Post, rendered: Rendered, versions: Collection[str] | None) -> Post:
        stored = at_version(self.get(post.slug), post.slug, versions)
        self._html[post.slug] = rendered
        self._posts[post.slug] = msgspec.structs.replace(post, version=stored.version + 1)
        return self._posts[post.slug]

    def remove(self, slug: str, versions: Collection[str] | None) -> None:
        at_version(self.get(slug), slug, versions)
        del self._posts[slug], self._html[slug]


def _position(post: Summary) -> str:
    return f"{post.published_at} {post.slug}"
