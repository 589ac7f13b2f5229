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
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from starlette.datastructures import MutableHeaders

from sandbox.edge.key import Request

PARAMETERS = ("Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm")
COOKIE = "CloudFront-"
HASHES = {"SHA1": SHA1, "SHA256": SHA256}


class Refused(Exception):
    """What CloudFront answers 403 with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.page = (
            f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        ).encode()


MISSING_KEY = Refused("MissingKey", "Missing Key-Pair-Id query parameter or cookie value")
UNKNOWN_KEY = Refused("InvalidKey", "Unknown Key")
MALFORMED_POLICY = Refused("MalformedPolicy", "Malformed Policy")
MALFORMED_SIGNATURE = Refused("MalformedSignature", "Could not unencode Signature")
DENIED = Refused("AccessDenied", "Access denied")


def check(request: Request, keys: Mapping[str, bytes], now: float) -> Request:
    """Return the request without its signature; raise Refused unless one of *keys* signed it and it is still good.

    A signature in the URL goes before one in cookies. The time is that of the request: a download goes on after it.
    """
    bare, given = _without_signature(request)
    if "/.." in unquote(bare.path):
        raise DENIED  # a resource with a wildcard would open what is outside of it
    key_id = given.get("Key-Pair-Id")
    if key_id is None:
        raise MISSING_KEY
    if key_id not in keys:
        raise UNKNOWN_KEY
    signature = _decode(given.get("Signature", ""), MALFORMED_SIGNATURE)
    digest = given.get("Hash-Algorithm", "SHA1")
    urls = _urls(bare)
    if "Policy" in given:
        policy = _decode(given["Policy"], MALFORMED_POLICY)
        genuine = _signed(keys[key_id], signature, policy, digest)
    else:
        # A canned policy is not sent: it is made again of the URL and the time.
        policies = [_canned_policy(url, given.get("Expires", "")) for url in urls]
        policy = next((text for text in policies if _signed(keys[key_id], signature, text, digest)), b"")
        genuine = bool(policy)
    if not genuine or not _allows(policy, urls, request.client, now):
        raise DENIED
    return bare


def _without_signature(request: Request) -> tuple[Request, dict[str, str]]:
    parameters = [part for part in request.query.split("&") if part]
    in_url = [part for part in parameters if part.partition("=")[0] in PARAMETERS]
    cookies = [part.strip() for part in request.headers.get("cookie", "").split(";") if part.strip()]
    in_cookies = [part.removeprefix(COOKIE) for part in cookies if part.startswith(COOKIE)]
    headers = MutableHeaders(raw=list(request.headers.raw))
    headers["cookie"] = "; ".join(part for part in cookies if not part.startswith(COOKIE))
    query = "&".join(part for part in parameters if part not in in_url)
    found = {name: unquote(value) for name, _, value in (part.partition("=") for part in in_url or in_cookies)}
    return replace(request, query=query, headers=headers), found


def _urls(request: Request) -> list[str]:
    """The URL that was signed, under both schemes: on loopback http stands for https."""
    rest = f"://{request.headers.get('host', '')}{request.path}" + (f"?{request.query}" if request.query else "")
    return ["http" + rest, "https" + rest]


def _canned_policy(url: str, expires: str) -> bytes:
    if not re.fullmatch(r"\d{1,12}", expires):
        raise DENIED
    condition = f'{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}'
    return f'{{"Statement":[{{"Resource":"{url}","Condition":{condition}}}]}}'.encode()


def _decode(text: str, refusal: Refused) -> bytes:
    """Base64 with `-`, `_` and `~` for `+`, `=` and `/`."""
    try:
        return base64.b64decode(text.translate(str.maketrans("-_~", "+=/")), validate=True)
    except (binascii.Error, ValueError):
        raise refusal from None


def _signed(key: bytes, signature: bytes, policy: bytes, digest: str) -> bool:
    public, algorithm = _load(key), HASHES.get(digest, SHA1)()
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
    try:
        (statement,) = json.loads(policy)["Statement"]
        condition = statement["Condition"]
        ends = condition["DateLessThan"]["AWS:EpochTime"]
        starts = condition.get("DateGreaterThan", {}).get("AWS:EpochTime", 0)
        network = ip_network(condition.get("IpAddress", {}).get("AWS:SourceIp", "0.0.0.0/0"), strict=False)
        resource = _wildcards(statement.get("Resource", "*"))
        return starts <= now < ends and ip_address(client) in network and any(map(resource.fullmatch, urls))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MALFORMED_POLICY from None


def _wildcards(resource: str) -> re.Pattern[str]:
    return re.compile(re.escape(resource).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
