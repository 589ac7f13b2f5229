"""The website: its pages, their content, and their validity."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import feedparser
import html5lib
import pytest
from hostile import faults
from msgspec.structs import replace
from test_markdown import PHOTOS

from chalicelib import markdown, pictures
from chalicelib.posts import Post
from chalicelib.site import Article, Site, SiteFile, read_assets
from deploy.attack.payloads import SCRIPTS

URL = "https://blog.example"
ASSETS = read_assets(Path(__file__).parent.parent.parent / "blog-app" / "web")
SITE = Site(URL, "MyBlog.com", ASSETS)


def a_post(slug: str = "a-post", body: str = "Some words.", **fields: Any) -> Post:
    post = Post(
        slug=slug,
        title="A post",
        summary="",
        tags=["edge"],
        author="Ann",
        published_at="2030-01-02T03:04:05.000Z",
        updated_at="2030-01-02T03:04:05.000Z",
        version=1,
        body_markdown=body,
        body_html=pictures.filled(markdown.render(body), PHOTOS),
    )
    return replace(post, **fields)


def posts(count: int, **fields: Any) -> list[Post]:
    """Posts in any order; the first one is the newest."""
    made = [a_post(f"post-{n}", published_at=f"2030-01-{31 - n:02d}T00:00:00.000Z", **fields) for n in range(count)]
    random.Random(1).shuffle(made)
    return made


def site(these: Sequence[Post]) -> dict[str, SiteFile]:
    return {page.key: page for page in SITE.files(these)}


def text(page: SiteFile) -> str:
    return page.body.decode()


def parsed(page: SiteFile) -> ElementTree.Element:
    """Return the page, parsed without any error of the HTML standard."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page.body)


def linked(page: SiteFile) -> list[str]:
    return re.findall(r'<h2><a href="/posts/([^"]*)/">', text(page))


A_POST_WITH_ALL = a_post(
    body='Words *first*.\n\n![A hill](photo:p "High")\n\n# One\n\n|a|\n|-|\n|b|\n\n```\nx\n```\n\n[a](https://b.example)',
    title="Fish & <Chips>",
    tags=["edge", "caching"],
    updated_at="2030-02-03T00:00:00.000Z",
    version=2,
)


def test_a_site_has_exactly_these_files() -> None:
    keys = [re.sub(r"\.[0-9a-f]{10}\.", ".*.", key) for key in site([*posts(19), A_POST_WITH_ALL])]

    assert sorted(key for key in keys if "post-" not in key) == [
        "404.html",
        "assets/icon.*.svg",
        "assets/site.*.css",
        "assets/site.*.js",
        "feed.xml",
        "index.html",
        "page/1/index.html",
        "posts/a-post/index.html",
        "robots.txt",
        "sitemap.xml",
        "tags/caching/index.html",
        "tags/edge/index.html",
        "tags/edge/page/1/index.html",
        "unsubscribe/index.html",
    ]
    assert "posts/post-11/index.html" in keys


def test_a_page_loads_three_files_and_at_most_26_kilobytes_beside_its_photos() -> None:
    files = site([*posts(19), A_POST_WITH_ALL])
    for page in files.values():
        if page.content_type.startswith("text/html"):
            loaded = set(re.findall(r'(?:src|href)="/(assets/[^"]+)"', text(page)))
            assert len(loaded) == 3, page.key
            assert sum(len(files[key].body) for key in (page.key, *loaded)) <= 26_000, page.key


@pytest.mark.parametrize("these", [[], [A_POST_WITH_ALL], posts(25)], ids=["empty", "one", "many"])
def test_every_page_is_well_formed(these: list[Post]) -> None:
    for page in site(these).values():
        if page.content_type.startswith("text/html"):
            root = parsed(page)
            assert len(root.findall(".//h1")) == 1 or page.key == "index.html", page.key
            ids = [element.get("id") for element in root.iter() if element.get("id")]
            assert len(ids) == len(set(ids)), page.key
            for image in root.iter("img"):
                assert {"src", "alt", "width", "height"} <= set(image.attrib), page.key


@pytest.mark.parametrize("these", [[], [A_POST_WITH_ALL], posts(25)], ids=["empty", "one", "many"])
def test_every_link_within_the_site_has_a_target(these: list[Post]) -> None:
    made = site(these)
    for page in made.values():
        if page.content_type.startswith("text/html"):
            root = parsed(page)
            ids = {element.get("id") for element in root.iter()}
            addresses = {e.get(a, "") for e in root.iter() for a in ("href", "src") if e.tag != "form" and e.get(a)}
            for address in addresses:
                path, _, fragment = address.removeprefix(URL).partition("#")
                if path.startswith("/") and not path.startswith("/thumbnails/"):
                    assert (path + "index.html" if path.endswith("/") else path)[1:] in made, (page.key, address)
                elif not path:
                    assert fragment in ids, (page.key, address)


