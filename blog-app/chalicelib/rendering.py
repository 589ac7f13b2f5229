"""The HTML of posts, with their photos. Imports no AWS and no HTTP."""

from __future__ import annotations

import hashlib

from chalicelib import pictures
from chalicelib.photos import Photos
from common.errors import NotFound

VERSION = 1
"""Of the HTML that `render` makes of a text. Stored HTML of another version is not shown."""


class Renderer:
    """Renders Markdown in which authors refer to *photos*."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos

    def key(self, source: str) -> str:
        """Return what names the HTML of *source*: it changes with the text, and with the renderer."""
        return f"{VERSION}-{hashlib.sha256(source.encode()).hexdigest()}"

    def render(self, source: str) -> str:
        """Return *source* as safe HTML with places for its photos. It takes seconds for the worst texts."""
        from chalicelib import markdown  # slow to import, and most requests render nothing

        return markdown.render(source)

    def with_photos(self, html: str) -> str:
        """Return *html* with its photos. One that does not exist is shown as its alt text."""
        found = {}
        for photo_id in pictures.photo_ids(html):
            try:
                found[photo_id] = self._photos.get(photo_id).variants
            except NotFound:
                continue
        return pictures.filled(html, found)
