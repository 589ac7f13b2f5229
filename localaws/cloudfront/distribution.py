"""The configuration of a distribution and of all resources that it references, as one immutable value.

https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_DistributionConfig.html
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from localaws.allowed_pages import is_local

DEFAULT_ERROR_CACHING_MIN_TTL = 10


@dataclass(frozen=True)
class Names:
    """The headers, cookies or query strings of a policy: none, all, a whitelist, or all except a list."""

    behavior: str = "none"
    names: frozenset[str] = frozenset()

    def __contains__(self, name: object) -> bool:
        if self.behavior == "whitelist":
            return name in self.names
        if self.behavior == "allExcept":
            return name not in self.names
        return self.behavior != "none"


@dataclass(frozen=True)
class CachePolicy:
    """A cache policy: TTLs in seconds, and the parts of the cache key besides the path."""

    min_ttl: float
    default_ttl: float
    max_ttl: float
    headers: Names = Names()
    cookies: Names = Names()
    query_strings: Names = Names()
    gzip: bool = False
    brotli: bool = False


@dataclass(frozen=True)
class OriginRequestPolicy:
    """An origin request policy: the values that are sent to the origin besides the cache key."""

    headers: Names = Names()
    cookies: Names = Names()
    query_strings: Names = Names()


@dataclass(frozen=True)
class Origin:
    """An origin. Timeouts are in seconds."""

    id: str
    domain: str
    path: str
    is_s3: bool
    custom_headers: tuple[tuple[str, str], ...]
    https_only: bool
    http_port: int
    https_port: int
    read_timeout: float
    connection_timeout: float
    connection_attempts: int


@dataclass(frozen=True)
class Failover:
    """The second origin of an origin group, and the statuses of the first one after which it is asked."""

    origin: Origin
    statuses: frozenset[int]


@dataclass(frozen=True)
class ErrorResponse:
    """A custom error response. *page_path* is empty if there is no page."""

    caching_min_ttl: float
    page_path: str
    response_code: int


@dataclass(frozen=True)
class Behavior:
    """A cache behavior with its policies, functions and keys."""

    path_pattern: re.Pattern[str]
    origin: Origin
    failover: Failover | None
    """None if the target is an origin and not an origin group."""
    allowed_methods: frozenset[str]
    cached_methods: frozenset[str]
    compress: bool
    cache_policy: CachePolicy
    origin_request: OriginRequestPolicy
    response_headers: Mapping[str, Any]
    functions: Mapping[str, bytes]
    trusted_keys: Mapping[str, bytes] | None
    """Public keys by id, or None if the behavior requires no signature."""


@dataclass(frozen=True)
class Distribution:
    """The configuration of a distribution. The last behavior is the default and matches every path."""

    id: str
    domain: str
    aliases: tuple[str, ...]
    """Alternate domain names. `*.` stands for one label."""
    enabled: bool
    default_root_object: str
    cache_tag_header: str
    behaviors: tuple[Behavior, ...]
    errors: Mapping[int, ErrorResponse]

    def behavior(self, path: str) -> Behavior:
        """Return the first behavior whose path pattern matches the normalized path (RFC 3986).

        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesCacheBehavior.html
        """
        path = normalized(path)
        return next(behavior for behavior in self.behaviors if behavior.path_pattern.fullmatch(path))

    def has_domain(self, host: str) -> bool:
        """Return whether the distribution answers requests with this Host. At its local address it always does.

        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/http-403-permission-denied.html
        """
        name = _host_name(host)
        wildcard = f"*.{name.partition('.')[2]}"
        return is_local(name) or bool({name, wildcard} & {self.domain, *self.aliases})

    def error_caching_min_ttl(self, status: int) -> float:
        """Return the seconds for which an error is cached at least."""
        error = self.errors.get(status)
        return error.caching_min_ttl if error else DEFAULT_ERROR_CACHING_MIN_TTL


@lru_cache(1024)
def _host_name(host: str) -> str:
    """Return the name in a Host header, in lower case."""
    return urlsplit(f"//{host.lower()}").hostname or ""


def normalized(path: str) -> str:
    """Return the path as an origin may interpret it: decoded, without dot segments or empty segments."""
    if "%" in path or "/." in path or "//" in path:
        closing = "/" if path.endswith("/") else ""
        path = posixpath.normpath("/" + unquote(path).lstrip("/")).rstrip("/") + closing
    return path or "/"


def load(cloudfront: Any, distribution_id: str) -> Distribution:
    """Load the current configuration of a distribution."""
    distribution = cloudfront.get_distribution(Id=distribution_id)["Distribution"]
    config = distribution["DistributionConfig"]
    origins = {item["Id"]: _origin(item) for item in config["Origins"]["Items"]}
    targets: dict[str, _Target] = {name: (origin, None) for name, origin in origins.items()}
    targets |= {group["Id"]: _origin_group(group, origins) for group in _items(config.get("OriginGroups"))}
    policies = _Policies(cloudfront)
    behaviors = [*_items(config.get("CacheBehaviors")), {"PathPattern": "*", **config["DefaultCacheBehavior"]}]
    return Distribution(
        id=distribution_id,
        domain=distribution["DomainName"],
        aliases=tuple(alias.lower() for alias in _items(config.get("Aliases"))),
        enabled=config.get("Enabled", True),
        default_root_object=config.get("DefaultRootObject", ""),
        cache_tag_header=config.get("CacheTagConfig", {}).get("HeaderName", "").lower(),
        behaviors=tuple(_behavior(item, targets, policies) for item in behaviors),
        errors={item["ErrorCode"]: _error_response(item) for item in _items(config.get("CustomErrorResponses"))},
    )


class _Policies:
    """The policies, functions and keys that a distribution references, each loaded once."""

    def __init__(self, cloudfront: Any) -> None:
        self.cache: Callable[[str], CachePolicy] = cache(
            lambda policy: _cache_policy(cloudfront.get_cache_policy(Id=policy)["CachePolicy"]["CachePolicyConfig"])
        )
        self.origin_request: Callable[[str], OriginRequestPolicy] = cache(
            lambda policy: OriginRequestPolicy(
                *_selected(
                    cloudfront.get_origin_request_policy(Id=policy)["OriginRequestPolicy"]["OriginRequestPolicyConfig"]
                )
            )
        )
        self.response_headers: Callable[[str], Mapping[str, Any]] = cache(
            lambda policy: cloudfront.get_response_headers_policy(Id=policy)["ResponseHeadersPolicy"][
                "ResponseHeadersPolicyConfig"
            ]
        )
        self.function: Callable[[str], bytes] = cache(
            lambda arn: cloudfront.get_function(Name=arn.rpartition("/")[2], Stage="LIVE")["FunctionCode"].read()
        )
        self.key_group: Callable[[str], list[str]] = cache(
            lambda group: cloudfront.get_key_group(Id=group)["KeyGroup"]["KeyGroupConfig"]["Items"]
        )
        self.public_key: Callable[[str], bytes] = cache(
            lambda key: cloudfront.get_public_key(Id=key)["PublicKey"]["PublicKeyConfig"]["EncodedKey"].encode()
        )

    def trusted_keys(self, behavior: dict[str, Any]) -> dict[str, bytes] | None:
        groups = behavior.get("TrustedKeyGroups", {})
        if groups.get("Enabled"):
            return {key: self.public_key(key) for group in _items(groups) for key in self.key_group(group)}
        # Trusted signers use keys of the account's root user, which do not exist here, so no signature is valid.
        return {} if behavior.get("TrustedSigners", {}).get("Enabled") else None


type _Target = tuple[Origin, Failover | None]


def _behavior(item: dict[str, Any], targets: Mapping[str, _Target], policies: _Policies) -> Behavior:
    origin, failover = targets[item["TargetOriginId"]]
    methods = item.get("AllowedMethods", {})
    cache_policy = policies.cache(item["CachePolicyId"]) if "CachePolicyId" in item else _legacy_cache_settings(item)
    return Behavior(
        path_pattern=_glob(item["PathPattern"]),
        origin=origin,
        failover=failover,
        allowed_methods=frozenset(_items(methods) or ["GET", "HEAD"]),
        cached_methods=frozenset(_items(methods.get("CachedMethods")) or ["GET", "HEAD"]),
        compress=item.get("Compress", False),
        cache_policy=cache_policy,
        origin_request=_optional(policies.origin_request, item.get("OriginRequestPolicyId"), OriginRequestPolicy()),
        response_headers=_optional(policies.response_headers, item.get("ResponseHeadersPolicyId"), {}),
        functions={
            function["EventType"]: policies.function(function["FunctionARN"])
            for function in _items(item.get("FunctionAssociations"))
        },
        trusted_keys=policies.trusted_keys(item),
    )


def _optional[T](read: Callable[[str], T], policy: str | None, default: T) -> T:
    return read(policy) if policy else default


def _glob(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a path pattern: `*` is any characters, `?` one; the first slash is optional."""
    globbed = re.escape("/" + pattern.removeprefix("/")).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(".*" if pattern == "*" else globbed, re.DOTALL)


