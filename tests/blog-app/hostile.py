"""A check of the HTML that scripts become."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib

_ATTRIBUTES = {
    *("alt", "class", "decoding", "fetchpriority", "height", "href", "id", "loading", "rel", "sizes", "src"),
    *("srcset", "start", "tabindex", "title", "type", "width"),
}
_TAGS = {
    *("a", "blockquote", "br", "code", "del", "em", "figcaption", "figure", "h2", "h3", "h4", "h5", "h6", "hr", "img"),
    *("div", "kbd", "li", "ol", "p", "picture", "pre", "s", "source", "strong", "sub", "sup", "table", "tbody"),
    *("td", "th", "thead", "tr", "ul"),
}


def faults(html: str) -> list[str]:
    """Return everything in the fragment *html* that is not plain text, a link or a photo of the blog."""
    fragment = html5lib.parseFragment(html, namespaceHTMLElements=False)
    return [fault for element in fragment.iter() if element is not fragment for fault in _faults(element)]


def _faults(element: Element) -> Iterator[str]:
    if element.tag not in _TAGS:
        yield f"<{element.tag}>"
    for name, value in element.attrib.items():
        if name not in _ATTRIBUTES:
            yield f"{element.tag} {name}"
        if name == "href" and _scheme(value) not in ("", "http", "https", "mailto", "tel"):
            yield f"{name}={value}"
        if name in ("src", "srcset") and not value.startswith("/thumbnails/"):
            yield f"{name}={value}"


def _scheme(address: str) -> str:
    """Return the URL without white space, as browsers read it (https://url.spec.whatwg.org/#concept-basic-url-parser)."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", re.sub(r"[\x00-\x20]", "", address))
    return found[1].lower() if found else ""
