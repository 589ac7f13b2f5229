"""CloudFront's signed URLs and signed cookies.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-urls.html
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-cookies.html
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any, Literal
from urllib.parse import quote

import msgspec

type Hash = Literal["SHA1", "SHA256"]
type Sign = Callable[[bytes], bytes]
type Backend = Callable[[str, Hash], Sign]
"""Returns the function that signs with a private key and a hash algorithm."""

_LATEST = 2**31 - 1
"""The last time that a policy can name: CloudFront reads times as 32-bit integers."""

_LEGAL = "!#$%&'()*+,/:;=?@[]~"
"""Characters that are not escaped, besides letters, digits, ``-``, ``.`` and ``_``. A ``%`` starts an escape."""

_USUAL_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/[A-Za-z0-9!$%'()*+,/:;@\[\]~._-]*")
"""A URL without a query, which is signed as it is. Almost all are, and this is one check instead of three."""

_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/[^#]*")
_RESERVED = re.compile(r"[?&](Expires|Policy|Signature|Key-Pair-Id|Hash-Algorithm)(?=[=&]|$)")
_CANNED = b'{"Statement":[{"Resource":%b,"Condition":{"DateLessThan":{"AWS:EpochTime":%d}}}]}'
_ALPHABET = bytes.maketrans(b"+=/", b"-_~")


class UrlSigner:
    """Signs with one private key of a trusted key group.

    *key_id* is CloudFront's id of the public key. *private_key* is a PEM text without a password: RSA, or ECDSA on
    curve P-256, which gives shorter links. SHA-1 is CloudFront's default; with *hash_algorithm* SHA256 a link has one
    more parameter, and a session one more cookie, that names the algorithm. Raises ValueError for any other key.
    """

    def __init__(
        self,
        key_id: str,
        private_key: str,
        *,
        hash_algorithm: Hash = "SHA1",
        backend: Backend | None = None,
    ) -> None:
        self._sign = (backend or _fastest)(private_key, hash_algorithm)
        self._key = {"Key-Pair-Id": key_id} | ({} if hash_algorithm == "SHA1" else {"Hash-Algorithm": hash_algorithm})
        self._parameters = "".join(f"&{name}={value}" for name, value in self._key.items())

    def __repr__(self) -> str:
        return f"UrlSigner({self._key['Key-Pair-Id']!r})"

    def url(
        self,
        url: str,
        expires: int,
        *,
        starts: int | None = None,
        source: str | None = None,
        resource: str | None = None,
    ) -> str:
        """Return *url* signed, valid until *expires*; times are seconds since 1970.

        The policy is canned, unless one of these requires a custom one: *starts*, the time from which the URL is valid;
        *source*, the only IPv4 address or range (CIDR) that may use it; *resource*, all that the same policy opens,
        where ``*`` matches any characters and ``?`` matches one.

        The URL is signed as it is sent: characters that a URL may not contain, such as ``é``, are percent-encoded, and
        all others are left. So quote a name that somebody else chose: its ``*`` would act as a wildcard if a client
        turned the canned policy into a custom one, and browsers escape a ``'`` in a query. Raises ValueError for a URL
        with a fragment, without a path, or with a parameter that CloudFront reserves, and for an invalid policy.

        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html
        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-custom-policy.html
        """
        url = _on_the_wire(url)
        policy = _policy(url if resource is None else _encoded(resource), expires, starts, source)
        canned = starts is None and source is None and resource is None
        separator = "&" if "?" in url else "?"
        terms = f"Expires={expires}" if canned else f"Policy={_base64(policy)}"
        return f"{url}{separator}{terms}&Signature={_base64(self._sign(policy))}{self._parameters}"

    def cookies(
        self, resource: str, expires: int, *, starts: int | None = None, source: str | None = None
    ) -> dict[str, str]:
        """Return the names and values of the cookies that open *resource* until *expires*.

        A *resource* with ``*`` (any characters) or ``?`` (one character) can match many files and requires a custom
        policy, as *starts* and *source* do; see `url`. Set the cookies without Expires and Max-Age, with Secure and
        HttpOnly, and with the narrowest Path: browsers then send them nowhere else, and drop them with the session.

        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-setting-signed-cookie-canned-policy.html
        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-setting-signed-cookie-custom-policy.html
        """
        canned = starts is None and source is None and not {"*", "?"} & set(resource)
        policy = _policy(_on_the_wire(resource) if canned else _encoded(resource), expires, starts, source)
        terms = {"Expires": str(expires)} if canned else {"Policy": _base64(policy)}
        signed = terms | {"Signature": _base64(self._sign(policy))} | self._key
        return {f"CloudFront-{name}": value for name, value in signed.items()}


def signer(secret: str) -> UrlSigner:
    """Return the signer with the key in *secret*, the text ``{"key_id": …, "private_key": …}``."""
    key = msgspec.json.decode(secret)
    return UrlSigner(key["key_id"], key["private_key"])


def _policy(resource: str, expires: int, starts: int | None, source: str | None) -> bytes:
    """Return the policy. CloudFront builds a canned one itself: without spaces, and with the members in this order."""
    if not (starts or 0) < expires <= _LATEST:
        raise ValueError(f"expires: {expires} is not after the start and at most {_LATEST}")
    if source is None and starts is None:
        return _CANNED % (msgspec.json.encode(resource), expires)
    condition: dict[str, Any] = {"DateLessThan": {"AWS:EpochTime": expires}}
    if source is not None:
        condition["IpAddress"] = {"AWS:SourceIp": str(IPv4Network(source))}
    if starts is not None:
        condition["DateGreaterThan"] = {"AWS:EpochTime": starts}
    return msgspec.json.encode({"Statement": [{"Resource": resource, "Condition": condition}]})


def _on_the_wire(url: str) -> str:
    if _USUAL_URL.fullmatch(url):
        return url
    url = _encoded(url)
    if not _URL.fullmatch(url):
        raise ValueError("url: not an absolute http or https URL with a path and without a fragment")
    if reserved := _RESERVED.search(url):
        raise ValueError(f"url: has a parameter {reserved[1]}, which CloudFront reserves")
    return url


def _encoded(text: str) -> str:
    return quote(text, safe=_LEGAL)


def _base64(data: bytes) -> str:
    """Return Base64 with CloudFront's alphabet, which is safe in query strings and cookies."""
    return b2a_base64(data, newline=False).translate(_ALPHABET).decode("ascii")


