"""Signed URLs and signed cookies, checked against the public keys of the behavior's trusted key groups.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-urls.html
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-cookies.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Network, ip_address
from typing import Any
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from starlette.datastructures import MutableHeaders

from localaws.cloudfront.key import ViewerRequest

PARAMETERS = ("Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm")
COOKIE = "CloudFront-"
COOKIES = tuple(COOKIE + name for name in PARAMETERS)
HASHES: dict[str, type[HashAlgorithm]] = {"SHA1": SHA1, "SHA256": SHA256}
MAX_EPOCH_TIME = 2**31 - 1
FROM_URL_SAFE, TO_URL_SAFE = str.maketrans("-_~", "+=/"), str.maketrans("+=/", "-_~")


class Forbidden(Exception):
    """A signed request that CloudFront rejects with 403. *page* is the body of the response."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.page = (
            f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        ).encode()


MISSING_KEY = Forbidden("MissingKey", "Missing Key-Pair-Id query parameter or cookie value")
UNKNOWN_KEY = Forbidden("InvalidKey", "Unknown Key")
MALFORMED_POLICY = Forbidden("MalformedPolicy", "Malformed Policy")
MALFORMED_SIGNATURE = Forbidden("MalformedSignature", "Could not unencode Signature")
DENIED = Forbidden("AccessDenied", "Access denied")


def check(request: ViewerRequest, keys: Mapping[str, bytes], now: float) -> ViewerRequest:
    """Return the request without its signature. Raise Forbidden unless one of *keys* signed it and its policy matches.

    A signature in the URL takes precedence over one in cookies. Expiry is checked only when the request starts: a
    running download continues.
    """
    bare, url, given = _without_signature(request)
    if "/.." in unquote(bare.path):
        raise DENIED  # dot segments could leave the resource of a wildcard policy
    key_id = given.get("Key-Pair-Id")
    if not key_id:
        raise MISSING_KEY
    if key_id not in keys:
        raise UNKNOWN_KEY
    signature = _decode(given.get("Signature", ""), MALFORMED_SIGNATURE)
    digest = HASHES.get(given.get("Hash-Algorithm", "SHA1"))
    if digest is None:
        raise DENIED
    # URLs are signed for https, and served over http on loopback.
    urls = [f"{scheme}://{url}" for scheme in ("http", "https")]
    if "Policy" in given:
        policies = [_decode(given["Policy"], MALFORMED_POLICY)]
    else:
        # A canned policy is not in the URL: build it from the URL and the expiry time.
        policies = [_canned_policy(each, given.get("Expires", "")) for each in urls]
    policy = next((text for text in policies if _signed(keys[key_id], signature, text, digest())), None)
    if policy is None or not _allows(policy, urls, request.client, now):
        raise DENIED
    return bare


def _without_signature(request: ViewerRequest) -> tuple[ViewerRequest, str, dict[str, str]]:
    """Return the request for cache and origin, the signed URL without its scheme, and the signature parameters."""
    parameters = request.query.split("&") if request.query else []
    in_url = [part for part in parameters if _name(part) in PARAMETERS]
    if len(set(map(_name, in_url))) < len(in_url):
        raise DENIED  # a repeated parameter is ambiguous
    own = [part for part in parameters if part not in in_url]
    cookies = [part.strip() for line in request.headers.getlist("cookie") for part in line.split(";")]
    in_cookies = [part for part in cookies if _name(part) in COOKIES]
    headers = MutableHeaders(raw=list(request.headers.raw))
    headers["cookie"] = "; ".join(part for part in cookies if part and part not in in_cookies)
    bare = replace(request, query="&".join(own), headers=headers)
    url = headers.get("host", "") + bare.path + (f"?{bare.query}" if own else "")
    # Of cookies with the same name, browsers send the one with the longest path first (RFC 6265, section 5.4).
    given = in_url or [part.removeprefix(COOKIE) for part in reversed(in_cookies)]
    return bare, url, {_name(part): unquote(part.partition("=")[2]) for part in given}


def _name(part: str) -> str:
    return part.partition("=")[0]


def _canned_policy(url: str, expires: str) -> bytes:
    if not re.fullmatch(r"[0-9]{1,10}", expires):
        raise MALFORMED_POLICY
    condition = f'{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}'
    text = f'{{"Statement":[{{"Resource":"{url}","Condition":{condition}}}]}}'
    return text.encode("utf-8", "surrogateescape")


def _decode(text: str, error: Forbidden) -> bytes:
    """Decode Base64 with `-`, `_` and `~` for `+`, `=` and `/`. Reject non-canonical encodings with unused bits set."""
    try:
        data = base64.b64decode(text.translate(FROM_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        raise error from None
    if base64.b64encode(data).decode().translate(TO_URL_SAFE) != text:
        raise error
    return data


def _signed(key: bytes, signature: bytes, policy: bytes, algorithm: HashAlgorithm) -> bool:
    public = _load(key)
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, policy, padding.PKCS1v15(), algorithm)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, policy, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True


@lru_cache(64)
def _load(key: bytes) -> Any:
    return load_pem_public_key(key)


def _allows(policy: bytes, urls: list[str], client: str, now: float) -> bool:
    """Return whether the policy allows the request. Times are 32-bit integers, and addresses are IPv4."""
    try:
        (statement,) = json.loads(policy)["Statement"]
        condition = statement["Condition"]
        ends = condition["DateLessThan"]["AWS:EpochTime"]
        starts = condition.get("DateGreaterThan", {}).get("AWS:EpochTime", 0)
        source = condition.get("IpAddress", {}).get("AWS:SourceIp")
        here = source is None or ip_address(client) in IPv4Network(source, strict=False)
        resource = _wildcards(statement.get("Resource", "*"))
        if not 0 <= starts <= MAX_EPOCH_TIME or not 0 <= ends <= MAX_EPOCH_TIME:
            raise MALFORMED_POLICY
        return starts <= now < ends and here and any(map(resource.fullmatch, urls))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MALFORMED_POLICY from None


def _wildcards(resource: str) -> re.Pattern[str]:
    return re.compile(re.escape(resource).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
