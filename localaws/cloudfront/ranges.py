"""Range requests: which bytes of an object a viewer asks for, and the framing of several ranges.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RangeGETs.html
"""

from __future__ import annotations

from itertools import pairwise

from werkzeug.http import parse_range_header

type Span = tuple[int, int]
"""First byte, and the byte after the last."""

BOUNDARY = "CloudFront-3d5e9d8f6a1b4c27"


class NotSatisfiable(Exception):
    """No range that is asked for has a byte of the object; 416."""


def spans(header: str | None, length: int) -> list[Span] | None:
    """Return the spans asked for, or None for the whole object.

    Ranges that are malformed, overlap or do not ascend get the whole object with 200.
    """
    asked = parse_range_header(header)
    if asked is None or asked.units != "bytes":
        return None
    found = [_span(first, after, length) for first, after in asked.ranges]
    satisfiable = [(first, after) for first, after in found if first < after]
    if not satisfiable:
        raise NotSatisfiable
    if any(first < after for (_, after), (first, _) in pairwise(satisfiable)):
        return None  # only now known, of a suffix such as -500
    return satisfiable


def _span(first: int, after: int | None, length: int) -> Span:
    if first < 0:
        return max(length + first, 0), length
    return first, length if after is None else min(after, length)


def content_range(span: Span, length: int) -> str:
    return f"bytes {span[0]}-{span[1] - 1}/{length}"


def part_header(span: Span, length: int, content_type: str) -> bytes:
    """Return what goes before a part of multipart/byteranges; RFC 9110, section 14.6."""
    return (
        f"\r\n--{BOUNDARY}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range(span, length)}\r\n\r\n"
    ).encode("latin-1")


CLOSE = f"\r\n--{BOUNDARY}--\r\n".encode()