def _cache_policy(config: dict[str, Any]) -> CachePolicy:
    key = config.get("ParametersInCacheKeyAndForwardedToOrigin", {})
    min_ttl = config["MinTTL"]
    return CachePolicy(
        min_ttl,
        config.get("DefaultTTL", max(86_400, min_ttl)),
        config.get("MaxTTL", max(31_536_000, min_ttl)),
        *_selected(key),
        gzip=key.get("EnableAcceptEncodingGzip", False),
        brotli=key.get("EnableAcceptEncodingBrotli", False),
    )


def _selected(config: dict[str, Any]) -> tuple[Names, Names, Names]:
    headers, cookies = config.get("HeadersConfig", {}), config.get("CookiesConfig", {})
    query_strings = config.get("QueryStringsConfig", {})
    return (
        Names(headers.get("HeaderBehavior", "none"), frozenset(map(str.lower, _items(headers.get("Headers"))))),
        Names(cookies.get("CookieBehavior", "none"), frozenset(_items(cookies.get("Cookies")))),
        Names(query_strings.get("QueryStringBehavior", "none"), frozenset(_items(query_strings.get("QueryStrings")))),
    )


def _legacy_cache_settings(item: dict[str, Any]) -> CachePolicy:
    """Return the cache policy that corresponds to the legacy ForwardedValues and TTLs of a behavior."""
    values = item.get("ForwardedValues", {})
    cookies = values.get("Cookies", {})
    headers = frozenset(name.lower() for name in _items(values.get("Headers")))
    # "If you configure CloudFront to forward all headers, CloudFront never caches the associated objects."
    never = "*" in headers
    return CachePolicy(
        item.get("MinTTL", 0),
        0 if never else item.get("DefaultTTL", 86_400),
        0 if never else item.get("MaxTTL", 31_536_000),
        Names("all" if never else "whitelist", headers),
        Names(cookies.get("Forward", "none"), frozenset(_items(cookies.get("WhitelistedNames")))),
        Names("all" if values.get("QueryString") else "none"),
        gzip=item.get("Compress", False),
    )


