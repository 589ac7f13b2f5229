"""Markdown to safe HTML. Imports no AWS and no HTTP.

The dialect is CommonMark with GitHub's tables, strikethrough and bare links. HTML tags in the source are removed and
their text stays. Images are photos of the blog: ``![alt](photo:<photo id> "caption")``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any, Protocol

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

_KEPT_TAGS = frozenset(f"<{slash}{tag}>" for tag in ("kbd", "sub", "sup") for slash in ("", "/"))
_SIZES = "(min-width: 60rem) 56rem, 100vw"

_CLEANER = nh3.Cleaner(
    tags={
        *("a", "blockquote", "br", "code", "del", "div", "em", "figcaption", "figure", "h2", "h3", "h4", "h5", "h6"),
        *("hr", "img", "kbd", "li", "ol", "p", "picture", "pre", "s", "source", "strong", "sub", "sup"),
        *("table", "tbody", "td", "th", "thead", "tr", "ul"),
    },
    attributes={
        **{f"h{level}": {"id"} for level in range(2, 7)},
        "a": {"href", "rel", "title"},
        "img": {"alt", "decoding", "fetchpriority", "height", "loading", "sizes", "src", "srcset", "width"},
        "ol": {"start"},
        "source": {"sizes", "srcset", "type"},
    },
    allowed_classes={"div": {"table"}, "th": {"left", "center", "right"}, "td": {"left", "center", "right"}},
    set_tag_attribute_values={"pre": {"tabindex": "0"}, "div": {"tabindex": "0"}},  # lets the keyboard scroll them
    url_schemes={"http", "https", "mailto"},
    link_rel=None,
)


class Variant(Protocol):
    """One size of a photo: pixels, ``jpeg``, ``webp`` or ``png``, and the URL."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def format(self) -> str: ...
    @property
    def url(self) -> str: ...


type Photos = Mapping[str, Sequence[Variant]]
"""The variants of each photo by its id."""


def render(source: str, photos: Photos) -> str:
    """Return *source* as HTML. Headings start at h2 and have ids; a photo not in *photos* becomes its alt text."""
    tokens = _MARKDOWN.parse(source)
    _level(tokens)
    _name(tokens)
    _frame(tokens, photos)
    _align(tokens)
    html: str = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {"photos": photos, "eager": True})
    return _CLEANER.clean(html)


def photo_ids(source: str) -> list[str]:
    """Return the distinct ids of the photos in *source*, in order."""
    images = (child for token in _MARKDOWN.parse(source) for child in token.children or () if child.type == "image")
    return list(dict.fromkeys(found for image in images if (found := _photo_id(image))))


def absolute(html: str, url: str) -> str:
    """Return rendered *html* for a feed: with absolute URLs, resolved against *url*, and plain images."""
    return nh3.clean(
        re.sub(r"</?picture>|<source [^>]*>", "", html),
        attributes={"a": {"href"}, "img": {"alt", "height", "src", "width"}},
        url_relative=("rewrite_with_base", url),
        link_rel=None,
    )


def lead_picture(html: str, sizes: str, *, eager: bool) -> str:
    """Return the first picture in rendered *html*, or ``""``, for display at *sizes* (HTML, section 4.8.4.2.2)."""
    found = re.search(r"<picture>.*?</picture>", html)
    if not found:
        return ""
    picture = re.sub(r' sizes="[^"]*"', f' sizes="{escape(sizes)}"', found[0])
    return picture if eager else picture.replace(' fetchpriority="high"', ' loading="lazy"')


def _level(tokens: list[Token]) -> None:
    """Shift the headings so that the highest is h2: the page's title is its h1."""
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    highest = min((int(token.tag[1]) for token in headings), default=2)
    for token in headings:
        token.tag = f"h{min(int(token.tag[1]) - highest + 2, 6)}"


