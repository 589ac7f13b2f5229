"""How long CloudFront keeps a response, by the origin's headers and the TTLs of the cache policy.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Expiration.html
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/custom-error-pages-expiration.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.datastructures import Headers
from werkzeug.datastructures import ResponseCacheControl
from werkzeug.http import parse_cache_control_header, parse_date

from localaws.cloudfront.distribution import CachePolicy

ERRORS_ALWAYS_CACHED = frozenset({404, 410, 414, 500, 501, 502, 503, 504})
ERRORS_CACHED_IF_TOLD = frozenset({400, 403, 405, 412, 415})
ERRORS_NOT_CACHED_IF_TOLD = frozenset({404, 410, 414, 501})


@dataclass(frozen=True)
class Lifetime:
    """Seconds that a response is fresh, and then may be served stale while revalidating or on the origin's error."""

    fresh: float
    while_revalidate: float = 0
    if_error: float = math.inf
    storable: bool = True


NOT_STORED = Lifetime(0, storable=False)


def lifetime(status: int, headers: Headers, policy: CachePolicy, error_caching_min_ttl: float, now: float) -> Lifetime:
    """Return for how long the origin's response may be used."""
    control = _cache_control(headers)
    forbidden = control.no_store or control.no_cache is not None or control.private is not None
    told = _told(control, headers, now)
    if status >= 400:
        return _error_lifetime(status, forbidden, told, policy.max_ttl, error_caching_min_ttl)
    if policy.max_ttl == 0:
        return NOT_STORED
    if forbidden or "*" in headers.get("vary", ""):
        if policy.min_ttl == 0 and (control.no_store or control.private is not None or not forbidden):
            return NOT_STORED
        fresh = policy.min_ttl
    elif told is None:
        fresh = max(policy.min_ttl, policy.default_ttl)
    else:
        fresh = max(policy.min_ttl, min(told, policy.max_ttl))
    # An object that is never fresh is worth keeping only to ask the origin whether it has changed.
    storable = fresh > 0 or "etag" in headers or "last-modified" in headers
    return Lifetime(fresh, *_stale(control, policy.max_ttl), storable)


def _stale(control: ResponseCacheControl, max_ttl: float) -> tuple[float, float]:
    """Directives are held to the maximum TTL; without `stale-if-error` an expired object serves until it is evicted.

    `must-revalidate` does not stop CloudFront from serving what has expired; `stale-if-error=0` does.
    """
    if_error = control.stale_if_error
    return (
        min(control.stale_while_revalidate or 0, max_ttl),
        math.inf if if_error is None else min(if_error, max_ttl),
    )


def _error_lifetime(status: int, forbidden: bool, told: float | None, max_ttl: float, min_ttl: float) -> Lifetime:
    """The rules of errors know no cache policy but for its maximum TTL: an error is kept even where caching is off."""
    cached = status in ERRORS_ALWAYS_CACHED or (status in ERRORS_CACHED_IF_TOLD and told is not None)
    if not cached or (forbidden and status in ERRORS_NOT_CACHED_IF_TOLD):
        return NOT_STORED
    fresh = max(min_ttl, min(told or 0, max_ttl))
    return Lifetime(fresh, if_error=0, storable=fresh > 0)


def _told(control: ResponseCacheControl, headers: Headers, now: float) -> float | None:
    """Return the seconds of freshness left that the origin gives, None where it gives none.

    `s-maxage` goes before `max-age`, which goes before `Expires`; RFC 9111, section 4.2.1.
    """
    age = headers.get("age", "")
    passed = int(age) if age.isdecimal() else 0
    for seconds in (control.s_maxage, control.max_age):
        if seconds is not None:
            return seconds - passed
    if "expires" not in headers:
        return None
    expires = parse_date(headers["expires"])
    # "A cache recipient MUST interpret invalid date formats as representing a time in the past"; section 5.3.
    return (expires - datetime.fromtimestamp(now, UTC)).total_seconds() if expires else 0


def _cache_control(headers: Headers) -> ResponseCacheControl:
    return parse_cache_control_header(", ".join(headers.getlist("cache-control")), cls=ResponseCacheControl)
