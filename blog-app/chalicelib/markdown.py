"""Markdown to safe HTML. Imports no AWS and no HTTP.

The dialect is CommonMark with GitHub's tables, strikethrough, bare links and ids of headings. HTML tags in the source
are removed, and their text stays, in paragraphs of its own where the tags would have separated it. Images are photos of
the blog: ``![alt](photo:<photo id> "caption")``. The HTML has a place for each, which `pictures` fills.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

import nh3
from linkify_it import LinkifyIt  # type: ignore[import-untyped]
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.linkify import linkify
from markdown_it.token import Token

from chalicelib import pictures

_KEPT_TAGS = {"br", "kbd", "sub", "sup"}
_TAG = re.compile(r"</?([a-z][a-z0-9-]*)[^>]*>", re.IGNORECASE)
_BLOCK_TAG = re.compile(
    r"(?=</?(?:address|article|aside|blockquote|center|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|"
    r"header|hr|li|main|menu|nav|ol|p|pre|section|summary|table|tbody|tfoot|thead|tr|ul)\b)",
    re.IGNORECASE,
)
"""Before a tag that starts a new line in a browser (HTML, section 15.3)."""

_INLINE_BLOCK_TAG = re.compile(r"(?=</?(?:img|input|button|option|select|td|textarea|th|video)\b)", re.IGNORECASE)
"""Before a tag that separates words without a new line."""

_MAX_URL = 2048
"""Characters that a bare link may have. Without a limit, linkify-it searches each link to the end of the text."""

_CLEANER = nh3.Cleaner(
    tags={
        *("a", "blockquote", "br", "code", "del", "div", "em", "figcaption", "figure", "h2", "h3", "h4", "h5", "h6"),
        *("hr", "img", "kbd", "li", "ol", "p", "pre", "s", "strong", "sub", "sup"),
        *("table", "tbody", "td", "th", "thead", "tr", "ul"),
    },
    attributes={
        **{f"h{level}": {"id"} for level in range(2, 7)},
        "a": {"href", "rel", "title"},
        "img": {"alt", "src"},
        "ol": {"start"},
    },
    allowed_classes={"div": {"table"}, "th": {"left", "center", "right"}, "td": {"left", "center", "right"}},
    set_tag_attribute_values={"pre": {"tabindex": "0"}, "div": {"tabindex": "0"}},  # lets the keyboard scroll them
    url_schemes={"http", "https", "mailto", "tel"},
    link_rel=None,
)


def render(source: str) -> str:
    """Return *source* as HTML with places for its photos. Headings start at h2 and have ids.

    Increase `rendering.VERSION` with each change of the HTML.
    """
    tokens = _MARKDOWN.parse(source)
    _level(tokens)
    _name(tokens)
    _frame(tokens)
    _align(tokens)
    html: str = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return _CLEANER.clean(html)


def _level(tokens: list[Token]) -> None:
    """Shift the headings so that the highest is h2: the page's title is its h1."""
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    highest = min((int(token.tag[1]) for token in headings), default=2)
    for token in headings:
        token.tag = f"h{min(int(token.tag[1]) - highest + 2, 6)}"


def _name(tokens: list[Token]) -> None:
    """Give each heading the id that GitHub gives it. The page's own ids have capitals, so they cannot clash.

    https://github.com/gjtorikian/html-pipeline/blob/v2.14.3/lib/html/pipeline/toc_filter.rb
    """
    uses: Counter[str] = Counter()
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            words = "".join(filter(_in_id, _text(inline).lower())).replace(" ", "-") or "section"
            name = words
            while uses[name]:
                name = f"{words}-{uses[words]}"
                uses[words] += 1
            uses[name] = 1
            opening.attrSet("id", name)


def _in_id(character: str) -> bool:
    """Return whether it is a space, a hyphen, or of Ruby's class Word: letter, mark, decimal digit or connector."""
    category = unicodedata.category(character)
    return character in " -" or category[0] in "LM" or category in ("Nd", "Nl", "Pc")


