"""The files of the website: their keys, contents and cache headers. Imports no AWS and no HTTP.

The same posts always give the same bytes, so unchanged files need not be written again. Which files a change affects
follows from the plan, for which no post needs to be read: `Site.plan`.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chalicelib import pictures
from chalicelib.posts import Post, Summary

_DESCRIPTION = "Notes on building things that run at the edge."
_POSTS_A_PAGE = 10
_POSTS_IN_FEED = 20
_WORDS_A_MINUTE = 230

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Expiration.html, RFC 5861, RFC 8246
_HTML_CACHE = "public, max-age=0, s-maxage=60, stale-while-revalidate=60, stale-if-error=86400"
_FEED_CACHE = "public, max-age=0, s-maxage=300, stale-while-revalidate=300, stale-if-error=86400"
_ASSET_CACHE = "public, max-age=31536000, immutable"

_ASSET_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

# Characters that XML 1.0 (section 2.2) or UTF-8 cannot represent, and those that XML discourages.
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class SiteFile(NamedTuple):
    """A page or an asset: one object in the site's bucket."""

    key: str
    body: bytes
    content_type: str
    cache_control: str


@dataclass(frozen=True)
class PlannedFile:
    """A file before it is rendered. Equal plans give the same file, unless one of its posts has another body.

    *shows* is all that the file depends on except bodies. *posts* has the slugs of the posts whose bodies it shows, and
    *render* makes the file of those of them that still exist.
    """

    key: str
    shows: tuple[object, ...] = ()
    posts: tuple[str, ...] = ()
    render: Callable[[Sequence[Post]], SiteFile] = field(compare=False, kw_only=True)


class Topic(NamedTuple):
    """A tag, and the number of posts that have it."""

    tag: str
    posts: int = 0

    @property
    def path(self) -> str:
        return f"/tags/{self.tag}/"


@dataclass(frozen=True)
class Entry:
    """A post in a list of links."""

    post: Summary

    @property
    def path(self) -> str:
        return f"/posts/{self.post.slug}/"


@dataclass(frozen=True)
class Article(Entry):
    """A post as the templates show it."""

    post: Post

    @property
    def topics(self) -> list[Topic]:
        return [Topic(tag) for tag in self.post.tags]

    @property
    def minutes(self) -> int:
        """Return the reading time in minutes."""
        return max(1, round(len(_text(self.post.body_html).split()) / _WORDS_A_MINUTE))

    @property
    def description(self) -> str:
        """Return the summary, or the first words of the post."""
        if self.post.summary:
            return self.post.summary
        paragraphs = map(_text, re.findall(r"<p>(.*?)</p>", self.post.body_html, re.DOTALL))
        text = next(filter(None, paragraphs), self.post.title)
        return text if len(text) <= 160 else text[:160].rsplit(" ", 1)[0] + "…"

    @property
    def changed(self) -> bool:
        """Return whether the post was changed on a later day than it was published."""
        return self.post.version > 1 and self.post.updated_at[:10] > self.post.published_at[:10]

    @property
    def image(self) -> str:
        """Return the URL of its first picture, or ``""``."""
        found = re.search(r'<img src="([^"]*)"', self.post.body_html)
        return unescape(found[1]) if found else ""

    def picture(self, sizes: str, eager: bool) -> Markup:
        """Return its first picture, for display at *sizes*."""
        return Markup(pictures.lead_picture(self.post.body_html, sizes, eager=eager))  # noqa: S704 # sanitised

    @property
    def body(self) -> Markup:
        return Markup(self.post.body_html)  # noqa: S704 # sanitised


class Meta(NamedTuple):
    """The metadata in a page's head. Search engines do not index a page without a path."""

    title: str
    description: str
    path: str = ""
    image: str = ""


