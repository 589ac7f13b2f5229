"""Key pairs, and random links to private content that are the same in each run."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from starlette.datastructures import Headers

from localaws.cloudfront.key import ViewerRequest

NOW = 1_767_225_600
_TEXT = "abcXYZ019-._~!$&'()*+,;=:@ /?#[]%\"<>\\^`{|}äé漢🎬"


class KeyPair(NamedTuple):
    """A private and a public key in PEM."""

    private: str
    public: bytes


def key_pair(kind: str = "rsa", bits: int = 2048) -> KeyPair:
    """Return a new key pair of *kind*, `rsa` or `ecdsa`."""
    key = rsa.generate_private_key(65537, bits) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    return KeyPair(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


class Link(NamedTuple):
    """A URL and the conditions of its policy. Times are in epoch seconds."""

    url: str
    expires: int
    starts: int | None = None
    source: str | None = None
    resource: str | None = None

    @property
    def viewer(self) -> str:
        """An address that the policy allows."""
        return (self.source or "127.0.0.1/32").partition("/")[0]

    @property
    def canned(self) -> bool:
        return self.starts is self.source is self.resource is None


def links(number: int) -> list[Link]:
    """Return *number* links with all kinds of characters in their URLs. Half of them have a custom policy."""
    generator = random.Random(4)
    return [_link(generator, custom=n % 2 == 1) for n in range(number)]


def _link(generator: random.Random, *, custom: bool) -> Link:
    path = "/".join(quote(_text(generator), safe="!$&'()*+,;=:@") for _ in range(generator.randint(1, 4)))
    query = urlencode([(_text(generator), _text(generator)) for _ in range(generator.choice((0, 0, 1, 2, 3)))])
    host = generator.choice(
        ("https://d111111abcdef8.cloudfront.net", "https://www.example.com", "http://127.0.0.1:4503")
    )
    url = f"{host}/{path}" + (f"?{query}" if query else "")
    link = Link(url, NOW + generator.randint(1, 10_000_000))
    if not custom:
        return link
    return link._replace(
        starts=generator.choice((None, NOW - generator.randint(0, 1000))),
        source=generator.choice((None, "192.0.2.0/24", "203.0.113.9/32", "0.0.0.0/0")),
        resource=generator.choice((url, f"{host}/*", "http*://*", f"{host}/{'?' * len(path)}*")),
    )


def _text(generator: random.Random) -> str:
    return "x" + "".join(generator.choices(_TEXT, k=generator.randint(0, 12)))


def changed_bits(text: str) -> Iterator[str]:
    """Yield *text* once for each of its bits, with that bit flipped."""
    for at, bit in itertools.product(range(len(text)), range(8)):
        yield text[:at] + chr(ord(text[at]) ^ 1 << bit) + text[at + 1 :]


def request(url: str, viewer: str = "127.0.0.1", cookies: dict[str, str] | None = None) -> ViewerRequest:
    """Return the request that an edge receives from a viewer who opens *url*."""
    host, slash, rest = url.partition("://")[2].partition("/")
    path, _, query = rest.partition("?")
    headers = {"host": host}
    if cookies:
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return ViewerRequest("GET", slash + path, query, Headers(headers), viewer)
