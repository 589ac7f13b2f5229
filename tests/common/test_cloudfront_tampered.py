"""Ten thousand links and sessions that somebody changed: none of them opens anything."""

from __future__ import annotations

import base64
import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from links import NOW, changed_bits, key_pair, request

from common.cloudfront import UrlSigner
from localaws.cloudfront.signed import PARAMETERS, Refused, check

SITE = "https://videos.example.com"
URL = f"{SITE}/videos/1/video.mp4"
LATER = NOW + 300
PAIRS = {"KRSA1": key_pair(), "KECDSA1": key_pair("ecdsa"), "KOTHER1": key_pair("ecdsa")}
FOREIGN = key_pair("ecdsa")
"""Trusted by another distribution, not by this one."""
KEYS = {key_id: pair.public for key_id, pair in PAIRS.items()}
RSA, ECDSA = (UrlSigner(key_id, PAIRS[key_id].private) for key_id in ("KRSA1", "KECDSA1"))


class Visit(NamedTuple):
    """What a viewer sends: a URL, and cookies."""

    url: str
    cookies: tuple[tuple[str, str], ...] = ()


def session(signer: UrlSigner, resource: str) -> tuple[tuple[str, str], ...]:
    return tuple(signer.cookies(resource, LATER).items())


CANNED = [signer.url(URL + query, LATER) for signer in (RSA, ECDSA) for query in ("", "?size=large&q=%2F")]
EXACT = [*CANNED, *(signer.url(URL, LATER, source="127.0.0.1", starts=NOW) for signer in (RSA, ECDSA))]
WILD = [signer.url(URL, LATER, resource=f"{SITE}/videos/1/*") for signer in (RSA, ECDSA)]
SESSIONS = [Visit(URL, session(signer, f"{SITE}/videos/1/*")) for signer in (RSA, ECDSA)]


def admitted(visit: Visit, keys: dict[str, bytes] = KEYS, now: float = NOW, viewer: str = "127.0.0.1") -> bool:
    try:
        check(request(visit.url, viewer, dict(visit.cookies)), keys, now)
    except Refused:
        return False
    return True


def changed_bytes(text: str) -> Iterator[str]:
    """Yield *text*, Base64 of a URL, with each bit of what it stands for changed."""
    data = base64.b64decode(text.translate(str.maketrans("-_~", "+=/")))
    for at, bit in itertools.product(range(len(data)), range(8)):
        changed = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
        yield base64.b64encode(changed).decode().translate(str.maketrans("+=/", "-_~"))


def parameters(url: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in url.partition("?")[2].split("&"))


def bits_of_links() -> Iterator[Visit]:
    for link in EXACT:
        start = link.index("/videos")
        for rest in changed_bits(link[start:]):  # path, names, values: all that a viewer sends
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
    # What a wildcard opens is meant to be open; these leave its folder, or are spelt in another way.
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
    """A path with the signature of another, which was signed as well; each by chance, the same in each run."""
    chosen = random.Random(4)
    numbers = [str(chosen.randrange(1, 1000)) for _ in range(60)]
    signed = [ECDSA.url(f"{SITE}/videos/{n}/video.mp4", LATER + int(n)) for n in sorted(set(numbers))]
    for one, other in itertools.permutations(signed, 2):
        path = one.partition("?")[0]
        theirs = parameters(other)
        taken = chosen.choice((("Signature",), ("Signature", "Expires"), ("Expires",)))
        mixed = parameters(one) | {name: theirs[name] for name in taken}
        yield Visit(f"{path}?" + "&".join(f"{name}={value}" for name, value in mixed.items()))


def test_what_was_signed_opens() -> None:
    assert all(map(admitted, [*(Visit(link) for link in (*EXACT, *WILD)), *SESSIONS]))


def test_ten_thousand_that_somebody_changed_do_not_open() -> None:
    changed = {
        *bits_of_links(),
        *bits_of_sessions(),
        *other_paths(),
        *other_parameters(),
        *swapped_parts(),
    } - {Visit(link) for link in (*EXACT, *WILD)}

    opened = [visit for visit in changed if admitted(visit)]

    assert opened == []
    assert len(changed) > 10_000


@pytest.mark.parametrize("visit", [*map(Visit, (*EXACT, *WILD)), *SESSIONS])
def test_a_key_that_is_not_trusted_here_opens_nothing(visit: Visit) -> None:
    foreign = {"KRSA1": FOREIGN.public, "KECDSA1": FOREIGN.public}

    assert not admitted(visit, keys={})
    assert not admitted(visit, keys=foreign)
    assert not admitted(visit, now=LATER)