class Site:
    """The site *name* at *base_url* (without a trailing slash), with static *assets* by file name."""

    def __init__(self, base_url: str, name: str, assets: Mapping[str, bytes]) -> None:
        self._base_url = base_url
        self._assets = {asset: _versioned(asset, content) for asset, content in sorted(assets.items())}
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._templates.filters |= {
            "day": _day,
            "url": self._url,
            "absolute": self._absolute,
            "linked_data": self._linked_data,
        }
        self._templates.globals |= {
            "site": {"name": name, "url": base_url, "description": _DESCRIPTION},
            "assets": {asset: f"/{page.key}" for asset, page in self._assets.items()},
        }

    def files(self, posts: Iterable[Post]) -> Iterator[SiteFile]:
        """Yield all files of the site with *posts*."""
        by_slug = {post.slug: post for post in posts}
        for planned in self.plan(by_slug.values()):
            yield planned.render([by_slug[slug] for slug in planned.posts])

    def plan(self, posts: Iterable[Summary]) -> list[PlannedFile]:
        """Return all files of the site with *posts*, in the order of the newest post in each."""
        ordered = _newest_first(posts)
        topics = _topics(ordered)
        position = {post.slug: number for number, post in enumerate(ordered)}
        files = [
            *(PlannedFile(file.key, render=partial(_as_it_is, file)) for file in self._without_posts()),
            *map(self._planned_page, ordered, [None, *ordered[:-1]], [*ordered[1:], None]),
            *self._planned_lists("/", "", ordered, tuple(topics)),
            *(each for topic, having in topics.items() for each in self._planned_lists(topic.path, topic.tag, having)),
            self._planned_feed(ordered),
            PlannedFile("sitemap.xml", (*ordered, *topics), render=partial(self._sitemap, ordered, topics)),
        ]
        return sorted(files, key=lambda file: position[file.posts[0]] if file.posts else 0)

    def _planned_page(self, post: Summary, newer: Summary | None, older: Summary | None) -> PlannedFile:
        """Return the page of *post*, with links to the next newer and older post."""
        links = ((each.slug, each.title) if each else None for each in (newer, older))
        key = _key(Entry(post).path)
        return PlannedFile(
            key, (post, *links), (post.slug,), render=lambda found: self.page_for(found[0], newer, older)
        )

    def page_for(self, post: Post, newer: Summary | None = None, older: Summary | None = None) -> SiteFile:
        """Return the page of *post*, with links to the next newer and older post."""
        article = Article(post)
        return self._html(
            article.path,
            "post.html",
            meta=Meta(post.title, article.description, article.path, article.image),
            article=article,
            newer=Entry(newer) if newer else None,
            older=Entry(older) if older else None,
        )

    def _planned_feed(self, ordered: Sequence[Summary]) -> PlannedFile:
        updated = max((post.updated_at for post in ordered), default="1970-01-01T00:00:00Z")
        shown = ordered[:_POSTS_IN_FEED]
        return PlannedFile("feed.xml", (updated, *shown), _slugs(shown), render=partial(self._feed, updated))

    def feed(self, posts: Iterable[Post]) -> SiteFile:
        """Return the newest of all *posts* as an Atom feed (RFC 4287)."""
        by_slug = {post.slug: post for post in posts}
        planned = self._planned_feed(_newest_first(by_slug.values()))
        return planned.render([by_slug[slug] for slug in planned.posts])

    def _feed(self, updated: str, posts: Sequence[Post]) -> SiteFile:
        articles = [Article(post) for post in posts]
        return self._page(
            "feed.xml", "application/atom+xml; charset=utf-8", _FEED_CACHE, articles=articles, updated=updated
        )

    def sitemap(self, posts: Iterable[Summary]) -> SiteFile:
        """Return the URLs for search engines (https://www.sitemaps.org/protocol.html)."""
        ordered = _newest_first(posts)
        return self._sitemap(ordered, _topics(ordered))

    def _sitemap(self, ordered: Iterable[Summary], topics: Iterable[Topic], _: Sequence[Post] = ()) -> SiteFile:
        entries = [Entry(post) for post in ordered]
        return self._page("sitemap.xml", "application/xml; charset=utf-8", _FEED_CACHE, articles=entries, topics=topics)

    def _without_posts(self) -> Iterator[SiteFile]:
        yield from self.assets()
        yield self.not_found()
        yield self.unsubscribe()
        yield self.robots()

    def not_found(self) -> SiteFile:
        """Return the page for a path that does not exist."""
        meta = Meta("Page not found", "There is no such page.")
        return self._page("404.html", "text/html; charset=utf-8", _HTML_CACHE, meta=meta)

    def unsubscribe(self) -> SiteFile:
        """Return the page that the link in a mail opens."""
        return self._html("/unsubscribe/", "unsubscribe.html", meta=Meta("Unsubscribe", "Leave the mailing list."))

    def robots(self) -> SiteFile:
        """Return the rules for crawlers (RFC 9309)."""
        return self._page("robots.txt", "text/plain; charset=utf-8", _FEED_CACHE)

    def assets(self) -> Iterator[SiteFile]:
        """Yield the static files. A file with other content has another key."""
        yield from self._assets.values()

    def _planned_lists(
        self, path: str, tag: str, posts: Sequence[Summary], topics: tuple[Topic, ...] = ()
    ) -> Iterator[PlannedFile]:
        """Yield the pages of a list of *posts*, which are the newest first.

        The pages after the first are numbered from the oldest post on, and have the same number of posts. So a new post
        changes the first page, and every tenth post one more. The first page has up to twice as many posts.
        """
        full = max(0, len(posts) // _POSTS_A_PAGE - 1)
        addresses = [*(f"{path}page/{number}/" for number in range(1, full + 1)), path]  # of the oldest posts first
        for number, own in enumerate(addresses, start=1):
            end = len(posts) - (number - 1) * _POSTS_A_PAGE
            is_first = own == path
            shown = posts[0 if is_first else end - _POSTS_A_PAGE : end]
            older = addresses[number - 2] if number > 1 else ""
            newer = "" if is_first else addresses[number]
            values = {"tag": tag, "number": 0 if is_first else number, "newer": newer, "older": older}
            values["topics"] = topics if is_first else ()
            yield PlannedFile(
                _key(own), (*values.values(), *shown), _slugs(shown), render=partial(self._list, own, values)
            )

    def _list(self, path: str, values: Mapping[str, Any], posts: Sequence[Post]) -> SiteFile:
        heading = f"Posts about {values['tag']}" if values["tag"] else ""
        page = f"page {values['number']}" if values["number"] else ""
        meta = Meta(", ".join(filter(None, (heading, page))), heading or _DESCRIPTION, path)
        articles = [Article(post) for post in posts]
        return self._html(path, "list.html", meta=meta, articles=articles, heading=heading, **values)

    def _html(self, path: str, template: str, **values: object) -> SiteFile:
        return self._page(template, "text/html; charset=utf-8", _HTML_CACHE, _key(path), **values)

    def _page(self, template: str, content_type: str, cache: str, key: str = "", **values: object) -> SiteFile:
        text = self._templates.get_template(template).render(values)
        return SiteFile(key or template, _NOT_TEXT.sub("", text).encode(), content_type, cache)

    def _url(self, path: str) -> str:
        return urljoin(self._base_url, path)

    def _absolute(self, article: Article) -> str:
        return absolute(article.post.body_html, self._url(article.path))

    def _linked_data(self, article: Article) -> dict[str, object]:
        """Return *article* as structured data for search engines (https://schema.org/BlogPosting)."""
        return {
            "@context": "https://schema.org",
            "@type": "BlogPosting",
            "headline": article.post.title,
            "description": article.description,
            "datePublished": article.post.published_at,
            "dateModified": article.post.updated_at,
            "keywords": article.post.tags,
            "mainEntityOfPage": self._url(article.path),
            **({"author": {"@type": "Person", "name": article.post.author}} if article.post.author else {}),
            **({"image": self._url(article.image)} if article.image else {}),
        }


def absolute(html: str, url: str) -> str:
    """Return rendered *html* for a feed: with absolute URLs, resolved against *url*, and plain images."""
    return nh3.clean(
        re.sub(r"</?picture>|<source [^>]*>", "", html),
        attributes={"a": {"href"}, "img": {"alt", "height", "src", "width"}},
        url_relative=("rewrite_with_base", url),
        link_rel=None,
    )


def read_assets(folder: Path) -> dict[str, bytes]:
    """Return the files in *folder* by name."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def _topics(posts: Iterable[Summary]) -> dict[Topic, list[Summary]]:
    """Return the tags with their posts, most used first."""
    tagged: defaultdict[str, list[Summary]] = defaultdict(list)
    for post in posts:
        for tag in post.tags:
            tagged[tag].append(post)
    most_used = sorted(tagged.items(), key=lambda item: (-len(item[1]), item[0]))
    return {Topic(tag, len(having)): having for tag, having in most_used}


def _newest_first[T: Summary](posts: Iterable[T]) -> list[T]:
    return sorted(posts, key=lambda post: (post.published_at, post.slug), reverse=True)


def _key(path: str) -> str:
    return f"{path}index.html".removeprefix("/")


def _slugs(posts: Iterable[Summary]) -> tuple[str, ...]:
    return tuple(post.slug for post in posts)


def _as_it_is(file: SiteFile, _: Sequence[Post]) -> SiteFile:
    return file


def _versioned(name: str, content: bytes) -> SiteFile:
    stem, _, ending = name.rpartition(".")
    key = f"assets/{stem}.{hashlib.sha256(content).hexdigest()[:10]}.{ending}"
    return SiteFile(key, content, _ASSET_TYPES[ending], _ASSET_CACHE)


def _day(moment: str) -> str:
    date = datetime.fromisoformat(moment)
    return f"{date.day} {date:%B %Y}"


def _text(html: str) -> str:
    return Markup(html).striptags()  # noqa: S704 # the tags are removed
