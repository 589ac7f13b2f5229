"""Publication of the site to its bucket."""

from __future__ import annotations

import hashlib

import pytest
from plain_renderer import PlainRenderer
from post_memory import MemoryPosts

from chalicelib.photos import Photo
from chalicelib.posts import NewPost, Posts, PostText
from chalicelib.publisher import Publisher
from chalicelib.site import Site, SiteFile
from common.errors import Conflict


class MemorySite:
    def __init__(self) -> None:
        self.pages: dict[str, SiteFile] = {}
        self.writes: list[str] = []

    def contents(self) -> dict[str, str]:
        return {key: hashlib.md5(page.body, usedforsecurity=False).hexdigest() for key, page in self.pages.items()}

    def put(self, page: SiteFile, md5: str | None) -> None:
        if self.contents().get(page.key) != md5:
            raise Conflict(page.key)
        self.pages[page.key] = page
        self.writes.append(page.key)

    def remove(self, key: str) -> None:
        del self.pages[key]


def a_site() -> tuple[Posts, MemorySite, Publisher]:
    posts = Posts(MemoryPosts(), PlainRenderer())
    bucket = MemorySite()
    site = Site("https://blog.example", "MyBlog", {"site.css": b"", "site.js": b"", "icon.svg": b"<svg/>"})
    return posts, bucket, Publisher(posts, site, bucket)


def a_post(slug: str) -> NewPost:
    return NewPost(slug=slug, title=slug.title(), body_markdown="text", tags=["sea"])


def test_a_post_has_a_page_and_is_in_the_list_feed_and_sitemap() -> None:
    posts, bucket, publisher = a_site()
    posts.add(a_post("one"))

    publisher.publish()

    assert {
        "index.html",
        "posts/one/index.html",
        "tags/sea/index.html",
        "feed.xml",
        "sitemap.xml",
    } <= bucket.pages.keys()
    for key in ("index.html", "feed.xml", "sitemap.xml"):
        assert b"/posts/one/" in bucket.pages[key].body


def test_unchanged_files_are_not_written_again() -> None:
    posts, bucket, publisher = a_site()
    posts.add(a_post("one"))
    publisher.publish()

    assert publisher.publish() == 0
    bucket.writes.clear()
    posts.replace("one", PostText(title="One", body_markdown="other", tags=["sea"]), None)
    publisher.publish()
    assert "posts/one/index.html" in bucket.writes
    assert "404.html" not in bucket.writes


def test_removing_a_post_removes_its_pages_but_no_asset() -> None:
    posts, bucket, publisher = a_site()
    posts.add(a_post("one"))
    publisher.publish()
    bucket.pages["assets/site.old.css"] = SiteFile("assets/site.old.css", b"", "text/css", "")

    posts.remove("one", None)
    publisher.publish()

    assert not {"posts/one/index.html", "tags/sea/index.html"} & bucket.pages.keys()
    assert "assets/site.old.css" in bucket.pages


def test_an_overtaken_run_writes_no_old_content() -> None:
    posts, bucket, publisher = a_site()
    posts.add(a_post("one"))
    publisher.publish()
    before = bucket.contents()

    class Overtaken(MemorySite):
        """Another run writes between this run's reads and its writes."""

        def contents(self) -> dict[str, str]:
            return before

        def put(self, page: SiteFile, md5: str | None) -> None:
            if MemorySite.contents(self).get(page.key) != md5:
                raise Conflict(page.key)

    posts.replace("one", PostText(title="One", body_markdown="newer"), None)
    publisher.publish()
    overtaken = Overtaken()
    overtaken.pages = bucket.pages
    posts.replace("one", PostText(title="One", body_markdown="newest"), None)

    with pytest.raises(Conflict):
        Publisher(posts, publisher._site, overtaken).publish()


def test_a_run_that_is_overtaken_once_begins_again_with_the_posts_of_that_time() -> None:
    posts, _, publisher = a_site()
    posts.add(a_post("one"))

    class OvertakenOnce(MemorySite):
        """Another run writes the first file before this run does."""

        def put(self, page: SiteFile, md5: str | None) -> None:
            if not self.pages:
                posts.replace("one", PostText(title="Newest", body_markdown="x"), None)
                self.pages[page.key] = SiteFile(page.key, b"of another run", page.content_type, page.cache_control)
            super().put(page, md5)

    overtaken = OvertakenOnce()
    Publisher(posts, publisher._site, overtaken).publish()

    assert b"Newest" in overtaken.pages["index.html"].body
    assert b"of another run" not in {page.body for page in overtaken.pages.values()}


def test_a_pending_photo_changes_no_page() -> None:
    _, bucket, publisher = a_site()

    publisher.publish_photo(Photo(id="id", status="pending", variants=[]))
    assert bucket.writes == []
    publisher.publish_photo(Photo(id="id", status="ready", variants=[]))
    assert bucket.writes