def test_the_same_posts_in_any_order_give_the_same_bytes() -> None:
    these = posts(25)

    assert list(SITE.files(these)) == list(Site(URL, "MyBlog.com", ASSETS).files(these[::-1]))


def test_a_change_of_a_post_changes_only_its_own_pages() -> None:
    these = posts(25)
    before = site(these)
    number = next(n for n, post in enumerate(these) if post.slug == "post-20")
    these[number] = replace(these[number], summary="Another summary")
    after = site(these)

    assert sorted(key for key in after if after[key] != before[key]) == [
        "page/1/index.html",
        "posts/post-20/index.html",
        "tags/edge/page/1/index.html",
    ]


@pytest.mark.parametrize(
    ("key", "edge", "browser"),
    [("index.html", 60, 0), ("404.html", 60, 0), ("feed.xml", 300, 0), ("sitemap.xml", 300, 0)],
)
def test_pages_are_cached_briefly_by_the_edge_and_never_by_browsers(key: str, edge: int, browser: int) -> None:
    assert site([])[key].cache_control.startswith(
        f"public, max-age={browser}, s-maxage={edge}, stale-while-revalidate="
    )


def test_assets_are_cached_forever_under_a_name_with_their_hash() -> None:
    def key(content: bytes) -> str:
        return next(iter(Site(URL, "", {"site.css": content}).assets())).key

    css = next(page for page in SITE.assets() if page.key.endswith(".css"))
    assert css.cache_control == "public, max-age=31536000, immutable"
    assert css.content_type == "text/css; charset=utf-8"
    assert key(b"a") == key(b"a") != key(b"b")
    assert f'href="/{css.key}"' in text(site([])["index.html"])
    assert len(css.body) < 15_000


def test_lists_have_pages_with_the_newest_posts_first() -> None:
    made = site(posts(31))
    keys = ("index.html", "page/2/index.html", "page/1/index.html")
    found = [linked(made[key]) for key in keys]

    assert [len(slugs) for slugs in found] == [11, 10, 10]
    assert [slug for slugs in found for slug in slugs] == [f"post-{n}" for n in range(31)]
    assert re.findall('rel="(prev|next)" href="([^"]*)"', text(made["page/2/index.html"])) == [
        ("prev", "/"),
        ("next", "/page/1/"),
    ]
    assert "page/3/index.html" not in made


def test_the_first_page_has_up_to_nineteen_posts() -> None:
    assert [len(linked(site(posts(count))["index.html"])) for count in (9, 10, 19, 20, 29, 30)] == [
        9,
        10,
        19,
        10,
        19,
        10,
    ]


def test_a_new_post_changes_few_files_whatever_the_number_of_posts() -> None:
    def changed(count: int) -> set[str]:
        before = {file.key: file for file in SITE.plan(map(_numbered, range(count)))}
        after = SITE.plan(map(_numbered, range(count + 1)))
        return {file.key for file in after if before.get(file.key) != file}

    few = changed(105)
    assert few == {
        *("index.html", "feed.xml", "sitemap.xml", "tags/edge/index.html"),
        *("posts/post-104/index.html", "posts/post-105/index.html"),
    }
    assert len(changed(1_005)) == len(few)
    assert {"page/10/index.html", "tags/edge/page/10/index.html"} < changed(109), "the tenth post fills a page"


def _numbered(n: int) -> Post:
    """Return a post that is newer than those of smaller numbers."""
    return replace(A_POST_WITH_ALL, slug=f"post-{n}", tags=["edge"], published_at=f"2030-01-01T00:00:00.{n:06}Z")


def test_a_blog_without_posts_says_so() -> None:
    assert "There are no posts yet." in text(site([])["index.html"])


def test_the_page_of_a_tag_lists_its_posts() -> None:
    made = site([a_post("one", tags=["edge"]), a_post("two", tags=["edge", "mail"])])

    assert linked(made["tags/mail/index.html"]) == ["two"]
    assert sorted(linked(made["tags/edge/index.html"])) == ["one", "two"]
    assert "<h1>Posts about mail</h1>" in text(made["tags/mail/index.html"])


def test_the_tags_of_a_list_are_those_of_most_posts_first() -> None:
    made = site([a_post("one", tags=["a", "z", "m"]), a_post("two", tags=["z", "m"]), a_post("three", tags=["z"])])

    shown = re.findall(r'href="/tags/(\w)/"', text(made["index.html"]))
    assert list(dict.fromkeys(shown[-3:])) == ["z", "m", "a"]


def test_a_post_links_to_the_previous_and_the_next_one() -> None:
    made = site(posts(3))
    links = re.findall(r'href="/posts/([^"]*)/" rel="(prev|next)"', text(made["posts/post-1/index.html"]))

    assert links == [("post-2", "prev"), ("post-0", "next")]
    assert 'rel="next"' not in text(made["posts/post-0/index.html"])


