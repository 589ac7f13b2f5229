"""Ten thousand modified links and sessions: the edge rejects all of them."""

from __future__ import annotations

import base64
import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from links import NOW, changed_bits, key_pair, request

from common.cloudfront import UrlSigner
from localaws.cloudfront.signed import PARAMETERS, Forbidden, check

SITE = "https://videos.example.com"
URL = f"{SITE}/videos/1/video.mp4"
LATER = NOW + 300
PAIRS = {"KRSA1": key_pair(), "KECDSA1": key_pair("ecdsa"), "KOTHER1": key_pair("ecdsa")}
FOREIGN = key_pair("ecdsa")
"""Trusted by another distribution, not by this one."""
KEYS = {key_id: pair.public for key_id, pair in PAIRS.items()}
RSA, ECDSA = (UrlSigner(key_id, PAIRS[key_id].private) for key_id in ("KRSA1", "KECDSA1"))


class Visit(NamedTuple):
    """A viewer's URL and cookies."""

    url: str
    cookies: tuple[tuple[str, str], ...] = ()


def session(signer: UrlSigner, resource: str) -> tuple[tuple[str, str], ...]:
    return tuple(signer.cookies(resource, LATER).items())


CANNED = [signer.url(URL + query, LATER) for signer in (RSA, ECDSA) for query in ("", "?size=large&q=%2F")]
EXACT = [*CANNED, *(signer.url(URL, LATER, source="127.0.0.1", starts=NOW) for signer in (RSA, ECDSA))]
WILD = [signer.url(URL, LATER, resource=f"{SITE}/videos/1/*") for signer in (RSA, ECDSA)]
SESSIONS = [Visit(URL, session(signer, f"{SITE}/videos/1/*")) for signer in (RSA, ECDSA)]


def is_allowed(visit: Visit, keys: dict[str, bytes] = KEYS, now: float = NOW, viewer: str = "127.0.0.1") -> bool:
    try:
        check(request(visit.url, viewer, dict(visit.cookies)), keys, now)
    except Forbidden:
        return False
    return True


def changed_bytes(text: str) -> Iterator[str]:
    """Yield *text*, URL-safe Base64, once for each bit of its data, with that bit flipped."""
    data = base64.b64decode(text.translate(str.maketrans("-_~", "+=/")))
    for at, bit in itertools.product(range(len(data)), range(8)):
        changed = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
        yield base64.b64encode(changed).decode().translate(str.maketrans("+=/", "-_~"))


def parameters(url: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in url.partition("?")[2].split("&"))


def bits_of_links() -> Iterator[Visit]:
    for link in EXACT:
        start = link.index("/videos")
        for rest in changed_bits(link[start:]):  # path, parameter names and values
            yield Visit(link[:start] + rest)
    for link in WILD:
        for name in {"Signature", "Policy"} & parameters(link).keys():
            value = parameters(link)[name]
            for changed in changed_bytes(value):
                yield Visit(link.replace(value, changed))


def bits_of_sessions() -> Iterator[Visit]:
    for url, cookies in SESSIONS:
        for n, (name, value) in enumerate(cookies):
            for changed in changed_bytes(value) if name != "CloudFront-Key-Pair-Id" else changed_bits(value):
                yield Visit(url, (*cookies[:n], (name, changed), *cookies[n + 1 :]))