def _frame(tokens: list[Token]) -> None:
    """Turn a paragraph that is only a photo into a figure, with the image's title as its caption."""
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type == "paragraph_open" and not opening.hidden and len(inline.children or ()) == 1:
            image = (inline.children or [])[0]
            if image.type == "image" and _photo_id(image):
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
    photo_id = _photo_id(image)
    if not photo_id:
        return escape(alt)
    title = str(image.attrs.get("title", "")) if image.meta.get("captioned") else ""
    return pictures.place(photo_id, alt) + (f"<figcaption>{escape(title)}</figcaption>" if title else "")


def _link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    if re.match(r"(?i)https?:|//", str(tokens[index].attrs.get("href", ""))):
        tokens[index].attrSet("rel", "nofollow noopener")
    return renderer.renderToken(tokens, index, options, env)


def _html_block(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    separated = _INLINE_BLOCK_TAG.sub(" ", _BLOCK_TAG.sub("\n\n", tokens[index].content))
    paragraphs = re.split(r"\n\s*\n", nh3.clean(separated, tags=_KEPT_TAGS, attributes={}))
    return "".join(f"<p>{text}</p>\n" for each in paragraphs if (text := each.strip()))


def _html_inline(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    tag = tokens[index].content
    if (found := _TAG.fullmatch(tag)) and found[1].lower() in _KEPT_TAGS:
        return f"<{'/' if tag[1] == '/' else ''}{found[1].lower()}>"
    return " " if _BLOCK_TAG.match(tag) or _INLINE_BLOCK_TAG.match(tag) else ""


class _Links(LinkifyIt):  # type: ignore[misc]
    """Finds bare links as GitHub does: with a scheme, with ``www.``, and mail addresses, but not ``README.md``."""

    def __init__(self) -> None:
        super().__init__(options={"fuzzy_link": False, "fuzzy_email": True, "fuzzy_ip": False})
        self.tlds([r"[a-z]{2,63}"])  # of mail addresses; links need a scheme
        self.add("www.", {"validate": _www, "normalize": _with_scheme})

    def match_at_start(self, text: str) -> Any:
        return super().match_at_start(text[:_MAX_URL])


def _bare_link(state: StateInline, silent: bool) -> bool:
    """Look for a link only if there is one, since the rule searches all of the text before it."""
    if not state.src.startswith("://", state.pos):
        return False
    scheme = re.search(r"[a-z][a-z0-9.+-]*$", state.pending[-20:], re.IGNORECASE)
    start = state.pos - (len(scheme[0]) if scheme else 0)
    if not scheme or not _LINKS.match_at_start(state.src[start : start + _MAX_URL]):
        return False
    return linkify(state, silent)


def _www(links: LinkifyIt, text: str, position: int) -> int:
    """Return the length of what follows ``www.``, or 0 if that is no host."""
    found = re.match(r"[\w-]+(?:\.[\w-]+)*\.[^\W_]{2,}(?:[:/?#][^\s<]*)?", text[position : position + _MAX_URL])
    if not found:
        return 0
    link = found[0].rstrip("?!.,:*_~'\"")
    while link.endswith(")") and link.count(")") > link.count("("):
        link = link[:-1].rstrip("?!.,:*_~'\"")
    return len(link)


def _with_scheme(links: LinkifyIt, match: Any) -> None:
    match.url = f"http://{match.url}"


_LINKS = _Links()


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Accept any URL. The cleaner removes unsafe ones; a refusal here would leave brackets in the text."""
        return True


def _markdown() -> MarkdownIt:
    markdown = _Markdown("gfm-like")
    markdown.linkify = _LINKS
    markdown.inline.ruler.at("linkify", _bare_link)
    markdown.add_render_rule("image", _image)
    markdown.add_render_rule("link_open", _link)
    markdown.add_render_rule("html_block", _html_block)
    markdown.add_render_rule("html_inline", _html_inline)
    markdown.add_render_rule("table_open", lambda *_: '<div class="table"><table>\n')
    markdown.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return markdown


_MARKDOWN = _markdown()