def test_a_post_shows_its_dates_and_its_reading_time() -> None:
    page = text(SITE.page_for(replace(A_POST_WITH_ALL, body_html=f"<p>{'word ' * 700}</p>")))

    assert '<time datetime="2030-01-02T03:04:05.000Z">2 January 2030</time> · 3 min read' in page
    assert 'changed on <time datetime="2030-02-03T00:00:00.000Z">3 February 2030</time>' in page


@pytest.mark.parametrize(("words", "minutes"), [(0, 1), (1, 1), (345, 2), (575, 2), (576, 3)])
def test_a_minute_is_for_230_words(words: int, minutes: int) -> None:
    assert Article(a_post(body="word " * words or "![a](photo:p)")).minutes == minutes


def test_a_change_on_the_next_day_is_shown() -> None:
    assert "changed on" in text(SITE.page_for(replace(A_POST_WITH_ALL, updated_at="2030-01-03T00:00:00.000Z")))


@pytest.mark.parametrize("fields", [{"version": 1}, {"updated_at": "2030-01-02T23:00:00.000Z"}])
def test_a_change_before_the_day_after_publication_is_not_shown(fields: dict[str, Any]) -> None:
    assert "changed on" not in text(SITE.page_for(replace(A_POST_WITH_ALL, **fields)))


def test_a_post_without_an_author_has_no_author_line() -> None:
    page = text(SITE.page_for(a_post(author="")))

    assert "By " not in page
    assert "Person" not in page


def test_a_post_has_metadata_for_search_engines_and_link_previews() -> None:
    page = SITE.page_for(A_POST_WITH_ALL)
    root = parsed(page)
    said = {meta.get("name") or meta.get("property"): meta.get("content") for meta in root.iter("meta")}
    data = json.loads(next(e.text or "" for e in root.iter("script") if e.get("type") == "application/ld+json"))

    assert root.findtext(".//title") == "Fish & <Chips> · MyBlog.com"
    assert said["description"] == said["og:description"] == data["description"] == "Words first."
    assert said["og:type"] == "article"
    assert said["og:image"] == data["image"] == f"{URL}/thumbnails/p/1280.jpeg"
    assert said["og:url"] == data["mainEntityOfPage"] == f"{URL}/posts/a-post/"
    assert [link.get("href") for link in root.iter("link") if link.get("rel") == "canonical"] == [said["og:url"]]
    assert (data["@type"], data["headline"], data["author"]["name"]) == ("BlogPosting", "Fish & <Chips>", "Ann")
    assert data["datePublished"] == said["article:published_time"] == "2030-01-02T03:04:05.000Z"


def test_the_description_is_the_summary_or_the_first_words() -> None:
    def description(post: Post) -> str | None:
        return next(
            m.get("content") for m in parsed(SITE.page_for(post)).iter("meta") if m.get("name") == "description"
        )

    assert description(a_post(summary="In short.")) == "In short."
    assert description(a_post(body="![a](photo:p)\n\n# H\n\nFirst *words*.\n\nMore.")) == "First words."
    assert description(a_post(body="![a](photo:p)")) == "A post"
    assert description(a_post(body="letters " * 19 + "letters.")) == "letters " * 19 + "letters.", "160 characters"
    assert description(a_post(body="letters " * 19 + "letters..")) == "letters " * 18 + "letters…"
    cut = description(a_post(body="letters " * 50)) or ""
    assert cut.endswith("letters…")
    assert len(cut) <= 161


def test_some_pages_tell_search_engines_not_to_index_them() -> None:
    made = site([a_post()])
    hidden = [key for key, page in made.items() if b'content="noindex"' in page.body]

    assert sorted(hidden) == ["404.html", "unsubscribe/index.html"]


def test_a_list_shows_the_first_photo_of_each_post_and_loads_only_the_first_eagerly() -> None:
    these = [a_post(f"p{n}", body="x\n\n![a](photo:p)\n\n![b](photo:q)") for n in range(3)]
    page = text(site(these)["index.html"])

    assert page.count("<picture>") == 3
    assert page.count('fetchpriority="high"') == 1
    assert page.count('loading="lazy"') == 2
    assert "/q/" not in page


def test_no_page_has_an_inline_script_or_style_or_needs_another_host() -> None:
    for page in site([A_POST_WITH_ALL]).values():
        if page.content_type.startswith("text/html"):
            root = parsed(page)
            for element in root.iter():
                assert element.tag != "style"
                assert not [name for name in element.attrib if name == "style" or name.startswith("on")]
                if element.tag == "script" and element.get("type") != "application/ld+json":
                    assert str(element.get("src")).startswith("/assets/")
                    assert not element.text
                if element.tag in ("img", "source", "script", "link") and element.get("rel") != "canonical":
                    assert str(element.get("src") or element.get("href") or "/").startswith("/")


