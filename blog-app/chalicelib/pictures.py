"""Photos in the HTML of posts. Imports no AWS and no HTTP.

The HTML is stored with a place for each photo, since photos become ready or are replaced while a post stays the same.
A place is an ``<img>`` whose address is that of the photo in the API. Authors cannot write one: their tags are removed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape, unescape
from typing import Protocol

_PLACE = re.compile(
    r'(?P<figure><figure>)?<img src="/photos/(?P<photo>[^"]*)" alt="(?P<alt>[^"]*)">'
    r"(?:(?P<caption><figcaption>[^<]*</figcaption>)?</figure>)?"
)
_SIZES = "(min-width: 60rem) 56rem, 100vw"


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


def place(photo_id: str, alt: str) -> str:
    """Return the place of a photo in HTML."""
    return f'<img src="/photos/{escape(photo_id)}" alt="{escape(alt)}">'


def photo_ids(html: str) -> list[str]:
    """Return the distinct ids of the photos in *html*, in order."""
    return list(dict.fromkeys(unescape(found["photo"]) for found in _PLACE.finditer(html)))


def filled(html: str, photos: Photos) -> str:
    """Return *html* with *photos* in their places. A photo that is not there becomes its alt text."""
    eager = True

    def shown(match: re.Match[str]) -> str:
        nonlocal eager
        variants = photos.get(unescape(match["photo"]))
        if not variants:
            return f"<p>{match['alt']}</p>" if match["figure"] else match["alt"]
        picture = _picture(match["alt"], variants, eager=eager)
        eager = False
        return f"<figure>{picture}{match['caption'] or ''}</figure>" if match["figure"] else picture

    return _PLACE.sub(shown, html)


def lead_picture(html: str, sizes: str, *, eager: bool) -> str:
    """Return the first picture in filled *html*, or ``""``, for display at *sizes* (HTML, section 4.8.4.2.2)."""
    found = re.search(r"<picture>.*?</picture>", html)
    if not found:
        return ""
    picture = re.sub(r' sizes="[^"]*"', f' sizes="{escape(sizes)}"', found[0])
    return picture if eager else picture.replace(' fetchpriority="high"', ' loading="lazy"')


def _picture(alt: str, variants: Sequence[Variant], *, eager: bool) -> str:
    """Return a picture with *alt*, which is HTML.

    WebP comes first, since a browser takes the first supported source, and JPEG or PNG last.
    """
    ordered = sorted(variants, key=lambda variant: variant.width)
    plain = [variant for variant in ordered if variant.format != "webp"] or ordered
    modern = [variant for variant in ordered if variant not in plain]
    source = f'<source type="image/webp" srcset="{_srcset(modern)}" sizes="{_SIZES}">' if modern else ""
    largest = plain[-1]
    urgency = 'fetchpriority="high"' if eager else 'loading="lazy"'
    return (
        f'<picture>{source}<img src="{escape(largest.url)}" srcset="{_srcset(plain)}" sizes="{_SIZES}" '
        f'width="{largest.width}" height="{largest.height}" alt="{alt}" {urgency} decoding="async"></picture>'
    )


def _srcset(variants: Sequence[Variant]) -> str:
    return escape(", ".join(f"{variant.url} {variant.width}w" for variant in variants))
