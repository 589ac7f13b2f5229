"""Range requests: parsing of the Range header, and multipart/byteranges.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RangeGETs.html
"""

from __future__ import annotations

from itertools import pairwise

from werkzeug.http import parse_range_header

type Span = tuple[int, int]
"""The position of the first byte, and of the byte after the last."""

BOUNDARY = "CloudFront-3d5e9d8f6a1b4c27"


class NotSatisfiable(Exception):
    """No requested range has a byte of the object; the status is 416."""


def spans(header: str | None, length: int) -> list[Span] | None:
    """Return the requested spans, or None for the full object.

    Ranges that are malformed, overlap or do not ascend get the full object with 200. Raises NotSatisfiable.
    """
    requested = parse_range_header(header)
    if requested is None or requested.units != "bytes":
        return None
    found = [_span(first, after, length) for first, after in requested.ranges]
    satisfiable = [(first, after) for first, after in found if first < after]
    if not satisfiable:
        raise NotSatisfiable
    if any(first < after for (_, after), (first, _) in pairwise(satisfiable)):
        return None  # a suffix such as -500 may overlap
    return satisfiable


def _span(first: int, after: int | None, length: int) -> Span:
    if first < 0:
        return max(length + first, 0), length
    return first, length if after is None else min(after, length)


def content_range(span: Span, length: int) -> str:
    return f"bytes {span[0]}-{span[1] - 1}/{length}"


def part_header(span: Span, length: int, content_type: str) -> bytes:
    """Return the boundary and headers of a part of multipart/byteranges; RFC 9110, section 14.6."""
    return (
        f"\r\n--{BOUNDARY}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range(span, length)}\r\n\r\n"
    ).encode("latin-1")


CLOSING_BOUNDARY = f"\r\n--{BOUNDARY}--\r\n".encode()
