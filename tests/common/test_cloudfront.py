"""Signed URLs and cookies, compared with those of botocore, OpenSSL and AWS's signer for Node.js."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from links import NOW, Link, key_pair, links, request

from common.cloudfront import Backend, Hash, UrlSigner, signer, with_cryptography, with_rsa
from common.secrets import Secret
from localaws.cloudfront.signed import check

ROOT = Path(__file__).parents[2]
URL = "https://d111111abcdef8.cloudfront.net/videos/1/video.mp4"
LATER = NOW + 300
RSA, ECDSA = key_pair(), key_pair("ecdsa")
SMALL = key_pair(bits=1024)
"""For the signer in Python alone, which needs twenty times as long for a key of the size that CloudFront takes."""

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs the command openssl")
needs_node = pytest.mark.skipif(
    not (shutil.which("node") and (ROOT / "node_modules").exists()), reason="needs Node.js: make node_modules"
)


def botocore_signer(private_key: str) -> CloudFrontSigner:
    key = load_pem_private_key(private_key.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return CloudFrontSigner("KEXAMPLE", lambda policy: key.sign(policy, padding.PKCS1v15(), SHA1()))  # noqa: S303


def botocore_url(signer: CloudFrontSigner, link: Link) -> str:
    if link.canned:
        expires = datetime.fromtimestamp(link.expires, UTC)
        return str(signer.generate_presigned_url(link.url, date_less_than=expires))
    return str(signer.generate_presigned_url(link.url, policy=custom_policy(link)))


def signed(signer: UrlSigner, link: Link) -> str:
    return signer.url(link.url, link.expires, starts=link.starts, source=link.source, resource=link.resource)


@pytest.mark.parametrize(("backend", "keys", "number"), [(with_cryptography, RSA, 500), (with_rsa, SMALL, 100)])
def test_urls_signed_with_rsa_equal_those_of_botocore(backend: Backend, keys: Any, number: int) -> None:
    ours, botocores = UrlSigner("KEXAMPLE", keys.private, backend=backend), botocore_signer(keys.private)

    for link in links(number):
        assert signed(ours, link) == botocore_url(botocores, link)


def test_both_backends_give_the_same_signature_and_read_every_format_of_an_rsa_key() -> None:
    key = load_pem_private_key(RSA.private.encode(), None)
    pkcs1 = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    hashes: tuple[Hash, ...] = ("SHA1", "SHA256")

    for hash_algorithm in hashes:
        made = {
            UrlSigner("K", text, hash_algorithm=hash_algorithm, backend=backend).url(URL, LATER)
            for text in (RSA.private, pkcs1)
            for backend in (with_cryptography, with_rsa)
        }
        assert len(made) == 1


def test_a_url_is_signed_as_it_is_sent() -> None:
    signer = UrlSigner("K", RSA.private)

    typed = signer.url('https://d.example.com/vidéo 漢/"a|b".mp4?q=ü x', LATER)

    assert typed == signer.url("https://d.example.com/vid%C3%A9o%20%E6%BC%A2/%22a%7Cb%22.mp4?q=%C3%BC%20x", LATER)
    assert typed.isascii()


def test_every_character_of_a_path_is_signed_as_it_is_sent() -> None:
    signer = UrlSigner("K", "", backend=lambda private_key, hash_algorithm: lambda policy: policy)

    for character in map(chr, {*range(500)} - {ord("#"), ord("?")}):
        sent, _, query = signer.url(f"https://d.example.com/a{character}b", LATER).partition("?")

        assert sent == f"https://d.example.com/a{quote(character, safe="!$%&'()*+,/:;=@[]~")}b"
        assert decoded(parse_qs(query)["Signature"][0]) == canned_policy(Link(sent, LATER))


@needs_openssl
@pytest.mark.parametrize("hash_algorithm", ["SHA1", "SHA256"])
@pytest.mark.parametrize("keys", [RSA, ECDSA])
def test_openssl_verifies_the_signatures(keys: Any, hash_algorithm: Hash, tmp_path: Path) -> None:
    (tmp_path / "public.pem").write_bytes(keys.public)
    signer = UrlSigner("K", keys.private, hash_algorithm=hash_algorithm)

    for link in (Link(URL, LATER), Link(URL + "?size=large", LATER), Link(URL, LATER, resource="http*://*/videos/*")):
        given = parse_qs(urlsplit(signed(signer, link)).query)
        policy = decoded(given["Policy"][0]) if "Policy" in given else canned_policy(link)
        (tmp_path / "policy").write_bytes(policy)
        (tmp_path / "signature").write_bytes(decoded(given["Signature"][0]))
        command = ["openssl", "dgst", f"-{hash_algorithm.lower()}", "-verify", "public.pem"]
        done = subprocess.run([*command, "-signature", "signature", "policy"], cwd=tmp_path, capture_output=True)
        assert done.stdout.strip() == b"Verified OK"
        assert given.get("Hash-Algorithm") == (["SHA256"] if hash_algorithm == "SHA256" else None)


def decoded(text: str) -> bytes:
    return base64.b64decode(text.translate(str.maketrans("-_~", "+=/")), validate=True)


def canned_policy(link: Link) -> bytes:
    condition = f'{{"DateLessThan":{{"AWS:EpochTime":{link.expires}}}}}'
    return f'{{"Statement":[{{"Resource":"{link.url}","Condition":{condition}}}]}}'.encode()


def test_cookies_have_a_canned_policy_where_it_is_sufficient() -> None:
    signer = UrlSigner("K", ECDSA.private)

    assert signer.cookies(URL, LATER).keys() == {f"CloudFront-{x}" for x in ("Expires", "Signature", "Key-Pair-Id")}
    for custom in (
        signer.cookies("https://d.example.com/videos/1/*", LATER),
        signer.cookies(URL, LATER, starts=NOW),
        signer.cookies(URL, LATER, source="192.0.2.7"),
    ):
        assert custom.keys() == {f"CloudFront-{x}" for x in ("Policy", "Signature", "Key-Pair-Id")}


def test_cookies_and_url_of_a_policy_have_the_same_values() -> None:
    signer = UrlSigner("K", RSA.private)

    url = signer.url(URL, LATER, starts=NOW, resource="https://*/videos/1/*")

    cookies = signer.cookies("https://*/videos/1/*", LATER, starts=NOW)
    assert parse_qs(urlsplit(url).query) == {name.removeprefix("CloudFront-"): [v] for name, v in cookies.items()}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://d.example.com/a",
        "d.example.com/a",
        "https://d.example.com",
        "https://d.example.com/a#part",
        "https://dömain.example.com/a",
        *(f"https://d.example.com/a?b=1&{x}=2" for x in ("Expires", "Policy", "Signature", "Key-Pair-Id")),
        "https://d.example.com/a?Hash-Algorithm=SHA1",
        "https://d.example.com/a?Policy",
    ],
)
def test_a_url_that_cloudfront_would_reject_is_not_signed(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: "):
        UrlSigner("K", ECDSA.private).url(url, LATER)


def test_a_policy_may_name_any_time_of_32_bits() -> None:
    signer = UrlSigner("K", ECDSA.private)

    for limits in ({"expires": 1}, {"expires": 2**31 - 1}, {"expires": 2, "starts": 1}):
        assert f"Expires={limits['expires']}" in signer.url(URL, **limits) or "starts" in limits


def test_a_reserved_parameter_is_named() -> None:
    with pytest.raises(ValueError, match="has a parameter Policy, which"):
        UrlSigner("K", ECDSA.private).url("https://d.example.com/a?b=1&Policy=2", LATER)


@pytest.mark.parametrize(
    "limits",
    [
        {"expires": 2**31},
        {"expires": 0},
        {"expires": LATER * 1000},
        {"starts": LATER},
        {"source": "2001:db8::/32"},
        {"source": "192.0.2.7/24"},
        {"source": "here"},
    ],
)
def test_an_invalid_policy_is_not_signed(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expires|IPv4|host bits|octet|Expected 4"):
        UrlSigner("K", ECDSA.private).url(URL, **({"expires": LATER} | limits))


@pytest.mark.parametrize("backend", [with_cryptography, with_rsa])
@pytest.mark.parametrize(
    "private_key",
    [
        "",
        "c2VjcmV0",
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----\n",
        RSA.public.decode(),
    ],
)
def test_an_invalid_key_is_an_error_that_does_not_show_it(backend: Backend, private_key: str) -> None:
    with pytest.raises(ValueError, match=r"^private_key: ") as refused:
        UrlSigner("K", private_key, backend=backend)

    assert "c2VjcmV0" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_other_kinds_of_keys_are_rejected() -> None:
    for key in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        with pytest.raises(ValueError, match="neither RSA nor ECDSA on P-256"):
            UrlSigner("K", text)
    with pytest.raises(ValueError, match="only the package cryptography"):
        UrlSigner("K", ECDSA.private, backend=with_rsa)


class Secrets:
    """Secrets Manager with one secret."""

    def __init__(self, key_id: str, private_key: str) -> None:
        self.reads = 0
        self.put(key_id, private_key)

    def put(self, key_id: str, private_key: str) -> None:
        self.text = json.dumps({"key_id": key_id, "private_key": private_key})

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        self.reads += 1
        return {"SecretString": self.text, "VersionId": hashlib.sha256(self.text.encode()).hexdigest()}


def test_a_rotation_is_noticed_within_the_maximum_age() -> None:
    now = 0.0
    secrets = Secrets("KOLD", ECDSA.private)
    key = Secret(secrets, "a-signing-key", signer, max_age=60, clock=lambda: now)

    assert "KOLD" in key.value().url(URL, LATER)
    secrets.put("KNEW", RSA.private)
    now = 59.0
    assert "KOLD" in key.value().url(URL, LATER)
    now = 60.0
    assert "KNEW" in key.value().url(URL, LATER)
    assert secrets.reads == 2


def test_nothing_that_can_be_logged_shows_the_key() -> None:
    key = Secret(Secrets("K1", ECDSA.private), "a-signing-key", signer)

    shown = f"{key!r} {key.value()!r} {vars(key)} {vars(key.value())}"

    assert "PRIVATE" not in shown
    assert ECDSA.private.splitlines()[1] not in shown


@needs_node
def test_awss_signer_for_node_signs_the_same_bytes_and_the_edge_accepts_both() -> None:
    cases = [as_node_writes(link) for link in links(200)]
    requests = [
        {"url": case.url, "cookies": n % 4 > 1, "keyPairId": "K", "privateKey": RSA.private}
        | ({"dateLessThan": case.expires * 1000} if case.canned else {"policy": custom_policy(case)})
        for n, case in enumerate(cases)
    ]

    command = ["node", "tests/common/sign.mjs"]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(requests), capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    signer = UrlSigner("K", RSA.private)
    for case, theirs in zip(cases, json.loads(done.stdout), strict=True):
        if isinstance(theirs, str):
            ours = signed(signer, case)
            assert sorted(re.split("[?&]", theirs)) == sorted(re.split("[?&]", ours))
            opened = [check(request(url, case.viewer), {"K": RSA.public}, NOW) for url in (theirs, ours)]
        else:
            parts = dict(part.split("=") for part in signed(signer, case)[len(case.url) + 1 :].split("&"))
            assert {f"CloudFront-{name}": value for name, value in parts.items()} == {
                k: str(v) for k, v in theirs.items()
            }
            opened = [check(request(case.url, case.viewer, theirs), {"K": RSA.public}, NOW)]
        assert {f"{bare.path}?{bare.query}".rstrip("?") for bare in opened} == {"/" + case.url.split("/", 3)[3]}


def as_node_writes(link: Link) -> Link:
    """Return *link* with its path in the form that AWS's signer normalises it to."""
    base, question, query = link.url.partition("?")
    start, path = base.rsplit("/", base.count("/") - 2)[0], base.split("/")[3:]
    url = "/".join([start, *(quote(unquote(part), safe="!~*'()") for part in path)]) + question + query
    return link._replace(url=url, resource=url if link.resource == link.url else link.resource)


def custom_policy(link: Link) -> str:
    expires, starts = (time and datetime.fromtimestamp(time, UTC) for time in (link.expires, link.starts))
    builder = CloudFrontSigner("K", lambda policy: b"")
    return str(builder.build_policy(link.resource or link.url, expires, starts, link.source))
