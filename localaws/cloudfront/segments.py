"""Segments: ranges of an object that is not cached are fetched in segments, each cached as an object of its own.

"If the cache doesn't contain the requested range, CloudFront forwards the request to the origin. (To optimize
performance, CloudFront may request a larger range than the client requested in the Range GET.)"
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RangeGETs.html

So a viewer that resumes a download near its end does not wait for the beginning. If the range is near the beginning, or
near the bytes that are arriving, the edge fetches the full object instead, which serves all viewers.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.datastructures import MutableHeaders
from werkzeug.http import parse_range_header

from localaws.cloudfront.cache import Entry
from localaws.cloudfront.origins import IncompleteResponse

SEGMENT = 8 << 20
LENGTH_ONLY = "0-0"

_CONTENT_RANGE = re.compile(r"bytes (\d+-\d+)/(\d+)")


def segment_range(first: int) -> str:
    """Return the range of the segment with byte *first*. For a suffix, return one byte, to find the object's length."""
    if first < 0:
        return LENGTH_ONLY
    begin = first - first % SEGMENT
    return f"{begin}-{begin + SEGMENT - 1}"


def far_byte(header: str, stored: Entry | None) -> int | None:
    """Return the first requested byte if it is far beyond the stored bytes of the object, else None."""
    requested = parse_range_header(header)
    if requested is None or requested.units != "bytes" or (stored and stored.body.complete):
        return None
    first = requested.ranges[0][0]
    if stored and first < 0 and stored.body.length is not None:
        first = max(first + stored.body.length, 0)
    return first if first < 0 or first >= (stored.body.size if stored else 0) + SEGMENT else None


class Segments:
    """An object that is read in segments of one version. *fetch* returns the segment of a range."""

    def __init__(self, first: Entry, length: int, fetch: Callable[[str], Awaitable[Entry | None]]) -> None:
        self.length = length
        self._version = first.validators
        self._fetch = fetch

    async def read(self, first: int = 0, after: int | None = None) -> AsyncIterator[memoryview]:
        """Yield the bytes from *first* up to, not including, *after*.

        Raises IncompleteResponse if the origin has another version now.
        """
        after = self.length if after is None else after
        while first < after:
            entry = await self._fetch(segment_range(first))
            if entry is None or entry.status != 206 or entry.validators != self._version:
                raise IncompleteResponse
            start = first % SEGMENT
            stop = min(SEGMENT, start + after - first)
            async for view in entry.body.read(start, stop):
                yield view
            first += stop - start


def total_length(entry: Entry) -> int | None:
    """Return the length of the full object if *entry* is the segment of its key, else None."""
    found = _CONTENT_RANGE.fullmatch(entry.headers.get("content-range", ""))
    if entry.status != 206 or not found or not _is_requested(found[1], entry.key.byte_range, int(found[2])):
        return None
    return int(found[2])


def _is_requested(sent: str, requested: str, length: int) -> bool:
    first, _, last = requested.partition("-")
    return sent == f"{first}-{min(int(last), length - 1)}"


def object_headers(entry: Entry) -> MutableHeaders:
    """Return the headers of the full object from those of a segment."""
    headers = MutableHeaders(raw=list(entry.headers.raw))
    del headers["content-range"]
    del headers["content-length"]
    return headers