def test_the_feed_conforms_to_rfc_4287() -> None:
    made = site([A_POST_WITH_ALL, a_post("older", published_at="2029-01-01T00:00:00.000Z", author="")])
    feed = feedparser.parse(made["feed.xml"].body)

    assert made["feed.xml"].content_type == "application/atom+xml; charset=utf-8"
    assert not feed.bozo
    assert feed.version == "atom10"
    assert (feed.feed.id, feed.feed.title, feed.feed.updated) == (f"{URL}/", "MyBlog.com", A_POST_WITH_ALL.updated_at)
    assert {(link.rel, link.href) for link in feed.feed.links} == {
        ("self", f"{URL}/feed.xml"),
        ("alternate", f"{URL}/"),
    }
    first, second = feed.entries
    assert first.id == first.link == f"{URL}/posts/a-post/"
    assert (first.title, first.author, first.summary) == ("Fish & <Chips>", "Ann", "Words first.")
    assert (first.published, first.updated) == (A_POST_WITH_ALL.published_at, A_POST_WITH_ALL.updated_at)
    assert [tag.term for tag in first.tags] == ["edge", "caching"]
    assert f'src="{URL}/thumbnails/p/1280.jpeg"' in first.content[0].value
    assert "author" not in second
    assert feed.feed.author == "MyBlog.com"  # RFC 4287, section 4.1.1: each entry has an author, or the feed has one


def test_an_empty_feed_is_valid() -> None:
    feed = feedparser.parse(SITE.feed([]).body)

    assert not feed.bozo
    assert feed.feed.updated


def test_the_feed_has_only_the_newest_posts() -> None:
    entries = feedparser.parse(SITE.feed(posts(25)).body).entries

    assert [entry.id for entry in entries] == [f"{URL}/posts/post-{n}/" for n in range(20)]


def test_the_sitemap_lists_all_pages_for_search_engines() -> None:
    root = ElementTree.fromstring(site([*posts(11), A_POST_WITH_ALL])["sitemap.xml"].body)  # noqa: S314 # our own
    found = [location.text for location in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]

    assert {f"{URL}/", f"{URL}/posts/a-post/", f"{URL}/posts/post-10/", f"{URL}/tags/caching/"} <= set(found)
    assert len(found) == 1 + 12 + 2
    assert f"Sitemap: {URL}/sitemap.xml" in text(SITE.robots())


@pytest.mark.parametrize("payload", SCRIPTS)
def test_a_payload_in_any_field_of_a_post_is_shown_as_text(payload: str) -> None:
    fields = {"title": payload, "summary": payload, "author": payload, "tags": [payload], "slug": payload}
    post = a_post(body=payload, **fields)

    for page in site([post]).values():
        if page.content_type.startswith("text/html"):
            root = parsed(page)
            assert _running(root) == [], page.key
            if page.key.startswith("posts/"):
                assert root.findtext(".//h1") == payload.replace("\x01", "")
    entry = feedparser.parse(SITE.feed([post]).body, sanitize_html=False).entries[0]
    assert faults(entry.content[0].value.replace(URL, "")) == []
    ElementTree.fromstring(SITE.sitemap([post]).body)  # noqa: S314 # our own


def test_a_page_has_only_characters_that_xml_and_utf_8_can_represent() -> None:
    kept = ((0x20, 0x7E), (0xA0, 0xD7FF), (0xE000, 0xFDCF), (0xFDF0, 0xFFFD), (0x10000, 0x10FFFF))
    expected = "\t\n\r" + "".join(chr(number) for first, last in kept for number in range(first, last + 1))
    body = "".join(map(chr, range(0x110000)))

    assert f"|{expected}|" in text(SITE.page_for(a_post(summary="a", body_html=f"|{body}|")))


def _running(root: ElementTree.Element) -> list[str]:
    """Return what a browser would execute, or load from other sites, except the site's own script and style."""
    found = []
    for element in root.iter():
        values = {name: value for name, value in element.attrib.items() if name in ("href", "src", "action")}
        if element.tag in ("style", "iframe", "object", "embed", "base", "svg", "math"):
            found.append(str(element.tag))
        if element.tag == "script" and element.get("type") == "module":
            found += [] if re.fullmatch(r"/assets/site\.[0-9a-f]{10}\.js", element.get("src", "")) else ["script"]
        elif element.tag == "script":
            found += [] if element.get("type") == "application/ld+json" and json.loads(element.text or "") else ["json"]
        found += [name for name in element.attrib if name.startswith("on") or name in ("style", "srcdoc", "formaction")]
        found += [v for v in values.values() if not re.match(r"/|#|\w|mailto:", v) or re.match(r"(?i)\s*\w*script:", v)]
    return found
