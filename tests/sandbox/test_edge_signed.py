"""Signed URLs and cookies as botocore makes them, checked as CloudFront checks them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.datastructures import Headers

from sandbox.edge.key import Request
from sandbox.edge.signed import Refused, check

NOW = 1_767_225_600
RSA = rsa.generate_private_key(65537, 2048)
ECDSA = ec.generate_private_key(ec.SECP256R1())
URL = "http://127.0.0.1:4502/videos/1.mp4"
KEYS = {
    name: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, key in (("KRSA", RSA), ("KECDSA", ECDSA))
}

type Sign = Callable[[bytes], bytes]


def sign_rsa(policy: bytes) -> bytes:
    return RSA.sign(policy, padding.PKCS1v15(), SHA1())  # noqa: S303


def sign_ecdsa(policy: bytes) -> bytes:
    return ECDSA.sign(policy, ec.ECDSA(SHA1()))  # noqa: S303


SIGNERS: dict[str, Sign] = {"KRSA": sign_rsa, "KECDSA": sign_ecdsa}


def canned(key: str = "KRSA", url: str = URL, expires: int = NOW + 300) -> str:
    signer = CloudFrontSigner(key, SIGNERS.get(key, sign_rsa))
    return str(signer.generate_presigned_url(url, date_less_than=datetime.fromtimestamp(expires, UTC)))


def custom(resource: str = URL, url: str = URL, key: str = "KRSA", **conditions: Any) -> str:
    return str(CloudFrontSigner(key, SIGNERS[key]).generate_presigned_url(url, policy=policy(resource, **conditions)))


def policy(resource: str = URL, **conditions: Any) -> str:
    condition = {"DateLessThan": {"AWS:EpochTime": NOW + 300}} | conditions
    return json.dumps({"Statement": [{"Resource": resource, "Condition": condition}]})


def cookies(text: str, key: str = "KECDSA") -> str:
    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))

    signature = encoded(SIGNERS[key](text.encode()))
    return (
        f"theme=dark; CloudFront-Policy={encoded(text.encode())}; CloudFront-Signature={signature}; "
        f"CloudFront-Key-Pair-Id={key}"
    )


def get(url: str, now: float = NOW, cookie: str = "", client: str = "127.0.0.1") -> Request:
    host, _, rest = url.removeprefix("http://").removeprefix("https://").partition("/")
    path, _, query = rest.partition("?")
    headers = Headers({"host": host} | ({"cookie": cookie} if cookie else {}))
    return check(Request("GET", f"/{path}", query, headers, client), KEYS, now)


def refused(*request: Any, **more: Any) -> str:
    with pytest.raises(Refused) as refusal:
        get(*request, **more)
    assert refusal.value.page.startswith(b"<?xml")
    return str(refusal.value).partition(":")[0]


@pytest.mark.parametrize("key", ["KRSA", "KECDSA"])
def test_a_canned_policy_opens_its_url_until_it_expires(key: str) -> None:
    assert get(canned(key)).query == ""
    assert get(canned(key, URL + "?size=large")).query == "size=large"
    assert refused(canned(key), NOW + 300) == "AccessDenied"


def test_a_url_that_was_signed_for_https_opens_on_loopback() -> None:
    get(canned(url=URL.replace("http:", "https:")))


def test_nothing_but_the_signed_url_is_opened() -> None:
    assert refused(URL) == "MissingKey"
    assert refused(canned().replace("1.mp4", "2.mp4")) == "AccessDenied"
    assert refused(canned().replace("?", "?size=large&")) == "AccessDenied"
    assert refused(canned().replace(f"Expires={NOW + 300}", f"Expires={NOW + 900}")) == "AccessDenied"
    assert refused(canned("KOTHER")) == "InvalidKey"
    assert refused(canned().replace("KRSA", "KECDSA")) == "AccessDenied"
    assert refused(canned().replace("Signature=", "Signature=*")) == "MalformedSignature"


@pytest.mark.parametrize("resource", ["http*://*/videos/*", "*", "http://127.0.0.1:4502/videos/?.mp4", URL])
def test_a_custom_policy_may_open_many_urls(resource: str) -> None:
    get(custom(resource))


def test_a_custom_policy_holds_to_its_resource_times_and_address() -> None:
    assert refused(custom("http://127.0.0.1:4502/video/*")) == "AccessDenied"
    assert refused(custom("http://127.0.0.1:4502/videos/1")) == "AccessDenied"
    later = custom(DateGreaterThan={"AWS:EpochTime": NOW + 100})
    assert refused(later) == "AccessDenied"
    get(later, NOW + 100)
    here = custom(IpAddress={"AWS:SourceIp": "192.0.2.0/24"})
    assert refused(here) == "AccessDenied"
    get(here, client="192.0.2.7")
    assert refused(custom(DateLessThan={"AWS:EpochTime": NOW})) == "AccessDenied"
    assert refused(custom(DateLessThan={})) == "MalformedPolicy"


def test_a_wildcard_does_not_open_what_dot_segments_lead_to() -> None:
    for path in ("/videos/../premium/2.mp4", "/videos/%2e%2e/premium/2.mp4"):
        assert refused(custom("http*://*/videos/*", URL.replace("/videos/1.mp4", path))) == "AccessDenied"


def test_cookies_open_as_urls_do_and_do_not_go_on() -> None:
    request = get(URL, cookie=cookies(policy("http*://*/videos/*")))
    assert request.headers["cookie"] == "theme=dark"
    assert refused(URL, cookie=cookies(policy("http*://*/other/*"))) == "AccessDenied"
    assert refused(canned("KOTHER"), cookie=cookies(policy("*"))) == "InvalidKey"
