"""The HTML of posts, with their photos. Imports no AWS and no HTTP."""

from __future__ import annotations

from chalicelib.photos import Photos
from common.errors import NotFound


class Renderer:
    """Renders Markdown in which authors refer to *photos*."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos

    def render(self, source: str) -> str:
        """Return *source* as safe HTML. A photo that does not exist is shown as its alt text."""
        from chalicelib import markdown  # slow to import, and many requests render nothing

        found = {}
        for photo_id in markdown.photo_ids(source):
            try:
                found[photo_id] = self._photos.get(photo_id).variants
            except NotFound:
                continue
        return markdown.render(source, found)
