"""Posts and their operations. Imports no AWS and no HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from common import times
from common.errors import NotFound, PreconditionFailed
from common.pages import Page
from common.text import LINE, TEXT

_WORDS = r"\A[a-z0-9]+(-[a-z0-9]+)*\Z"
Slug = Annotated[str, Meta(min_length=1, max_length=100, pattern=_WORDS)]
Tag = Annotated[str, Meta(min_length=1, max_length=30, pattern=_WORDS)]
Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=LINE)]


class Summary(Struct, frozen=True, kw_only=True):
    """A post in a list. Times are ISO 8601 in UTC; each change increments ``version``."""

    slug: str
    title: str
    summary: str
    tags: list[str]
    author: str
    published_at: str
    updated_at: str
    version: int


class Post(Summary, frozen=True, kw_only=True):
    """One post. ``body_html`` is ``body_markdown`` as HTML without anything that a browser would execute.

    It is not stored, since its photos become ready or are replaced while the post stays the same.
    """

    body_markdown: str
    body_html: str = ""

    @property
    def etag(self) -> str:
        """Return the opaque part of its entity tag: the version and a hash of the HTML."""
        return f"{self.version}-{hashlib.sha256(self.body_html.encode()).hexdigest()[:16]}"


class PostText(Struct, forbid_unknown_fields=True):
    """All that an author writes of a post. ``published_at`` is ISO 8601 with an offset; the default is now."""

    title: Line
    body_markdown: Annotated[str, Meta(min_length=1, max_length=100_000, pattern=TEXT)]
    summary: Annotated[str, Meta(max_length=500, pattern=TEXT)] = ""
    tags: Annotated[list[Tag], Meta(max_length=10)] = []
    author: Annotated[str, Meta(max_length=100, pattern=TEXT)] = ""
    published_at: Annotated[str, Meta(max_length=40)] | None = None

    def __post_init__(self) -> None:
        self.tags = list(dict.fromkeys(self.tags))
        if self.published_at is not None:
            self.published_at = _utc(self.published_at)


class NewPost(PostText, kw_only=True):
    """A post to create; ``slug`` is its name in the URL."""

    slug: Slug


class PostQuery(Struct):
    """A page of posts, newest first: all or those with ``tag``; at most ``limit``, after ``cursor``."""

    tag: Tag | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, Meta(max_length=400)] | None = None


class PostStore(Protocol):
    """Storage of posts."""

    def add(self, post: Post) -> Post:
        """Store a new post. Raises Conflict when the slug is taken."""

    def get(self, slug: str, cached: bool = False) -> Post | None:
        """Return the post, or None if it does not exist. A *cached* read may be stale."""

    def list(self, query: PostQuery) -> Page[Summary]:
        """Return one page, newest first. Raises InvalidInput for a cursor of another API."""

    def replace(self, post: Post, versions: Collection[str] | None) -> Post:
        """Replace the post with the same slug if `at_version` allows it, and increment its version."""

    def remove(self, slug: str, versions: Collection[str] | None) -> None:
        """Remove the post if `at_version` allows it."""


class Posts:
    """The posts of the blog."""

    def __init__(
        self,
        store: PostStore,
        render: Callable[[str], str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._render = render
        self._now = now

    def add(self, new: NewPost) -> Post:
        """Publish a post. Raises Conflict when another post has the slug.

        The slug makes this idempotent: publishing the same post again returns the stored one.
        """
        stored = self._store.get(new.slug)
        if stored is not None and _same(stored, new):
            return self._rendered(stored)
        return self._rendered(self._store.add(self._post(new.slug, new, version=1)))

    def get(self, slug: str) -> Post:
        """Return the post. Raises NotFound."""
        return self._rendered(self._stored(slug, cached=True))

    def list(self, query: PostQuery) -> Page[Summary]:
        """Return one page of the posts."""
        return self._store.list(query)

    def replace(self, slug: str, text: PostText, versions: Collection[str] | None) -> Post:
        """Replace the text of a post; ``published_at`` stays unless given. Raises NotFound, PreconditionFailed."""
        stored = self._stored(slug)
        text.published_at = text.published_at or stored.published_at
        return self._rendered(self._store.replace(self._post(slug, text, stored.version), versions))

    def remove(self, slug: str, versions: Collection[str] | None) -> None:
        """Remove the post. Raises NotFound, PreconditionFailed."""
        self._store.remove(slug, versions)

    def all(self) -> Iterator[Post]:
        """Yield all posts with their bodies, newest first."""
        query = PostQuery(limit=100)
        while True:
            page = self._store.list(query)
            for summary in page.items:
                stored = self._store.get(summary.slug)
                if stored is not None:  # removed in the meantime
                    yield self._rendered(stored)
            if page.cursor is None:
                return
            query.cursor = page.cursor

    def _stored(self, slug: str, cached: bool = False) -> Post:
        post = self._store.get(slug, cached)
        if post is None:
            raise NotFound(f"there is no post {slug[:100]!r}")
        return post

    def _rendered(self, post: Post) -> Post:
        return msgspec.structs.replace(post, body_html=self._render(post.body_markdown))

    def _post(self, slug: str, text: PostText, version: int) -> Post:
        now = times.iso(self._now())
        return Post(
            slug=slug,
            title=text.title,
            summary=text.summary,
            body_markdown=text.body_markdown,
            tags=text.tags,
            author=text.author,
            published_at=text.published_at or now,
            updated_at=now,
            version=version,
        )


def at_version(post: Post | None, slug: str, versions: Collection[str] | None) -> Post:
    """Return *post* if it exists at one of *versions* (None: any). Raises NotFound, PreconditionFailed.

    A version may be the whole opaque part of an entity tag; only the number in it counts.
    """
    if post is None:
        raise NotFound(f"there is no post {slug}")
    if versions is not None and str(post.version) not in {tag.partition("-")[0] for tag in versions}:
        raise PreconditionFailed(f"post {slug} has changed since that version")
    return post


def _same(post: Post, new: NewPost) -> bool:
    wanted = msgspec.structs.asdict(new)
    if new.published_at is None:
        del wanted["published_at"]
    return wanted.items() <= msgspec.structs.asdict(post).items()


def _utc(moment: str) -> str:
    try:
        return times.iso(times.parse(moment))
    except ValueError as error:
        raise ValueError(f"published_at: {error}") from error
