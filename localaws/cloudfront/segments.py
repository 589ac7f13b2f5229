"""Ranges of an object that is not here: fetched by segments, each kept as an object of its own.

"If the cache doesn't contain the requested range, CloudFront forwards the request to the origin. (To optimize
performance, CloudFront may request a larger range than the client requested in the Range GET.)"
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RangeGETs.html

So a viewer who goes on with a download at its end does not wait for its beginning. Near the beginning, or near what is
arriving anyway, the whole object is asked for, which serves everyone.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.datastructures import MutableHeaders
from werkzeug.http import parse_range_header

from localaws.cloudfront.cache import Entry
from localaws.cloudfront.origins import BrokenOff

SEGMENT = 8 << 20
LENGTH_ONLY = "0-0"

_CONTENT_RANGE = re.compile(r"bytes (\d+-\d+)/(\d+)")


def part(first: int) -> str:
    """Return the range of the segment with byte *first*; of a suffix, whose place is not known yet, the shortest."""
    if first < 0:
        return LENGTH_ONLY
    begin = first - first % SEGMENT
    return f"{begin}-{begin + SEGMENT - 1}"


def far_byte(header: str, whole: Entry | None) -> int | None:
    """Return the first byte that is asked for if it is far from all that is here of the object, else None."""
    asked = parse_range_header(header)
    if asked is None or asked.units != "bytes" or (whole and whole.body.complete):
        return None
    first = asked.ranges[0][0]
    if whole and first < 0 and whole.body.length is not None:
        first = max(first + whole.body.length, 0)
    return first if first < 0 or first >= (whole.body.size if whole else 0) + SEGMENT else None


class Segments:
    """An object read by segments of one version; *fetch* gives the one that is asked for by its range."""

    def __init__(self, first: Entry, length: int, fetch: Callable[[str], Awaitable[Entry | None]]) -> None:
        self.length = length
        self._version = first.validators
        self._fetch = fetch

    async def read(self, first: int = 0, after: int | None = None) -> AsyncIterator[memoryview]:
        """Yield the bytes from *first* to before *after*. Raises BrokenOff where the origin has another version now."""
        after = self.length if after is None else after
        while first < after:
            entry = await self._fetch(part(first))
            if entry is None or entry.status != 206 or entry.validators != self._version:
                raise BrokenOff
            start = first % SEGMENT
            stop = min(SEGMENT, start + after - first)
            async for view in entry.body.read(start, stop):
                yield view
            first += stop - start


def total(entry: Entry) -> int | None:
    """Return the length of the whole object if *entry* is the part of it that its key names, else None."""
    found = _CONTENT_RANGE.fullmatch(entry.headers.get("content-range", ""))
    if entry.status != 206 or not found or not _is_asked(found[1], entry.key.part, int(found[2])):
        return None
    return int(found[2])


def _is_asked(sent: str, asked: str, length: int) -> bool:
    first, _, last = asked.partition("-")
    return sent == f"{first}-{min(int(last), length - 1)}"


def whole_headers(entry: Entry) -> MutableHeaders:
    """Return the headers of the whole object that *entry* is a part of."""
    headers = MutableHeaders(raw=list(entry.headers.raw))
    del headers["content-range"]
    del headers["content-length"]
    return headers