def _origin(item: dict[str, Any]) -> Origin:
    custom = item.get("CustomOriginConfig", {})
    return Origin(
        id=item["Id"],
        domain=item["DomainName"],
        path=item.get("OriginPath", ""),
        is_s3="S3OriginConfig" in item,
        custom_headers=tuple(
            (header["HeaderName"].lower(), header["HeaderValue"]) for header in _items(item.get("CustomHeaders"))
        ),
        https_only=custom.get("OriginProtocolPolicy") == "https-only",
        http_port=custom.get("HTTPPort", 80),
        https_port=custom.get("HTTPSPort", 443),
        read_timeout=custom.get("OriginReadTimeout", 30),
        connection_timeout=item.get("ConnectionTimeout", 10),
        connection_attempts=item.get("ConnectionAttempts", 3),
    )


def _origin_group(group: dict[str, Any], origins: Mapping[str, Origin]) -> _Target:
    """https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_OriginGroup.html"""
    first, second = (origins[member["OriginId"]] for member in group["Members"]["Items"])
    return first, Failover(second, frozenset(group["FailoverCriteria"]["StatusCodes"]["Items"]))


def _error_response(item: dict[str, Any]) -> ErrorResponse:
    return ErrorResponse(
        caching_min_ttl=item.get("ErrorCachingMinTTL", DEFAULT_ERROR_CACHING_MIN_TTL),
        page_path=item.get("ResponsePagePath", ""),
        response_code=int(item.get("ResponseCode") or item["ErrorCode"]),
    )


def _items(listed: dict[str, Any] | None) -> list[Any]:
    items: list[Any] = (listed or {}).get("Items", [])
    return items
