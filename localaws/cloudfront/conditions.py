"""Conditional requests to cached objects: RFC 9110, section 13."""

from __future__ import annotations

from starlette.datastructures import Headers
from werkzeug.http import parse_date, parse_etags, unquote_etag


def failed_precondition(request: Headers, stored: Headers) -> int | None:
    """Evaluate the conditions in the order of section 13.2.2. Return 304, 412, or None to send the object."""
    if "if-match" in request:
        if not _matches(request["if-match"], stored, strong=True):
            return 412
    elif "if-unmodified-since" in request and _modified(request["if-unmodified-since"], stored):
        return 412
    if "if-none-match" in request:
        return 304 if _matches(request["if-none-match"], stored) else None
    if "if-modified-since" in request and not _modified(request["if-modified-since"], stored):
        return 304
    return None


def range_applies(request: Headers, stored: Headers) -> bool:
    """Return whether the Range header applies: there is no If-Range, or it matches the stored version."""
    condition = request.get("if-range")
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return _matches(condition, stored, strong=True)
    return condition == stored.get("last-modified")


def _matches(condition: str, stored: Headers, *, strong: bool = False) -> bool:
    tag, weak = unquote_etag(stored.get("etag"))
    if tag is None:
        return False
    tags = parse_etags(condition)
    return (not weak and tags.is_strong(tag)) or tags.star_tag if strong else tags.contains_weak(tag)


def _modified(since: str, stored: Headers) -> bool:
    asked, changed = parse_date(since), parse_date(stored.get("last-modified"))
    return asked is None or changed is None or changed > asked
