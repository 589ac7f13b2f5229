"""How long CloudFront caches a response, by the origin's headers and the TTLs of the cache policy.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Expiration.html
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/custom-error-pages-expiration.html
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.datastructures import Headers
from werkzeug.datastructures import ResponseCacheControl
from werkzeug.http import parse_cache_control_header, parse_date

from localaws.cloudfront.distribution import CachePolicy

ERRORS_ALWAYS_CACHED = frozenset({404, 410, 414, 500, 501, 502, 503, 504})
ERRORS_CACHED_IF_EXPLICIT = frozenset({400, 403, 405, 412, 415})
ERRORS_NOT_CACHED_IF_FORBIDDEN = frozenset({404, 410, 414, 501})


@dataclass(frozen=True)
class Lifetime:
    """How long a response is fresh, and then may be served stale: during revalidation, or on an origin error.

    All values are in seconds. A response that is not *storable* is not cached at all.
    """

    fresh: float
    while_revalidate: float = 0
    if_error: float = math.inf
    storable: bool = True


NOT_STORED = Lifetime(0, storable=False)


def lifetime(status: int, headers: Headers, policy: CachePolicy, error_caching_min_ttl: float, now: float) -> Lifetime:
    """Return the lifetime of an origin's response that arrives at *now*, in epoch seconds."""
    control = _cache_control(headers)
    forbidden = control.no_store or control.no_cache is not None or control.private is not None
    explicit = _explicit_lifetime(control, headers, now)
    if status >= 400:
        return _error_lifetime(status, forbidden, explicit, policy.max_ttl, error_caching_min_ttl)
    if policy.max_ttl == 0:
        return NOT_STORED
    if forbidden or "*" in headers.get("vary", ""):
        if policy.min_ttl == 0 and (control.no_store or control.private is not None or not forbidden):
            return NOT_STORED
        fresh = policy.min_ttl
    elif explicit is None:
        fresh = max(policy.min_ttl, policy.default_ttl)
    else:
        fresh = max(policy.min_ttl, min(explicit, policy.max_ttl))
    # Store an object that is never fresh only if it can be revalidated.
    storable = fresh > 0 or "etag" in headers or "last-modified" in headers
    return Lifetime(fresh, *_stale(control, policy.max_ttl), storable)


def _stale(control: ResponseCacheControl, max_ttl: float) -> tuple[float, float]:
    """Return the seconds of stale-while-revalidate and stale-if-error, limited by the maximum TTL.

    Without `stale-if-error`, CloudFront serves an expired object on errors until it is evicted. `must-revalidate` does
    not change that; `stale-if-error=0` does.
    """
    if_error = control.stale_if_error
    return (
        min(control.stale_while_revalidate or 0, max_ttl),
        math.inf if if_error is None else min(if_error, max_ttl),
    )


def _error_lifetime(status: int, forbidden: bool, explicit: float | None, max_ttl: float, min_ttl: float) -> Lifetime:
    """Return the lifetime of an error. Of the cache policy, only the maximum TTL applies.

    So CloudFront caches errors even if the policy disables caching.
    """
    cached = status in ERRORS_ALWAYS_CACHED or (status in ERRORS_CACHED_IF_EXPLICIT and explicit is not None)
    if not cached or (forbidden and status in ERRORS_NOT_CACHED_IF_FORBIDDEN):
        return NOT_STORED
    fresh = max(min_ttl, min(explicit or 0, max_ttl))
    return Lifetime(fresh, if_error=0, storable=fresh > 0)


def _explicit_lifetime(control: ResponseCacheControl, headers: Headers, now: float) -> float | None:
    """Return the remaining seconds of the explicit freshness lifetime, or None if the origin sets none.

    `s-maxage` takes precedence over `max-age`, and `max-age` over `Expires`; RFC 9111, section 4.2.1.
    """
    age = headers.get("age", "")
    passed = int(age) if re.fullmatch("[0-9]{1,10}", age) else 0
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
