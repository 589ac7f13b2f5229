"""A renderer of posts that counts how often it renders."""

from __future__ import annotations


class PlainRenderer:
    def __init__(self, version: int = 1) -> None:
        self._version = version
        self.rendered = 0

    def key(self, source: str) -> str:
        return f"{self._version}-{source}"

    def render(self, source: str) -> str:
        self.rendered += 1
        return f"<p>{source}</p>"

    def with_photos(self, html: str) -> str:
        return html
