"""Response headers policies: CORS, security and custom headers, and removal of headers.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/understanding-response-headers-policies.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from starlette.datastructures import Headers, MutableHeaders

EVERY_METHOD = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

type Field = tuple[str, str, bool]
"""Name, value, and whether it overrides the origin's header."""


def apply(policy: Mapping[str, Any], method: str, request: Headers, headers: MutableHeaders) -> None:
    """Apply the policy to the *headers* of a response."""
    if not policy:
        return
    for name, value, override in (*_cors(policy.get("CorsConfig", {}), method, request), *_fields(policy)):
        if override:
            headers[name] = value
        else:
            headers.setdefault(name, value)
    for removed in policy.get("RemoveHeadersConfig", {}).get("Items", []):
        del headers[removed["Header"]]


def _cors(config: Mapping[str, Any], method: str, request: Headers) -> Iterator[Field]:
    origin = request.get("origin")
    allowed = config.get("AccessControlAllowOrigins", {}).get("Items", [])
    if origin is None or not any(fnmatchcase(origin, pattern) for pattern in allowed):
        return
    override = config["OriginOverride"]
    yield "access-control-allow-origin", "*" if "*" in allowed else origin, override
    if config.get("AccessControlAllowCredentials"):
        yield "access-control-allow-credentials", "true", override
    lists = {"access-control-expose-headers": "AccessControlExposeHeaders"}
    if method == "OPTIONS":
        lists |= {
            "access-control-allow-headers": "AccessControlAllowHeaders",
            "access-control-allow-methods": "AccessControlAllowMethods",
        }
        if "AccessControlMaxAgeSec" in config:
            yield "access-control-max-age", str(config["AccessControlMaxAgeSec"]), override
    for name, member in lists.items():
        if items := config.get(member, {}).get("Items"):
            yield name, ", ".join(EVERY_METHOD if items == ["ALL"] else items), override


def _fields(policy: Mapping[str, Any]) -> Iterator[Field]:
    for custom in policy.get("CustomHeadersConfig", {}).get("Items", []):
        yield custom["Header"], custom["Value"], custom["Override"]
    security = policy.get("SecurityHeadersConfig", {})
    for member, name, value in (
        ("ContentTypeOptions", "x-content-type-options", lambda _: "nosniff"),
        ("FrameOptions", "x-frame-options", lambda config: config["FrameOption"]),
        ("ReferrerPolicy", "referrer-policy", lambda config: config["ReferrerPolicy"]),
        ("ContentSecurityPolicy", "content-security-policy", lambda config: config["ContentSecurityPolicy"]),
        ("StrictTransportSecurity", "strict-transport-security", _strict_transport_security),
        ("XSSProtection", "x-xss-protection", _xss_protection),
    ):
        if member in security:
            yield name, value(security[member]), security[member]["Override"]


def _strict_transport_security(config: Mapping[str, Any]) -> str:
    flags = {"IncludeSubdomains": "; includeSubDomains", "Preload": "; preload"}
    return f"max-age={config['AccessControlMaxAgeSec']}" + "".join(
        text for flag, text in flags.items() if config.get(flag)
    )


def _xss_protection(config: Mapping[str, Any]) -> str:
    if not config["Protection"]:
        return "0"
    report = f"; report={config['ReportUri']}" if config.get("ReportUri") else ""
    return "1" + ("; mode=block" if config.get("ModeBlock") else "") + report