def _fastest(private_key: str, hash_algorithm: Hash) -> Sign:
    try:
        return with_cryptography(private_key, hash_algorithm)
    except ImportError:
        return with_rsa(private_key, hash_algorithm)


def with_cryptography(private_key: str, hash_algorithm: Hash) -> Sign:
    """Return a function that signs with the package ``cryptography``, in native code: RSA and ECDSA."""
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    algorithm = {"SHA1": SHA1, "SHA256": SHA256}[hash_algorithm]()
    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError):
        raise ValueError("private_key: not a PEM without a password") from None
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = padding.PKCS1v15()
        return lambda policy: key.sign(policy, scheme, algorithm)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        ecdsa = ec.ECDSA(algorithm)
        return lambda policy: key.sign(policy, ecdsa)
    raise ValueError("private_key: neither RSA nor ECDSA on P-256")


def with_rsa(private_key: str, hash_algorithm: Hash) -> Sign:
    """Return a function that signs with the package ``rsa``, in pure Python: portable, slow, and without ECDSA."""
    import rsa
    from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped]

    name = {"SHA1": "SHA-1", "SHA256": "SHA-256"}[hash_algorithm]
    try:
        key = rsa.PrivateKey.load_pkcs1(_pkcs1(private_key), "DER")
    except PyAsn1Error:
        raise ValueError("private_key: a PEM that holds no private key") from None
    return lambda policy: rsa.sign(policy, key, name)


def _pkcs1(private_key: str) -> bytes:
    """Return the RSA key in a PEM text as PKCS #1, unwrapped from PKCS #8 if needed (RFC 5208, section 5)."""
    from pyasn1.codec.der import decoder  # type: ignore[import-untyped]
    from rsa import pem

    if "-----BEGIN RSA PRIVATE KEY-----" in private_key:
        return bytes(pem.load_pem(private_key, "RSA PRIVATE KEY"))
    if "-----BEGIN PRIVATE KEY-----" in private_key:
        _, algorithm, wrapped = decoder.decode(pem.load_pem(private_key, "PRIVATE KEY"))[0][:3]
        if str(algorithm[0]) == "1.2.840.113549.1.1.1":
            return bytes(wrapped)
    raise ValueError("private_key: not RSA, and only the package cryptography signs with other keys")
