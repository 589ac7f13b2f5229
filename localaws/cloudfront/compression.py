"""Compression of responses: which ones CloudFront compresses, and how.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/ServingCompressedFiles.html
"""

from __future__ import annotations

import zlib
from typing import Protocol

import brotli  # type: ignore[import-untyped]
from starlette.datastructures import Headers, MutableHeaders

MIN_SIZE, MAX_SIZE = 1_000, 10_000_000
TYPES = {
    "application": [
        *("dash+xml", "eot", "font", "font-sfnt", "javascript", "json", "opentype", "otf", "pdf", "pkcs7-mime"),
        *("protobuf", "rss+xml", "truetype", "ttf", "vnd.apple.mpegurl", "vnd.mapbox-vector-tile"),
        *("vnd.ms-fontobject", "wasm", "xhtml+xml", "xml", "x-font-opentype", "x-font-truetype", "x-font-ttf"),
        *("x-httpd-cgi", "x-javascript", "x-mpegurl", "x-opentype", "x-otf", "x-perl", "x-ttf"),
    ],
    "font": ["eot", "opentype", "otf", "ttf"],
    "image": ["svg+xml"],
    "text": [
        *("css", "csv", "html", "javascript", "js", "plain", "richtext", "tab-separated-values", "xml"),
        *("x-component", "x-java-source", "x-script"),
    ],
}


class Compressor(Protocol):
    """A streaming compressor."""

    def compress(self, data: bytes) -> bytes: ...
    def flush(self) -> bytes: ...


class _Brotli:
    def __init__(self) -> None:
        self._compressor = brotli.Compressor(quality=5)

    def compress(self, data: bytes) -> bytes:
        return bytes(self._compressor.process(data))

    def flush(self) -> bytes:
        return bytes(self._compressor.finish())


def compressor(encodings: str, status: int, headers: Headers) -> Compressor | None:
    """Return the compressor for a response, or None if CloudFront does not compress it. Prefer Brotli to gzip."""
    length = headers.get("content-length", "")
    kind, _, name = headers.get("content-type", "").partition(";")[0].strip().lower().partition("/")
    if (
        not encodings
        or status != 200
        or name not in TYPES.get(kind, ())
        or "content-encoding" in headers
        or not length.isdecimal()
        or not MIN_SIZE <= int(length) <= MAX_SIZE
    ):
        return None
    return _Brotli() if encodings.startswith("br") else zlib.compressobj(wbits=31)


def update_headers(headers: MutableHeaders, encodings: str) -> None:
    """Change the headers to those of the compressed object. A strong ETag becomes weak, because the bytes change."""
    headers["content-encoding"] = encodings.partition(",")[0]
    headers.add_vary_header("Accept-Encoding")
    del headers["content-length"]
    tag = headers.get("etag", "")
    if tag.startswith('"'):
        headers["etag"] = f"W/{tag}"
    elif tag and not tag.startswith("W/"):
        del headers["etag"]
