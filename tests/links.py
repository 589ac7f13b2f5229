"""Keys and random links to private content, the same in each run."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from starlette.datastructures import Headers

from localaws.cloudfront.key import Request

NOW = 1_767_225_600
_TEXT = "abcXYZ019-._~!$&'()*+,;=:@ /?#[]%\"<>\\^`{|}äé漢🎬"


class KeyPair(NamedTuple):
    """PEM texts."""

    private: str
    public: bytes


def key_pair(kind: str = "rsa", bits: int = 2048) -> KeyPair:
    """Return new keys of *kind*, rsa or ecdsa."""
    key = rsa.generate_private_key(65537, bits) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    return KeyPair(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


class Link(NamedTuple):
    """A URL, and what its policy says."""

    url: str
    expires: int
    starts: int | None = None
    source: str | None = None
    resource: str | None = None

    @property
    def viewer(self) -> str:
        """An address that may open it."""
        return (self.source or "127.0.0.1/32").partition("/")[0]

    @property
    def canned(self) -> bool:
        return self.starts is self.source is self.resource is None


def links(number: int) -> list[Link]:
    """Return *number* links, of which half have a custom policy; their URLs have all that a URL may have."""
    chosen = random.Random(4)
    return [_link(chosen, custom=n % 2 == 1) for n in range(number)]


def _link(chosen: random.Random, *, custom: bool) -> Link:
    path = "/".join(quote(_text(chosen), safe="!$&'()*+,;=:@") for _ in range(chosen.randint(1, 4)))
    query = urlencode([(_text(chosen), _text(chosen)) for _ in range(chosen.choice((0, 0, 1, 2, 3)))])
    host = chosen.choice(("https://d111111abcdef8.cloudfront.net", "https://www.example.com", "http://127.0.0.1:4503"))
    url = f"{host}/{path}" + (f"?{query}" if query else "")
    link = Link(url, NOW + chosen.randint(1, 10_000_000))
    if not custom:
        return link
    return link._replace(
        starts=chosen.choice((None, NOW - chosen.randint(0, 1000))),
        source=chosen.choice((None, "192.0.2.0/24", "203.0.113.9/32", "0.0.0.0/0")),
        resource=chosen.choice((url, f"{host}/*", "http*://*", f"{host}/{'?' * len(path)}*")),
    )


def _text(chosen: random.Random) -> str:
    return "x" + "".join(chosen.choices(_TEXT, k=chosen.randint(0, 12)))


def changed_bits(text: str) -> Iterator[str]:
    """Yield *text* with each of its bits changed, one at a time."""
    for at, bit in itertools.product(range(len(text)), range(8)):
        yield text[:at] + chr(ord(text[at]) ^ 1 << bit) + text[at + 1 :]


def request(url: str, viewer: str = "127.0.0.1", cookies: dict[str, str] | None = None) -> Request:
    """Return what an edge gets of a viewer who opens *url*."""
    host, slash, rest = url.partition("://")[2].partition("/")
    path, _, query = rest.partition("?")
    headers = {"host": host}
    if cookies:
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return Request("GET", slash + path, query, Headers(headers), viewer)
