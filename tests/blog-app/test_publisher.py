"""Publication of the site to its bucket."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace
from plain_renderer import PlainRenderer
from post_memory import MemoryPosts

from chalicelib.photos import Photo
from chalicelib.posts import NewPost, PostQuery, Posts, PostText, Summary
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


def a_site(store: MemoryPosts | None = None) -> tuple[Posts, MemorySite, Publisher]:
    posts = Posts(store or MemoryPosts(), PlainRenderer())
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


def a_blog(count: int) -> tuple[MemoryPosts, Posts, MemorySite, Publisher]:
    """Return a blog of *count* posts, which are published, and its parts."""
    store = MemoryPosts()
    posts, bucket, publisher = a_site(store)
    for n in range(count):
        posts.add(replace(a_post(f"p{n}"), published_at=f"2030-01-01T00:00:00.{n:06}Z"))
    publisher.publish()
    bucket.writes.clear()
    store.read.clear()
    return store, posts, bucket, publisher


def test_a_new_post_reads_and_writes_the_same_number_of_posts_and_files_beside_few_and_many() -> None:
    counts = []
    for count in (45, 455):
        store, posts, bucket, publisher = a_blog(count)
        posts.add(replace(a_post("new"), published_at="2031-01-01T00:00:00Z"))
        publisher.publish_changes({"new": None})
        counts.append((len(set(store.read)), len(store.read), sorted(key for key in bucket.writes if "p" in key)))
        assert len(bucket.writes) < 10

    assert [len(each) for *_, each in counts] == [len(counts[0][-1])] * 2
    assert counts[0][:2] == counts[1][:2]


def test_changes_publish_the_same_files_as_a_complete_run() -> None:
    _, posts, bucket, publisher = a_blog(45)

    def published(before: dict[str, Summary | None]) -> None:
        publisher.publish_changes(before)
        assert publisher.publish() == 0

    posts.add(replace(a_post("new"), published_at="2031-01-01T00:00:00Z"))
    published({"new": None})
    posts.add(replace(a_post("between"), published_at="2030-01-01T00:00:00.000010Z", tags=["sky"]))
    published({"between": None})
    old = posts.get("between")
    posts.replace("between", PostText(title="Between", body_markdown="text", tags=["sea"]), None)
    published({"between": old})
    gone: dict[str, Summary | None] = {slug: posts.get(slug) for slug in ("between", "p20", "new")}
    for slug in gone:
        posts.remove(slug, None)
    published(gone)
    assert not {"posts/new/index.html", "tags/sky/index.html"} & bucket.pages.keys()


def test_a_change_publishes_the_assets_of_a_new_release() -> None:
    _, posts, bucket, publisher = a_blog(3)
    style = next(key for key in bucket.pages if key.endswith(".css"))
    bucket.remove(style)
    posts.add(a_post("new"))

    publisher.publish_changes({"new": None})

    assert style in bucket.pages


def test_a_post_that_was_removed_and_written_again_is_published() -> None:
    _, posts, bucket, publisher = a_blog(3)
    old = posts.get("p1")
    posts.remove("p1", None)
    posts.add(NewPost(slug="p1", title=old.title, body_markdown="other", tags=["sea"], published_at=old.published_at))

    publisher.publish_changes({"p1": old})

    assert b"other" in bucket.pages["posts/p1/index.html"].body


def test_a_new_post_is_published_before_the_list_of_posts_has_it() -> None:
    store, posts, bucket, publisher = a_blog(3)
    listed = store.list(PostQuery())
    posts.add(a_post("new"))
    store.list = lambda query: listed  # type: ignore[method-assign]

    publisher.publish_changes({"new": None})

    assert b"/posts/new/" in bucket.pages["index.html"].body


def test_a_post_that_was_added_and_removed_in_one_batch_leaves_nothing_that_an_earlier_run_published() -> None:
    _, posts, bucket, publisher = a_blog(3)
    posts.add(replace(a_post("new"), tags=["sky"]))
    publisher.publish()  # a run for an earlier change reads the newest posts, and so it is ahead
    added = posts.get("new")
    posts.remove("new", None)

    publisher.publish_changes({"new": None}, {"new": added})

    assert not {"posts/new/index.html", "tags/sky/index.html"} & bucket.pages.keys()
    assert publisher.publish() == 0


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


def test_a_complete_run_reads_each_post_once_and_keeps_few(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _, bucket, publisher = a_blog(455)
    monkeypatch.setattr("chalicelib.publisher.KEPT", 60)

    publisher.publish()

    assert len(store.read) == 455
    assert bucket.writes == []


PHOTO = Photo(id="8d5c", status="ready", variants=[])


def test_a_photo_that_is_ready_publishes_the_posts_that_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _, posts, bucket, publisher = a_blog(3)
    posts.replace("p1", PostText(title="P1", body_markdown=f"![x](photo:{PHOTO.id})"), None)
    publisher.publish()
    bucket.writes.clear()
    monkeypatch.setattr(PlainRenderer, "with_photos", lambda self, html: html + "<hr>")

    publisher.publish_photo(replace(PHOTO, status="pending"))
    assert bucket.writes == []
    publisher.publish_photo(PHOTO)

    assert "posts/p1/index.html" in bucket.writes
    assert not {"posts/p0/index.html", "posts/p2/index.html"} & set(bucket.writes)


def test_a_photo_reads_a_number_of_posts_that_does_not_depend_on_all() -> None:
    store, _, bucket, publisher = a_blog(155)

    publisher.publish_photo(PHOTO)

    assert len(store.read) == 50
    assert bucket.writes == []