def other_paths() -> Iterator[Visit]:
    paths = [
        *(
            "/videos/10/video.mp4",
            "/videos/2/video.mp4",
            "/videos/1",
            "/videos/1/",
            "/videos/",
            "/",
            "/videos//1/video.mp4",
        ),
        *("/videos%2F1%2Fvideo.mp4", "/videos/1%2fvideo.mp4", "/%76ideos/1/video.mp4", "/videos/%31/video.mp4"),
        *(
            "/videos/./1/video.mp4",
            "/videos/2/../1/video.mp4",
            "/videos/1/../2/video.mp4",
            "/videos/1/..%2f2/video.mp4",
        ),
        *("/videos/1/%2e%2e/2/video.mp4", "/videos/1/%2E%2E%2F2/video.mp4", "/videos/1/.%2e/2/video.mp4"),
        *("/videos/1/..;/2/video.mp4", "/VIDEOS/1/video.mp4", "/videos/1/video.mp4/", "/videos/1/video.mp4%00"),
        *(
            "/videos/1/video.mp4;a=b",
            "/videos/1/video.mp4%20",
            "/videos/1\\video.mp4",
            "/videos/*",
            "/videos/?/video.mp4",
        ),
        "/posters/../videos/1/video.mp4",
    ]
    for link, path in itertools.product(EXACT, paths):
        yield Visit(link.replace("/videos/1/video.mp4", path))
    # A wildcard allows its folder, so try only paths that leave it, and other spellings of its path.
    outside = [path for path in paths if not path.startswith("/videos/1/") or "2/video" in path]
    for path in outside:
        yield from (Visit(link.replace("/videos/1/video.mp4", path)) for link in WILD)
        yield from (Visit(SITE + path, cookies) for _, cookies in SESSIONS)


def other_parameters() -> Iterator[Visit]:
    for link in (*EXACT, *WILD):
        given = parameters(link)
        for name in {*given} & {*PARAMETERS}:
            part = f"{name}={given[name]}"
            later = f"{name}={LATER + 900}"
            for changed in (
                f"{part}&{part}",
                f"{part}&{later}",
                f"{later}&{part}",
                f"{part}&{name}",
                "",
                part.lower(),
                later,
            ):
                yield Visit(link.replace(part, changed))
            yield Visit(link.replace(part, f"{part}A"))
            yield Visit(link.replace(part, part[:-1]))
        yield Visit(link.replace("KRSA1", "KECDSA1") if "KRSA1" in link else link.replace("KECDSA1", "KRSA1"))
        yield Visit(link.replace("KRSA1", "KOTHER1").replace("KECDSA1", "KOTHER1"))
        yield Visit(f"{link}&Hash-Algorithm=SHA256")
        yield Visit(f"{link}&Hash-Algorithm=MD5")
    for link in EXACT:
        yield from (Visit(link + more) for more in ("&", "&a=b", "&&", "?", "&Size=large"))
        yield from (Visit(link.replace("?", more, 1)) for more in ("?a=b&", "?&", "??", "&"))
        yield Visit(link.replace("videos.example.com", "videos.example.org"))


def swapped_parts() -> Iterator[Visit]:
    """Yield paths with random parameters of another signed URL. The order is the same in each run."""
    chosen = random.Random(4)
    numbers = [str(chosen.randrange(1, 1000)) for _ in range(60)]
    signed = [ECDSA.url(f"{SITE}/videos/{n}/video.mp4", LATER + int(n)) for n in sorted(set(numbers))]
    for one, other in itertools.permutations(signed, 2):
        path = one.partition("?")[0]
        theirs = parameters(other)
        taken = chosen.choice((("Signature",), ("Signature", "Expires"), ("Expires",)))
        mixed = parameters(one) | {name: theirs[name] for name in taken}
        yield Visit(f"{path}?" + "&".join(f"{name}={value}" for name, value in mixed.items()))


def test_signed_links_and_sessions_are_allowed() -> None:
    assert all(map(is_allowed, [*(Visit(link) for link in (*EXACT, *WILD)), *SESSIONS]))


def test_ten_thousand_modified_links_and_sessions_are_rejected() -> None:
    changed = {
        *bits_of_links(),
        *bits_of_sessions(),
        *other_paths(),
        *other_parameters(),
        *swapped_parts(),
    } - {Visit(link) for link in (*EXACT, *WILD)}

    allowed = [visit for visit in changed if is_allowed(visit)]

    assert allowed == []
    assert len(changed) > 10_000


@pytest.mark.parametrize("visit", [*map(Visit, (*EXACT, *WILD)), *SESSIONS])
def test_a_key_that_is_not_trusted_is_rejected(visit: Visit) -> None:
    foreign = {"KRSA1": FOREIGN.public, "KECDSA1": FOREIGN.public}

    assert not is_allowed(visit, keys={})
    assert not is_allowed(visit, keys=foreign)
    assert not is_allowed(visit, now=LATER)
