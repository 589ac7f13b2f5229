"""Markdown to safe HTML."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

import html5lib
import pytest
from hostile import faults
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.markdown import render
from chalicelib.pictures import filled, lead_picture, photo_ids
from chalicelib.rendering import VERSION
from chalicelib.site import absolute
from deploy.attack.payloads import SCRIPTS


class Variant(NamedTuple):
    width: int
    height: int
    format: str
    url: str


def photo(photo_id: str) -> list[Variant]:
    sizes = [(width, kind) for kind in ("webp", "jpeg") for width in (1280, 320, 640)]
    return [Variant(w, w // 2, kind, f"/thumbnails/{photo_id}/{w}.{kind}") for w, kind in sizes]


PHOTOS = {"p": photo("p"), "q": photo("q")}


def html(source: str) -> str:
    return filled(render(source), PHOTOS).strip()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("*a* **b** `c`", "<p><em>a</em> <strong>b</strong> <code>c</code></p>"),
        ("~~old~~", "<p><s>old</s></p>"),
        ("a  \nb", "<p>a<br>\nb</p>"),
        ("3. x", '<ol start="3">\n<li>x</li>\n</ol>'),
        ("[a](/posts/b/)", '<p><a href="/posts/b/">a</a></p>'),
        ("<ann@a.example>", '<p><a href="mailto:ann@a.example">ann@a.example</a></p>'),
        ("press <kbd>K</kbd>, H<sub>2</sub>O", "<p>press <kbd>K</kbd>, H<sub>2</sub>O</p>"),
        ("```py\na < b\n```", '<pre tabindex="0"><code>a &lt; b\n</code></pre>'),
        ("v1.example.com, README.md", "<p>v1.example.com, README.md</p>"),
        ("[c](tel:+44-20)", '<p><a href="tel:+44-20">c</a></p>'),
        ("me@b.example.", '<p><a href="mailto:me@b.example">me@b.example</a>.</p>'),
        ("a@b, www.x, xwww.a.example", "<p>a@b, www.x, xwww.a.example</p>"),
    ],
)
def test_markdown_is_rendered_as_html(source: str, shown: str) -> None:
    assert html(source) == shown


@pytest.mark.parametrize(
    "source", ["[a](https://b.example)", "https://b.example", "[a](//b.example)", "<HTTP://b.example>"]
)
def test_an_external_link_is_nofollow_and_noopener(source: str) -> None:
    assert 'rel="nofollow noopener"' in html(source)


@pytest.mark.parametrize(
    ("source", "address", "after"),
    [
        ("www.b.example", "www.b.example", ""),
        ("www.b.example/a_(b).", "www.b.example/a_(b)", "."),
        ("(www.b.example)", "www.b.example", ")"),
        ("www.b.example:80/?q=1!", "www.b.example:80/?q=1", "!"),
    ],
)
def test_a_bare_www_address_is_a_link(source: str, address: str, after: str) -> None:
    assert f'<a href="http://{address}" rel="nofollow noopener">{address}</a>{after}</p>' in html(source)


@pytest.mark.parametrize("part", ["http://a.", "www.a.", "a@b.", "http://", "www.", "://"])
def test_many_links_take_no_longer_than_text(part: str) -> None:
    """It took 70 seconds when each link was searched to the end of the text."""
    assert html(part * (50_000 // len(part)))


def test_a_table_is_scrollable_and_aligned_by_classes() -> None:
    shown = html("|a|b|\n|-|-:|\n|1|2|")

    assert shown.startswith('<div class="table" tabindex="0"><table>')
    assert '<td class="right">2</td>' in shown
    assert "style" not in shown


@pytest.mark.parametrize(
    ("source", "levels"),
    [("# a\n## b", ["h2", "h3"]), ("## a\n### b", ["h2", "h3"]), ("# a\n###### b", ["h2", "h6"]), ("### a", ["h2"])],
)
def test_headings_start_at_h2(source: str, levels: list[str]) -> None:
    found = html5lib.parseFragment(html(source), namespaceHTMLElements=False)
    assert [element.tag for element in found] == levels
    assert all(element.get("id") for element in found)


def test_heading_ids_are_those_of_github() -> None:
    source = "# Été *now*!\n# a\n# a\n# a-1\n# a\n# `x_y` & b\n# 😀 hi\n# ?\n# 中文 1.2\n# C++"
    found = html5lib.parseFragment(html(source), namespaceHTMLElements=False)
    ids = [element.get("id") for element in found]

    assert ids == ["été-now", "a", "a-1", "a-1-1", "a-2", "x_y--b", "-hi", "section", "中文-12", "c"]


@given(st.lists(st.text(alphabet="aA1-_ é!", min_size=1, max_size=4), max_size=8))
def test_heading_ids_are_unique_and_have_no_capitals(headings: list[str]) -> None:
    found = html5lib.parseFragment(html("\n".join(f"# {text}" for text in headings)), namespaceHTMLElements=False)
    ids = [element.get("id") for element in found]

    assert len(set(ids)) == len(ids)
    assert not any(re.search("[A-Z]", str(name)) for name in ids)


def test_a_photo_has_all_its_sizes_and_causes_no_layout_shift() -> None:
    shown = html("![A *hill*](photo:p)")

    assert shown.startswith('<figure><picture><source type="image/webp" srcset="/thumbnails/p/320.webp 320w, ')
    assert 'srcset="/thumbnails/p/320.jpeg 320w, /thumbnails/p/640.jpeg 640w, /thumbnails/p/1280.jpeg 1280w"' in shown
    assert 'width="1280" height="640" alt="A hill"' in shown


def test_the_alt_text_of_a_photo_is_unchanged() -> None:
    assert 'alt="say &quot;hi&quot; &lt;now&gt;"' in html('![say "hi" \\<now>](photo:p)')


def test_all_photos_but_the_first_are_loaded_lazily() -> None:
    first, second = html("![a](photo:p)\n\n![b](photo:q)").split("</figure>")[:2]

    assert 'fetchpriority="high"' in first
    assert "lazy" not in first
    assert 'loading="lazy"' in second


def test_the_title_of_a_photo_in_a_paragraph_of_its_own_is_the_caption() -> None:
    assert "<figcaption>High &lt;up&gt;</figcaption>" in html('![a](photo:p "High <up>")')
    assert "figcaption" not in html('text ![a](photo:p "High up")')
    assert "fig" not in html('- ![a](photo:p "High up")')


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_photo_in_one_format_has_no_other_sources(kind: str) -> None:
    shown = filled(render("![a](photo:p)"), {"p": [Variant(2000, 1000, kind, f"/thumbnails/p.{kind}")]})

    assert f'src="/thumbnails/p.{kind}"' in shown
    assert "<source" not in shown


@pytest.mark.parametrize(
    "source", ["![alt](photo:unknown)", "![alt](https://b.example/x.png)", "![alt](/x.png)", "![alt]()"]
)
def test_an_image_that_is_not_a_photo_of_the_blog_becomes_its_alt_text(source: str) -> None:
    assert html(source) == "<p>alt</p>"


def test_photo_ids_are_distinct_and_in_order() -> None:
    source = (
        "![a](photo:q)\n\n- x ![b](photo:p) ![c](photo:q) ![d](/x.png)\n\n`![e](photo:r)`\n\n<img src=/photos/s alt=x>"
    )

    assert photo_ids(render(source)) == ["q", "p"]


def test_the_lead_picture_can_have_another_size() -> None:
    post = html("words\n\n![a](photo:q)\n\n![b](photo:p)")

    assert "/q/" in lead_picture(post, "10rem", eager=True)
    assert "/p/" not in lead_picture(post, "10rem", eager=True)
    assert lead_picture(post, "10rem", eager=True).count('sizes="10rem"') == 2
    assert 'loading="lazy"' in lead_picture(post, "10rem", eager=False)
    assert lead_picture(html("words"), "10rem", eager=True) == ""


def test_a_feed_has_absolute_urls_and_plain_images() -> None:
    shown = absolute(html('[a](/b/) [c](#d) `href="/x"`\n\n![e](photo:p)'), "https://blog.example/posts/x/")

    assert 'href="https://blog.example/b/"' in shown
    assert 'href="https://blog.example/posts/x/#d"' in shown
    assert '<code>href="/x"</code>' in shown
    assert '<img src="https://blog.example/thumbnails/p/1280.jpeg" width="1280" height="640" alt="e">' in shown
    assert "srcset" not in shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("<p onclick=x>Hello <b>you</b></p>", "<p>Hello you</p>"),
        ("<p>Hello</p><p>World</p>", "<p>Hello</p>\n<p>World</p>"),
        ("one<br>two<BR />three", "<p>one<br>two<br>three</p>"),
        ("<div>one<br>two <sub>3</sub></div>", "<p>one<br>two <sub>3</sub></p>"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "<p>a  b</p>\n<p>c</p>"),
        ("<ul><li>a</li><li>b</li></ul>", "<p>a</p>\n<p>b</p>"),
        ("a<td>b<div>c<img src=x>d<i>e</i>f", "<p>a b c def</p>"),
        ("<KBD>K</KBD>", "<p><kbd>K</kbd></p>"),
        ("a <b onclick=x>b</b> <!-- c -->", "<p>a b </p>"),
        ("<script>\nalert(1)\n</script>", ""),
        ("<!-- more -->", ""),
        ("[x](javascript:alert(1))", "<p><a>x</a></p>"),
        ("[x](data:text/html,x)", "<p><a>x</a></p>"),
    ],
)
def test_tags_and_unsafe_urls_are_removed_and_their_text_stays(source: str, shown: str) -> None:
    assert html(source) == shown


@pytest.mark.parametrize("payload", SCRIPTS)
@pytest.mark.parametrize("around", ["{}", "words {} words", "# {}", "- {}", "> {}", "[{}](/x)", "![{}](photo:p)"])
def test_no_known_payload_survives(payload: str, around: str) -> None:
    assert faults(html(around.format(payload))) == []


@given(st.lists(st.sampled_from(SCRIPTS) | st.sampled_from(list("<>\"'`&[]()!#|\n :/=*_~-")) | st.text(), max_size=12))
def test_any_input_becomes_safe_html(parts: list[str]) -> None:
    assert faults(html("".join(parts))) == []


@given(st.text())
def test_any_input_becomes_well_formed_html(source: str) -> None:
    html5lib.HTMLParser(strict=True).parseFragment(html(source.replace("\x00", "")).translate(_CONTROLS))


def test_html_that_changes_has_another_version() -> None:
    """Stored HTML of an older renderer is not shown. After a change, increase `rendering.VERSION` and set the hash."""
    rendered = "".join(render(source) for source in (*SCRIPTS, _ALL_KINDS))

    assert (VERSION, hashlib.sha256(rendered.encode()).hexdigest()[:16]) == (1, "f90668a9a2b5830b")


_ALL_KINDS = """
# Title *a*

## Another

Text with **bold**, ~~old~~, `code`, <kbd>K</kbd>, [a link](https://b.example "t"), www.b.example, me@b.example,\\
and ![a photo](photo:p).

![A figure](photo:p "Its caption")

> Quoted
>
> - one
>   1. nested

3. three

| a | b |
|:-:|--:|
| 1 | ![x](photo:q) |

```py
a < b
```

<div>one<br>two</div>

---
"""

_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}
