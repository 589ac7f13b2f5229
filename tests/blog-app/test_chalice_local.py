"""`chalice local` reads what API Gateway reads, and refuses what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import chalice_local
import httpx
import pytest
from botocore.credentials import Credentials

from common.sigv4 import sign

KEY = Credentials("AKIALOCAL", "the secret of this test")
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": KEY.access_key, "AWS_SECRET_ACCESS_KEY": KEY.secret_key}
BODY = b'{"title": 1}'
"""The author's post is answered 400, before a table is read."""


@pytest.fixture(scope="module")
def url(free_port: Callable[[], int]) -> Iterator[str]:
    with chalice_local.running("blog-app", "local", free_port(), ENVIRONMENT) as url:
        yield url


def posted(url: str, headers: dict[str, str]) -> tuple[int, str]:
    """Post as *headers* say; return the status, and the type of the error or the code of the app's own answer."""
    refused = httpx.post(f"{url}/posts", content=BODY, headers={"Content-Type": "application/json"} | headers)
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    return refused.status_code, refused.headers.get("x-amzn-ErrorType") or refused.json()["Code"]


def test_a_route_for_authors_needs_the_signature_of_the_key_under_which_it_runs(url: str) -> None:
    def signed(key: Credentials, body: bytes = BODY) -> dict[str, str]:
        return sign(key, "us-east-1", "POST", f"{url}/posts", {"Content-Type": "application/json"}, body)

    invalid = (403, "InvalidSignatureException")
    assert posted(url, signed(KEY)) == (400, "InvalidInput")
    assert posted(url, {}) == (403, "MissingAuthenticationTokenException")
    assert posted(url, {"Authorization": "Bearer x"}) == (403, "IncompleteSignatureException")
    assert posted(url, signed(Credentials("AKIAOTHER", "x"))) == (403, "UnrecognizedClientException")
    assert posted(url, signed(Credentials(KEY.access_key, "x"))) == invalid
    assert posted(url, signed(KEY, b"{}")) == invalid
    assert httpx.post(f"{url}/posts").json() == {"message": "Missing Authentication Token"}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "["]
)
def test_a_host_name_of_another_is_refused(url: str, host: str) -> None:
    refused = httpx.get(f"{url}/health", headers={"Host": host})

    assert (refused.status_code, refused.json()) == (403, {"message": "Forbidden"})


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000"])
def test_the_names_of_this_machine_are_accepted(url: str, host: str) -> None:
    assert httpx.get(f"{url}/health", headers={"Host": host}).status_code == 200


def test_routes_are_open_only_if_the_developer_says_so(
    free_port: Callable[[], int], capfd: pytest.CaptureFixture[str]
) -> None:
    environment = ENVIRONMENT | {"CHALICE_LOCAL_OPEN": "1"}
    with chalice_local.running("blog-app", "local", free_port(), environment) as url:
        assert posted(url, {}) == (400, "InvalidInput")
        assert httpx.get(f"{url}/health", headers={"Host": "evil.example"}).status_code == 200

    assert re.search("Every caller is accepted.*CHALICE_LOCAL_OPEN=1", capfd.readouterr().out)


def test_a_body_in_chunks_is_read_and_the_connection_stays_usable(free_port: Callable[[], int]) -> None:
    with chalice_local.running("blog-app", "local", free_port(), {}) as url, httpx.Client(base_url=url) as api:
        for _ in range(2):
            chunks = iter([b'{"ema', b'il": "not an', b' address"}'])
            refused = api.post("/subscribers", content=chunks, headers={"Content-Type": "application/json"})

            assert (refused.status_code, refused.json()["Code"]) == (400, "InvalidInput")
            assert "email" in refused.json()["Message"]
            assert "JSON" not in refused.json()["Message"]
