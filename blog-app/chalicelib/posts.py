"""Posts and their operations. Imports no AWS and no HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from common import times
from common.errors import InvalidInput, NotFound, PreconditionFailed
from common.pages import Page
from common.text import LINE, TEXT

_MOST = 5_000
"""Posts in one answer for a list of all. DynamoDB ends an answer after 1 MB."""

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

    Its photos become ready or are replaced while the post stays the same.
    """

    body_markdown: str
    body_html: str = ""

    @property
    def etag(self) -> str:
        """Return the opaque part of its entity tag: the version and a hash of the HTML."""
        return f"{self.version}-{hashlib.sha256(self.body_html.encode()).hexdigest()[:16]}"


class Rendered(Struct, frozen=True, kw_only=True):
    """A text as HTML with places for its photos. ``key`` names the text and the version of the renderer."""

    key: str
    html: str


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

    def add(self, post: Post, rendered: Rendered) -> Post:
        """Store a new post with its HTML. Raises Conflict when the slug is taken, InvalidInput for too much HTML."""

    def get(self, slug: str, cached: bool = False) -> Post | None:
        """Return the post, or None if it does not exist. A *cached* read may be stale."""

    def get_all(self, slugs: Collection[str]) -> dict[str, tuple[Post, Rendered | None]]:
        """Return those of the posts that exist, each with its stored HTML as `rendered` returns it."""

    def list(self, query: PostQuery) -> Page[Summary]:
        """Return one page, newest first. Raises InvalidInput for a cursor of another API."""

    def rendered(self, slug: str, cached: bool = False) -> Rendered | None:
        """Return the stored HTML of the post, or None. It may be of another text. A *cached* read may be stale."""

    def keep(self, post: Post, rendered: Rendered) -> None:
        """Store the HTML of the post, unless the post has changed. Raises InvalidInput for too much HTML."""

    def replace(self, post: Post, rendered: Rendered, versions: Collection[str] | None) -> Post:
        """Replace the post with the same slug, and its HTML, if `at_version` allows it; increment its version.

        Raises InvalidInput for too much HTML.
        """

    def remove(self, slug: str, versions: Collection[str] | None) -> None:
        """Remove the post if `at_version` allows it."""


class Renderer(Protocol):
    """Makes the HTML of posts."""

    def key(self, source: str) -> str:
        """Return what names the HTML of *source*: it changes with the text, and with the renderer."""

    def render(self, source: str) -> str:
        """Return *source* as safe HTML with places for its photos."""

    def with_photos(self, html: str) -> str:
        """Return *html* with its photos."""


class Posts:
    """The posts of the blog. A text is rendered when it is written, and the photos are added when it is read."""

    def __init__(
        self,
        store: PostStore,
        renderer: Renderer,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._renderer = renderer
        self._now = now

    def add(self, new: NewPost) -> Post:
        """Publish a post. Raises Conflict when another post has the slug.

        The slug makes this idempotent: publishing the same post again returns the stored one.
        """
        stored = self._store.get(new.slug)
        if stored is not None and _same(stored, new):
            return self._shown(stored, self._stored_html(stored) or self._render(stored.body_markdown))
        rendered = self._render(new.body_markdown)
        return self._shown(self._store.add(self._post(new.slug, new, version=1), rendered), rendered)

    def get(self, slug: str) -> Post:
        """Return the post. Raises NotFound."""
        post = self._stored(slug, cached=True)
        return self._shown(post, self._stored_html(post, cached=True) or self._render(post.body_markdown))

    def list(self, query: PostQuery) -> Page[Summary]:
        """Return one page of the posts."""
        return self._store.list(query)

    def replace(self, slug: str, text: PostText, versions: Collection[str] | None) -> Post:
        """Replace the text of a post; ``published_at`` stays unless given. Raises NotFound, PreconditionFailed."""
        stored = self._stored(slug)
        text.published_at = text.published_at or stored.published_at
        rendered = self._render(text.body_markdown)
        return self._shown(self._store.replace(self._post(slug, text, stored.version), rendered, versions), rendered)

    def remove(self, slug: str, versions: Collection[str] | None) -> None:
        """Remove the post. Raises NotFound, PreconditionFailed."""
        self._store.remove(slug, versions)

    def summaries(self) -> Iterator[Summary]:
        """Yield all posts without their bodies, newest first. A change of the last seconds may be missing."""
        query = PostQuery(limit=_MOST)
        while True:
            page = self._store.list(query)
            yield from page.items
            if page.cursor is None:
                return
            query.cursor = page.cursor

    def get_all(self, slugs: Collection[str]) -> dict[str, Post]:
        """Return those of the posts that exist. Store the HTML that an older release did not store."""
        found = self._store.get_all(slugs)
        return {
            slug: self._shown(post, self._fits(post, html) or self._kept(post)) for slug, (post, html) in found.items()
        }

    def _stored(self, slug: str, cached: bool = False) -> Post:
        post = self._store.get(slug, cached)
        if post is None:
            raise NotFound(f"there is no post {slug[:100]!r}")
        return post

    def _render(self, source: str) -> Rendered:
        return Rendered(key=self._renderer.key(source), html=self._renderer.render(source))

    def _stored_html(self, post: Post, cached: bool = False) -> Rendered | None:
        return self._fits(post, self._store.rendered(post.slug, cached))

    def _fits(self, post: Post, stored: Rendered | None) -> Rendered | None:
        """Return the stored HTML if it is that of the post's text."""
        return stored if stored and stored.key == self._renderer.key(post.body_markdown) else None

    def _kept(self, post: Post) -> Rendered:
        rendered = self._render(post.body_markdown)
        with suppress(InvalidInput):
            self._store.keep(post, rendered)
        return rendered

    def _shown(self, post: Post, rendered: Rendered) -> Post:
        return msgspec.structs.replace(post, body_html=self._renderer.with_photos(rendered.html))

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
