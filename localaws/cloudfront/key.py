"""The cache key of a viewer's request, and the headers and query string that are forwarded to the origin.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/understanding-the-cache-key.html
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_plus

from starlette.datastructures import Headers, MutableHeaders
from werkzeug.http import parse_accept_header

from localaws.cloudfront.distribution import Behavior, CachePolicy, Names

ALWAYS_FORWARDED = frozenset(
    {
        *("cache-control", "content-encoding", "content-language", "content-length", "content-md5", "content-type"),
        *("date", "from", "pragma", "warning", "range"),
        *("if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"),
    }
)
RANGE_AND_CONDITIONS = frozenset(
    {"range", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"}
)
NEVER_FORWARDED = frozenset(
    {
        *("accept-encoding", "connection", "cookie", "expect", "host", "keep-alive", "proxy-authenticate", "te"),
        *("proxy-authorization", "proxy-connection", "trailer", "transfer-encoding", "upgrade", "user-agent", "via"),
        *("x-forwarded-for", "x-forwarded-proto", "x-real-ip"),
    }
)


@dataclass(frozen=True)
class ViewerRequest:
    """A viewer's request, possibly changed by a function. Path and query string are not decoded."""

    method: str
    path: str
    query: str
    headers: Headers
    client: str


@dataclass(frozen=True)
class CacheKey:
    """The identity of a cached object."""

    method: str
    path: str
    query: str
    headers: tuple[str | None, ...]
    cookies: str
    encodings: str
    byte_range: str = ""
    """The first and last byte of a segment, for example `0-8388607`, or empty for the full object."""


def cache_key(request: ViewerRequest, policy: CachePolicy) -> CacheKey:
    """Return the cache key by the cache policy. HEAD uses the object that is cached for GET."""
    headers = request.headers
    return CacheKey(
        "GET" if request.method == "HEAD" else request.method,
        request.path,
        query_string(request.query, policy.query_strings),
        tuple(headers.get(name) for name in sorted(policy.headers.names)),
        cookie_header(headers.get("cookie", ""), policy.cookies),
        encodings(headers.get("accept-encoding", ""), policy.gzip, policy.brotli),
    )


@lru_cache(1024)
def encodings(accepted: str, gzip: bool, brotli: bool) -> str:
    """Return the normalized Accept-Encoding: `br,gzip`, `br`, `gzip` or an empty string.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cache-key-understand-cache-policy.html
    """
    weights = {name.lower(): weight for name, weight in parse_accept_header(accepted)}
    return ",".join(name for name, on in (("br", brotli), ("gzip", gzip)) if on and weights.get(name, 0) > 0)


def query_string(query: str, *selections: Names) -> str:
    """Return the query string with only the parameters in any of *selections*, in their original order."""
    return _select(query, "&", (unquote_plus(part.partition("=")[0]) for part in query.split("&")), selections)


def cookie_header(cookies: str, *selections: Names) -> str:
    """Return the Cookie header with only the cookies in any of *selections*."""
    return _select(cookies, ";", (part.partition("=")[0].strip() for part in cookies.split(";")), selections).strip()


def _select(text: str, separator: str, names: Iterable[str], selections: tuple[Names, ...]) -> str:
    if not text or all(names.behavior == "none" for names in selections):
        return ""
    parts = zip(text.split(separator), names, strict=True)
    return separator.join(part for part, name in parts if any(name in allowed for allowed in selections))


def origin_query(request: ViewerRequest, behavior: Behavior) -> str:
    """Return the query string that is forwarded to the origin."""
    return query_string(request.query, behavior.cache_policy.query_strings, behavior.origin_request.query_strings)


def origin_headers(request: ViewerRequest, behavior: Behavior, *, for_cache: bool) -> dict[str, str]:
    """Return the headers that are forwarded to the origin. *for_cache* omits the viewer's range and conditions."""
    policy, more = behavior.cache_policy, behavior.origin_request
    viewer = request.headers
    sent = {}
    for name in set(viewer.keys()) - NEVER_FORWARDED:
        always = name in ALWAYS_FORWARDED or (name == "authorization" and _forwards_authorization(request, behavior))
        if always or name in policy.headers or name in more.headers:
            sent[name] = ", ".join(viewer.getlist(name))
    if for_cache:
        sent = {name: value for name, value in sent.items() if name not in RANGE_AND_CONDITIONS}
    for name in ("host", "user-agent", "accept-encoding"):
        if name in viewer and (name in policy.headers or name in more.headers):
            sent[name] = viewer[name]
    sent.setdefault("user-agent", "Amazon CloudFront")
    if policy.gzip or policy.brotli:
        sent["accept-encoding"] = encodings(viewer.get("accept-encoding", ""), policy.gzip, policy.brotli)
    sent["cookie"] = cookie_header("; ".join(viewer.getlist("cookie")), policy.cookies, more.cookies)
    sent["x-forwarded-for"] = ", ".join([*viewer.getlist("x-forwarded-for"), request.client])
    return {name: value for name, value in sent.items() if value}


def _forwards_authorization(request: ViewerRequest, behavior: Behavior) -> bool:
    """Return whether Authorization is forwarded without a policy: only for methods that are not cached."""
    return request.method not in behavior.cached_methods


def viewer_headers(headers: MutableHeaders, behavior: Behavior) -> None:
    """Remove Set-Cookie, and the names in Vary, from an origin's headers if the behavior does not forward them."""
    policy, more = behavior.cache_policy, behavior.origin_request
    if policy.cookies.behavior == more.cookies.behavior == "none":
        del headers["set-cookie"]
    if vary := headers.get("vary"):
        names = (name.strip() for name in vary.split(","))
        kept = [
            name
            for name in names
            if name.lower() in ("accept-encoding", "cookie", "*")
            or name.lower() in policy.headers
            or name.lower() in more.headers
        ]
        headers["vary"] = ", ".join(kept)
        if not kept:
            del headers["vary"]
