"""Signed URLs and cookies, created by botocore and checked by the edge."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.datastructures import Headers

from localaws.cloudfront.key import ViewerRequest
from localaws.cloudfront.signed import Forbidden, check

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


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))


def cookies(text: str, key: str = "KECDSA") -> str:
    signature = encoded(SIGNERS[key](text.encode()))
    return (
        f"theme=dark; CloudFront-Policy={encoded(text.encode())}; CloudFront-Signature={signature}; "
        f"CloudFront-Key-Pair-Id={key}"
    )


def get(url: str, now: float = NOW, cookie: str = "", client: str = "127.0.0.1") -> ViewerRequest:
    host, _, rest = url.removeprefix("http://").removeprefix("https://").partition("/")
    path, _, query = rest.partition("?")
    headers = Headers({"host": host} | ({"cookie": cookie} if cookie else {}))
    return check(ViewerRequest("GET", f"/{path}", query, headers, client), KEYS, now)


def rejected(*request: Any, **more: Any) -> str:
    with pytest.raises(Forbidden) as error:
        get(*request, **more)
    assert error.value.page.startswith(b"<?xml")
    return str(error.value).partition(":")[0]


@pytest.mark.parametrize("key", ["KRSA", "KECDSA"])
def test_a_canned_policy_allows_its_url_until_it_expires(key: str) -> None:
    assert get(canned(key)).query == ""
    assert get(canned(key, URL + "?size=large")).query == "size=large"
    assert rejected(canned(key), NOW + 300) == "AccessDenied"


def test_a_url_that_was_signed_for_https_is_valid_on_loopback() -> None:
    get(canned(url=URL.replace("http:", "https:")))


def test_only_the_signed_url_is_allowed() -> None:
    assert rejected(URL) == "MissingKey"
    assert rejected(canned().replace("1.mp4", "2.mp4")) == "AccessDenied"
    assert rejected(canned().replace("?", "?size=large&")) == "AccessDenied"
    assert rejected(canned().replace(f"Expires={NOW + 300}", f"Expires={NOW + 900}")) == "AccessDenied"
    assert rejected(canned("KOTHER")) == "InvalidKey"
    assert rejected(canned().replace("KRSA", "KECDSA")) == "AccessDenied"
    assert rejected(canned().replace("Signature=", "Signature=*")) == "MalformedSignature"


@pytest.mark.parametrize("resource", ["http*://*/videos/*", "*", "http://127.0.0.1:4502/videos/?.mp4", URL])
def test_a_custom_policy_can_allow_many_urls(resource: str) -> None:
    get(custom(resource))


def test_a_custom_policy_limits_resource_times_and_address() -> None:
    assert rejected(custom("http://127.0.0.1:4502/video/*")) == "AccessDenied"
    assert rejected(custom("http://127.0.0.1:4502/videos/1")) == "AccessDenied"
    later = custom(DateGreaterThan={"AWS:EpochTime": NOW + 100})
    assert rejected(later) == "AccessDenied"
    get(later, NOW + 100)
    matching = custom(IpAddress={"AWS:SourceIp": "192.0.2.0/24"})
    assert rejected(matching) == "AccessDenied"
    get(matching, client="192.0.2.7")
    assert rejected(custom(DateLessThan={"AWS:EpochTime": NOW})) == "AccessDenied"
    assert rejected(custom(DateLessThan={})) == "MalformedPolicy"


def test_a_wildcard_does_not_allow_dot_segments() -> None:
    for path in ("/videos/../premium/2.mp4", "/videos/%2e%2e/premium/2.mp4"):
        assert rejected(custom("http*://*/videos/*", URL.replace("/videos/1.mp4", path))) == "AccessDenied"


def test_cookies_are_checked_and_not_forwarded() -> None:
    request = get(URL, cookie=cookies(policy("http*://*/videos/*")))
    assert request.headers["cookie"] == "theme=dark"
    assert rejected(URL, cookie=cookies(policy("http*://*/other/*"))) == "AccessDenied"
    assert rejected(canned("KOTHER"), cookie=cookies(policy("*"))) == "InvalidKey"


def test_an_empty_key_id_is_a_missing_key() -> None:
    assert rejected(canned().replace("Key-Pair-Id=KRSA", "Key-Pair-Id=")) == "MissingKey"


@pytest.mark.parametrize("expires", ["", "soon", "-1", f"{NOW + 300}000", str(2**31)])
def test_a_time_that_is_not_a_32_bit_integer_is_malformed(expires: str) -> None:
    condition = f'{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}'
    text = f'{{"Statement":[{{"Resource":"{URL}","Condition":{condition}}}]}}'
    signature = encoded(sign_rsa(text.encode()))

    assert rejected(f"{URL}?Expires={expires}&Signature={signature}&Key-Pair-Id=KRSA") == "MalformedPolicy"
    assert (
        rejected(f"{URL}?Policy={encoded(text.encode())}&Signature={signature}&Key-Pair-Id=KRSA") == "MalformedPolicy"
    )


@pytest.mark.parametrize(
    "conditions",
    [
        {"DateGreaterThan": {"AWS:EpochTime": -1}},
        {"DateGreaterThan": {"AWS:EpochTime": "0"}},
        {"IpAddress": {"AWS:SourceIp": "2001:db8::/32"}},
        {"IpAddress": {"AWS:SourceIp": ""}},
        {"IpAddress": "127.0.0.1/32"},
    ],
)
def test_an_invalid_condition_is_malformed(conditions: dict[str, Any]) -> None:
    assert rejected(custom(**conditions)) == "MalformedPolicy"


def test_a_policy_without_a_resource_allows_all_and_one_with_two_statements_is_malformed() -> None:
    def signed(policy: dict[str, Any]) -> str:
        text = json.dumps(policy).encode()
        return f"{URL}?Policy={encoded(text)}&Signature={encoded(sign_rsa(text))}&Key-Pair-Id=KRSA"

    statement = {"Condition": {"DateLessThan": {"AWS:EpochTime": NOW + 300}}}
    get(signed({"Statement": [statement]}))
    assert rejected(signed({"Statement": [statement, statement]})) == "MalformedPolicy"
    assert rejected(signed({"Statement": []})) == "MalformedPolicy"


def test_an_ipv6_viewer_is_allowed_only_by_a_policy_without_an_address() -> None:
    get(canned(), client="2001:db8::7")
    assert rejected(custom(IpAddress={"AWS:SourceIp": "0.0.0.0/0"}), client="2001:db8::7") == "AccessDenied"


def test_the_hash_is_sha_1_unless_the_url_has_sha_256() -> None:
    policy = f'{{"Statement":[{{"Resource":"{URL}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{NOW + 300}}}}}}}]}}'
    signature = encoded(RSA.sign(policy.encode(), padding.PKCS1v15(), SHA256()))
    link = f"{URL}?Expires={NOW + 300}&Signature={signature}&Key-Pair-Id=KRSA"

    get(f"{link}&Hash-Algorithm=SHA256")
    get(f"{canned()}&Hash-Algorithm=SHA1")
    assert rejected(link) == "AccessDenied"
    assert rejected(f"{canned()}&Hash-Algorithm=MD5") == "AccessDenied"


def test_a_signature_in_the_url_takes_precedence_over_cookies() -> None:
    everything = cookies(policy("*"))

    assert rejected(canned().replace("1.mp4", "2.mp4"), cookie=everything) == "AccessDenied"
    assert rejected(f"{URL}?Expires=1", cookie=everything) == "MissingKey"
    assert get(canned(), cookie=everything).headers["cookie"] == "theme=dark"


def test_the_first_of_two_cookies_with_the_same_name_is_used() -> None:
    matching, other = cookies(policy("http*://*/videos/*")), cookies(policy("http*://*/other/*"))

    get(URL, cookie=f"{matching}; {other}")
    assert rejected(URL, cookie=f"{other}; {matching}") == "AccessDenied"


def test_cookies_can_be_in_several_headers() -> None:
    parts = cookies(policy("http*://*/videos/*")).split("; ")
    headers = Headers(raw=[(b"host", b"127.0.0.1:4502"), *((b"cookie", part.encode()) for part in parts)])

    bare = check(ViewerRequest("GET", "/videos/1.mp4", "", headers, "127.0.0.1"), KEYS, NOW)

    assert bare.headers.getlist("cookie") == ["theme=dark"]


def test_a_path_that_is_not_utf_8_is_rejected() -> None:
    assert rejected(canned().replace("1.mp4", "\udcff.mp4")) == "AccessDenied"


def test_a_url_with_an_empty_query_is_allowed() -> None:
    assert get(canned(url=URL + "?")).query == ""
