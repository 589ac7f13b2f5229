"""A server on this machine answers programs and allowed pages, and refuses every other page and host."""

from __future__ import annotations

import asyncio
from typing import Any

import boto3
import httpx
import pytest

from localaws import allowed_pages, control_client, serve
from localaws.allowed_pages import AllowedPages
from localaws.cross_origin import AWS

HOST = "127.0.0.1:4500"
PAGE = "http://127.0.0.1:4501"
EVIL = "http://evil.test"
LINK = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


async def _site(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"secret"})


def asked(method: str = "GET", *, origins: tuple[str, ...] = (PAGE,), **headers: str) -> httpx.Response:
    """Return the answer of a server to a request with these headers."""

    async def send() -> httpx.Response:
        transport: Any = httpx.ASGITransport(AllowedPages(_site, origins))
        named = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.request(method, "http://server/", headers=named)

    return asyncio.run(send())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.0.0.5", "a.b.localhost"])
def test_this_machine_is_answered(host: str) -> None:
    assert asked(host=host).status_code == asked(host=f"{host}:4500").status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "notlocalhost",
        "evil.test:4500",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104 # some browsers connect it to this machine
        "",
    ],
)
def test_a_host_that_a_stranger_can_name_is_refused(host: str) -> None:
    for headers in ({}, {"origin": f"http://{host}"}, {"sec_fetch_site": "same-origin"}):
        refused = asked(host=host, **headers)
        assert (refused.status_code, refused.text.count("\n")) == (403, 1)
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("hosts", [("evil.test", HOST), (HOST, "evil.test"), (HOST, HOST)])
def test_a_request_has_one_host(hosts: tuple[str, str]) -> None:
    """RFC 9112, section 3.2."""
    scope = {"type": "http", "method": "GET", "headers": [(b"Host", host.encode()) for host in hosts]}
    statuses = []

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    asyncio.run(AllowedPages(_site, (PAGE,))(scope, receive, send))

    assert statuses[0] == 403


@pytest.mark.parametrize(
    "name", ["x.execute-api.us-east-1.amazonaws.com", "d1.cloudfront.net", "evil.amazonaws.com.test"]
)
def test_names_of_aws_are_told_from_others(name: str) -> None:
    assert bool(AWS.fullmatch(name)) == (not name.endswith(".test"))


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_a_page_needs_an_allowed_origin(method: str) -> None:
    assert asked(method, origin=PAGE, sec_fetch_site="same-site").status_code == 200
    assert asked(method, origin=f"http://{HOST}", sec_fetch_site="same-origin").status_code == 200
    for origin in (EVIL, "http://127.0.0.1:4502", "http://localhost:4501", "null"):
        assert asked(method, origin=origin, sec_fetch_site="cross-site").status_code == 403, origin
        assert asked(method, origin=origin).status_code == 403, origin
    assert asked(method, origin=EVIL, origins=("*",)).status_code == 200


def test_a_form_of_a_page_that_sends_no_referrer_is_answered_by_its_own_server() -> None:
    assert asked("POST", origin="null", sec_fetch_site="same-origin").status_code == 200
    assert asked("POST", origin="null", sec_fetch_site="same-site").status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_person_may_follow_a_link_but_no_other_page_may_load_or_frame_an_answer(site: str) -> None:
    assert (
        asked(sec_fetch_site=site, **{name.replace("-", "_"): value for name, value in LINK.items()}).status_code == 200
    )
    for destination in ("image", "script", "iframe", "empty"):
        mode = "navigate" if destination == "iframe" else "no-cors"
        loaded = {"sec_fetch_site": site, "sec_fetch_mode": mode, "sec_fetch_dest": destination}
        assert asked(**loaded).status_code == 403
        assert asked(**loaded, referer=f"{EVIL}/page").status_code == 403
        assert asked(**loaded, referer=f"{PAGE}/page").status_code == 200
    form = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert asked("POST", **form).status_code == 403


def test_a_websocket_of_another_page_is_refused() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def connect(origin: str) -> None:
        headers = [(b"host", HOST.encode()), (b"origin", origin.encode())]
        await AllowedPages(_site, {PAGE})({"type": "websocket", "headers": headers}, None, send)  # type: ignore[arg-type]

    asyncio.run(connect(EVIL))
    assert [message["type"] for message in sent] == ["websocket.close"]
    asyncio.run(connect(PAGE))
    assert len(sent) == 3


def test_the_environment_names_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(allowed_pages.VARIABLE, f"{PAGE} {EVIL}")

    assert allowed_pages.origins() == {PAGE, EVIL}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The address of an emulator that an allowed page may call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(allowed_pages.VARIABLE, PAGE)
        with serve.emulator(tmp_path_factory.mktemp("pages")) as url:
            yield url


def test_the_emulator_allows_the_page_that_asks_and_no_other(endpoint: str) -> None:
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "x-amz-target"}
    call = {"x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth"}
    body = {"ClientId": "x", "AuthFlow": "USER_PASSWORD_AUTH"}
    pool = boto3.client("cognito-idp", endpoint_url=endpoint).create_user_pool(PoolName="pages")["UserPool"]["Id"]

    for page, allowed in ((PAGE, {PAGE}), (EVIL, {None})):
        preflight = httpx.options(f"{endpoint}/", headers=ask | {"origin": page})
        answer = httpx.post(f"{endpoint}/", json=body, headers=call | {"origin": page})
        keys = httpx.get(f"{endpoint}/{pool}/.well-known/jwks.json", headers={"origin": page})
        answers = (preflight, answer, keys)
        assert {each.headers.get("access-control-allow-origin") for each in answers} == allowed
        assert {each.status_code == 403 for each in answers} == {page == EVIL}


def test_the_emulator_refuses_a_host_that_is_not_this_machine(endpoint: str) -> None:
    for path in ("/", "/_ministack/health", "/_localaws/clock", "/_aws/execute-api/x/y"):
        assert httpx.get(endpoint + path, headers={"host": "evil.test"}).status_code == 403
    assert httpx.get(f"{endpoint}/_ministack/health", headers={"host": "localhost"}).status_code == 200


def test_a_bucket_decides_itself_which_allowed_pages_may_read_it(endpoint: str) -> None:
    s3 = boto3.client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket="pages")
    s3.put_bucket_cors(
        Bucket="pages",
        CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]},
    )
    link = s3.generate_presigned_url("get_object", {"Bucket": "pages", "Key": "x"})

    assert httpx.get(link, headers={"origin": PAGE}).headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in httpx.get(link, headers={"origin": EVIL}).headers


def test_the_root_key_allows_one_more_page(endpoint: str) -> None:
    more = "http://127.0.0.1:4999"
    address = f"{endpoint}/_localaws/origins?add={more}"
    assert httpx.post(address).status_code == 403
    assert httpx.get(f"{endpoint}/_ministack/health", headers={"origin": more}).status_code == 403

    control_client.call(address, b"")

    assert httpx.get(f"{endpoint}/_ministack/health", headers={"origin": more}).status_code == 200