def _name(tokens: list[Token]) -> None:
    """Give each heading an id without underscores. The page's own ids all have one, so they cannot clash."""
    uses: Counter[str] = Counter()
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            name = re.sub(r"[\W_]+", "-", _text(inline).casefold()).strip("-") or "section"
            while uses[name]:
                uses[name] += 1
                name = f"{name}-{uses[name]}"
            uses[name] = 1
            opening.attrSet("id", name)


def _frame(tokens: list[Token], photos: Photos) -> None:
    """Turn a paragraph that is only a photo into a figure, with the image's title as its caption."""
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type == "paragraph_open" and not opening.hidden and len(inline.children or ()) == 1:
            image = (inline.children or [])[0]
            if image.type == "image" and photos.get(_photo_id(image)):
                opening.tag = closing.tag = "figure"
                image.meta["captioned"] = True


def _align(tokens: list[Token]) -> None:
    """Set a cell's alignment by a class, since the pages' policy forbids inline styles."""
    for token in tokens:
        if token.type in ("th_open", "td_open") and (style := token.attrs.pop("style", None)):
            token.attrSet("class", str(style).removeprefix("text-align:"))


def _text(inline: Token) -> str:
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline", "image"))


def _photo_id(image: Token) -> str:
    scheme, _, photo_id = str(image.attrs["src"]).partition(":")
    return photo_id if scheme == "photo" else ""


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    image = tokens[index]
    alt = renderer.renderInlineAsText(image.children, options, env)
    variants = env["photos"].get(_photo_id(image))
    if not variants:
        return escape(alt)
    picture = _picture(alt, variants, eager=env["eager"])
    env["eager"] = False
    title = str(image.attrs.get("title", ""))
    return picture + (f"<figcaption>{escape(title)}</figcaption>" if title and image.meta.get("captioned") else "")


def _picture(alt: str, variants: Sequence[Variant], *, eager: bool) -> str:
    """Return a picture with WebP first, since a browser takes the first supported source, and JPEG or PNG last."""
    ordered = sorted(variants, key=lambda variant: variant.width)
    plain = [variant for variant in ordered if variant.format != "webp"] or ordered
    modern = [variant for variant in ordered if variant not in plain]
    source = f'<source type="image/webp" srcset="{_srcset(modern)}" sizes="{_SIZES}">' if modern else ""
    largest = plain[-1]
    urgency = 'fetchpriority="high"' if eager else 'loading="lazy"'
    return (
        f'<picture>{source}<img src="{escape(largest.url)}" srcset="{_srcset(plain)}" sizes="{_SIZES}" '
        f'width="{largest.width}" height="{largest.height}" alt="{escape(alt)}" {urgency} decoding="async"></picture>'
    )


def _srcset(variants: Sequence[Variant]) -> str:
    return escape(", ".join(f"{variant.url} {variant.width}w" for variant in variants))


def _link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    if re.match(r"(?i)https?:|//", str(tokens[index].attrs.get("href", ""))):
        tokens[index].attrSet("rel", "nofollow noopener")
    return renderer.renderToken(tokens, index, options, env)


def _html_block(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    text = nh3.clean(tokens[index].content, tags=set()).strip()
    return f"<p>{text}</p>\n" if text else ""


def _html_inline(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return tokens[index].content if tokens[index].content in _KEPT_TAGS else ""


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Accept any URL. The cleaner removes unsafe ones; a refusal here would leave brackets in the text."""
        return True


def _markdown() -> MarkdownIt:
    markdown = _Markdown("gfm-like")
    assert markdown.linkify is not None
    markdown.linkify.set({"fuzzy_link": False, "fuzzy_email": False})
    markdown.add_render_rule("image", _image)
    markdown.add_render_rule("link_open", _link)
    markdown.add_render_rule("html_block", _html_block)
    markdown.add_render_rule("html_inline", _html_inline)
    markdown.add_render_rule("table_open", lambda *_: '<div class="table"><table>\n')
    markdown.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return markdown


_MARKDOWN = _markdown()
