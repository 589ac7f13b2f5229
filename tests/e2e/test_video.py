"""The deployed shop: films are paid for at the provider and watched only through the edge, and no key leaks."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from stripe import StripeClient
from users import Author, User, pay, stage
from waiting import until

from common.sigv4 import Api
from sandbox import function_logs
from sandbox.payments import API_KEY
from sandbox.payments.account import DISPUTED, INQUIRY, REFUND_FAILS
from sandbox.payments.client import Payments
from sandbox.settings import Settings

ROOT = Path(__file__).parent.parent.parent

answers: list[str] = []
"""Every response of the API in this run, and the signatures in them."""
signatures: set[str] = set()


def remember(response: httpx.Response) -> None:
    response.read()
    answers.append(f"{response.headers} {response.text}")
    signatures.update(re.findall(r"Signature=([\w~-]{40,})", answers[-1]))


@pytest.fixture(scope="module")
def video(sandbox: dict[str, Any]) -> dict[str, Any]:
    outputs: dict[str, Any] = sandbox["video-app"]
    return outputs


class Viewer:
    """A signed-in user of the site, whose API is behind the edge."""

    def __init__(self, user: User) -> None:
        self.site = user.outputs["cdn"]
        self.payments = Payments(user.outputs["payments"])
        self.api = httpx.Client(
            base_url=f"{self.site}/api",
            headers={"Authorization": user.id_token},
            event_hooks={"response": [remember]},
        )
        self.sub = str(boto3.client("cognito-idp").get_user(AccessToken=user.access_token)["Username"])

    def buy(self, path: str, body: dict[str, Any] | None = None) -> None:
        paid = pay(self.api.post(path, json=body or {}))
        assert paid.headers["Location"].startswith(f"{self.site}/#")

    def link(self, video_id: str) -> httpx.Response:
        return self.api.get(f"/videos/{video_id}/link")

    def cookies(self, video_id: str) -> dict[str, str]:
        session = self.api.post(f"/videos/{video_id}/session")
        pairs = [cookie.partition(";")[0].partition("=") for cookie in session.headers.get_list("Set-Cookie")]
        return {"Cookie": "; ".join(f"{name}={value}" for name, _, value in pairs)}

    def library(self) -> dict[str, str]:
        items = self.api.get("/library?limit=100").json()["items"]
        return {item["id"]: item["access"] for item in items}

    def win_dispute(self) -> None:
        """Let the shop win the newest dispute of this viewer: https://docs.stripe.com/testing#evidence."""
        stripe = StripeClient(API_KEY, base_addresses={"api": self.payments.url}).v1
        mine = {
            charge["payment_intent"] for charge in self.payments.charges() if charge["metadata"].get("user") == self.sub
        }
        dispute = next(each for each in stripe.disputes.list().data if each.payment_intent in mine)
        stripe.disputes.update(dispute.id, params={"evidence": {"uncategorized_text": "winning_evidence"}})

    def refund(self) -> None:
        """Refund the newest payment of this viewer."""
        mine = [charge for charge in self.payments.charges() if charge["metadata"].get("user") == self.sub]
        self.payments.refund(mine[0]["payment_intent"])


@pytest.fixture
def viewer(sign_up: Callable[..., User]) -> Iterator[Viewer]:
    viewer = Viewer(sign_up("video-app"))
    yield viewer
    viewer.api.close()


@pytest.fixture(scope="module")
def films(video: dict[str, Any]) -> list[str]:
    """The ids of the catalogue."""
    return [item["id"] for item in httpx.get(f"{video['cdn']}/api/videos").json()["items"]]


@pytest.fixture(scope="module")
def owner(video: dict[str, Any]) -> Any:
    specification = importlib.util.spec_from_file_location("owner", ROOT / "video-app/tools/owner.py")
    assert specification
    assert specification.loader
    command = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(command)
    key = (video["owner_access_key_id"], video["owner_secret_access_key"])
    return command.Owner(Api(video["api"], *key, "us-east-1"), on_step=lambda step: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A video of a few bytes and without HLS."""
    about = {"title": f"Test {uuid.uuid4()}", "price": 100, "currency": "usd", "duration": 1}
    (tmp_path / "video.json").write_text(json.dumps(about))
    (tmp_path / "video.mp4").write_bytes(b"0123456789")
    (tmp_path / "poster.jpg").write_bytes(b"jpeg")
    return tmp_path


# Watching


def test_a_video_is_refused_bought_watched_refunded_and_refused(viewer: Viewer, films: list[str]) -> None:
    film, other = films[:2]
    assert viewer.link(film).json()["Code"] == "NotEntitled"
    assert viewer.api.post(f"/videos/{film}/session").status_code == 403

    viewer.buy(f"/videos/{film}/checkout")

    assert viewer.library() == {film: "purchase"}
    url = viewer.link(film).json()["url"]
    assert url.startswith(f"{viewer.site}/videos/{film}/video.mp4?Expires=")
    watched = httpx.get(url, headers={"Range": "bytes=4-7"})
    assert (watched.status_code, watched.content, watched.headers["Content-Type"]) == (206, b"ftyp", "video/mp4")
    assert viewer.link(other).status_code == 403
    assert viewer.api.post(f"/videos/{film}/checkout").json()["Code"] == "AlreadyBought"
    viewer.refund()
    until(lambda: viewer.link(film).status_code == 403)
    assert viewer.library() == {}
    assert viewer.api.post(f"/videos/{film}/session").status_code == 403


def test_hls_is_opened_by_cookies_for_one_video(viewer: Viewer, films: list[str]) -> None:
    viewer.buy("/premium/checkout", {"plan": "month"})
    film, other = films[:2]
    folder = f"{viewer.site}/videos/{film}/hls"

    cookies = viewer.cookies(film)

    playlist = httpx.get(f"{folder}/index.m3u8", headers=cookies)
    assert playlist.text.startswith("#EXTM3U")
    segments = re.findall(r"^[^#\s]+$", playlist.text, re.MULTILINE)
    assert {httpx.get(f"{folder}/{name}", headers=cookies).status_code for name in segments} == {200}
    assert httpx.get(f"{folder}/{segments[0]}").status_code == 403
    assert httpx.get(f"{viewer.site}/videos/{other}/hls/index.m3u8", headers=cookies).status_code == 403
    # The edge gives cached segments only to signed requests, and forwards no signature to the origin.
    again = httpx.get(f"{folder}/{segments[0]}", headers=cookies)
    assert "Hit from cloudfront" in again.headers["X-Cache"]


def test_premium_opens_the_catalogue_and_a_refund_closes_it(viewer: Viewer, films: list[str]) -> None:
    viewer.buy("/premium/checkout", {"plan": "year"})

    premium = viewer.api.get("/premium").json()
    assert (premium["premium"], premium["plan"]) == (True, "year")
    assert viewer.library() == dict.fromkeys(films, "premium")
    assert httpx.get(viewer.link(films[0]).json()["url"]).status_code == 200

    viewer.refund()
    until(lambda: viewer.api.get("/premium").json() == {"premium": False, "plan": None, "until": None})
    assert viewer.link(films[0]).status_code == 403


def test_a_card_that_is_declined_buys_nothing(viewer: Viewer, films: list[str]) -> None:
    page = viewer.api.post(f"/videos/{films[0]}/checkout").json()["url"]

    assert httpx.post(page, data={"card": "4000000000000002"}).status_code == 402

    assert viewer.library() == {}


def test_the_same_idempotency_key_gets_the_same_payment_page(viewer: Viewer, films: list[str]) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    path = f"/videos/{films[0]}/checkout"

    with ThreadPoolExecutor(5) as pool:
        pages = {answer.text for answer in pool.map(lambda _: viewer.api.post(path, headers=key), range(5))}

    assert len(pages) == 1
    other = viewer.api.post("/premium/checkout", json={"plan": "month"}, headers=key)
    assert (other.status_code, other.json()["Code"]) == (422, "IdempotencyKeyReused")


def test_a_link_bound_to_an_address_opens_only_from_there(
    viewer: Viewer, video: dict[str, Any], films: list[str]
) -> None:
    viewer.buy("/premium/checkout", {"plan": "month"})
    path = f"/videos/{films[0]}/link?bind=address"
    elsewhere = {"X-Forwarded-For": "203.0.113.7"}

    own = viewer.api.get(path, headers=elsewhere).json()["url"]  # the edge appends the address that it sees
    foreign = viewer.api.get(video["api"] + path, headers=elsewhere).json()["url"]

    assert httpx.get(own).status_code == 200
    assert httpx.get(foreign).status_code == 403


def test_the_edge_is_the_only_way_and_needs_a_signature(
    viewer: Viewer, video: dict[str, Any], sandbox: dict[str, Any], films: list[str]
) -> None:
    viewer.buy("/premium/checkout", {"plan": "month"})
    film = films[0]
    signed = viewer.link(film).json()["url"]
    query = signed.partition("?")[2]
    key = f"videos/{film}/video.mp4"

    for address in (
        f"{sandbox['endpoint']}/{video['origin_bucket']}/{key}",
        f"{sandbox['endpoint']}/{video['origin_bucket']}",
        f"{sandbox['endpoint']}/{video['site_bucket']}/config.json",
        f"{viewer.site}/{key}",
        f"{viewer.site}/{key.replace(film, films[1])}?{query}",
        signed.replace("Expires=1", "Expires=2"),
    ):
        assert httpx.get(address).status_code == 403, address
    assert httpx.get(signed).status_code == 200
    assert httpx.get(f"{viewer.site}/posters/{film}.jpg").status_code == 200


def test_a_refusal_is_not_cached_for_another_viewer(
    viewer: Viewer, sign_up: Callable[..., User], films: list[str]
) -> None:
    """The edge caches no response under /api, and no error."""
    viewer.buy("/premium/checkout", {"plan": "month"})
    stranger = Viewer(sign_up("video-app"))

    for _ in range(2):
        assert stranger.link(films[0]).status_code == 403
        assert viewer.link(films[0]).status_code == 200
    nobody = httpx.get(f"{viewer.site}/api/videos/{films[0]}/link")
    assert (nobody.status_code, nobody.json()["Code"]) == (401, "Unauthorized")


# The catalogue


def test_the_owner_publishes_a_video_once_and_withdraws_it(
    owner: Any, folder: Path, viewer: Viewer, video: dict[str, Any]
) -> None:
    video_id = owner.publish(folder)
    assert owner.publish(folder) == video_id
    shown = viewer.api.get(f"/videos/{video_id}")
    assert (shown.json()["price"], shown.json()["status"]) == (100, "published")
    assert viewer.api.get(f"/videos/{video_id}", headers={"If-None-Match": shown.headers["ETag"]}).status_code == 304
    viewer.buy(f"/videos/{video_id}/checkout")

    owner.withdraw(video_id)

    assert video_id not in viewer.api.get("/videos?limit=100").text
    assert viewer.api.get(f"/videos/{video_id}").json()["status"] == "withdrawn"
    assert httpx.get(viewer.link(video_id).json()["url"]).content == b"0123456789"
    assert viewer.library()[video_id] == "purchase"
    viewer.refund()
    until(lambda: viewer.library() == {})


def test_an_upload_that_differs_from_its_announcement_is_not_published(
    video: dict[str, Any], sandbox: dict[str, Any]
) -> None:
    owner = Author(video, video["owner_access_key_id"], video["owner_secret_access_key"])
    files = [{"name": "video.mp4", "size": 10}, {"name": "poster.jpg", "size": 4}]
    new = {"title": "T", "price": 100, "currency": "usd", "duration": 1, "files": files}
    draft = owner.send("POST", "/videos", new).json()
    etags = [httpx.put(upload["parts"][0]["url"], content=b"jpeg").headers.get("ETag") for upload in draft["uploads"]]
    uploads = [{"name": f["name"], "etags": [etag or '"x"']} for f, etag in zip(files, etags, strict=True)]

    refused = owner.send("POST", f"/videos/{draft['id']}/publish", {"uploads": uploads})

    assert (refused.status_code, "video.mp4" in refused.json()["Message"]) == (400, True)
    assert httpx.get(f"{video['api']}/videos/{draft['id']}").status_code == 404


def test_publishing_needs_the_owners_key(video: dict[str, Any], viewer: Viewer, films: list[str]) -> None:
    forger = Author(video, video["owner_access_key_id"], "wrong")

    for method, path in (
        ("POST", "/videos"),
        ("POST", f"/videos/{films[0]}/publish"),
        ("DELETE", f"/videos/{films[0]}"),
    ):
        assert httpx.request(method, video["api"] + path, json={}).status_code == 403
        assert viewer.api.request(method, path, json={}).status_code == 403
        assert forger.send(method, path, {}).status_code == 403


def test_the_page_has_security_headers(video: dict[str, Any]) -> None:
    page = httpx.get(video["cdn"])

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert httpx.get(f"{video['cdn']}/config.json").json()["api"] == "/api"
    assert httpx.get(f"{video['cdn']}/none.js").status_code == 404


def test_a_page_published_again_is_seen_at_once_and_keeps_its_config(video: dict[str, Any]) -> None:
    def publish(*members: str) -> None:
        command = [sys.executable, "-m", "deploy", "site", "video-app", stage(), *members]
        subprocess.run(
            command, cwd=ROOT, env=os.environ | Settings.from_environment().environment, check=True, capture_output=True
        )

    def config() -> dict[str, str]:
        answer: dict[str, str] = httpx.get(f"{video['cdn']}/config.json").json()
        return answer

    before, note = config(), uuid.uuid4().hex
    publish(f"note={note}")
    until(lambda: config() == before | {"note": note})
    publish()
    assert config() == before | {"note": note}


# The webhook


def an_event(kind: str, payment: str, user: str, item: str, **changes: Any) -> bytes:
    about = {"payment_intent": payment, "metadata": {"user": user, "item": item, "stage": stage()}, **changes}
    created = int(time.time())
    return json.dumps({"id": "evt", "type": kind, "created": created, "data": {"object": about}}).encode()


def paid(payment: str, user: str, item: str) -> bytes:
    return an_event("checkout.session.completed", payment, user, item, payment_status="paid")


def refunded(payment: str, user: str, item: str) -> bytes:
    return an_event("charge.refunded", payment, user, item, refunded=True)


def send_event(video: dict[str, Any], body: bytes, age: int = 0, sent: bytes | None = None) -> int:
    """Send an event with the provider's signature. *sent* replaces the signed body."""
    at = int(time.time()) - age
    digest = hmac.new(video["payments_webhook_secret"].encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    signatures.add(digest)
    headers = {"Stripe-Signature": f"t={at},v1={digest}", "Content-Type": "application/json; charset=utf-8"}
    answer = httpx.post(f"{video['api']}/payments/webhook", content=sent or body, headers=headers)
    remember(answer)
    return answer.status_code


@pytest.fixture
def payment() -> str:
    return f"pi_{uuid.uuid4().hex}"


def stored(sandbox: dict[str, Any], payment: str) -> str:
    """Return every item of the tables that contains this payment."""
    dynamodb = boto3.client("dynamodb", endpoint_url=sandbox["endpoint"])
    tables = (sandbox["video-app"][name] for name in ("table", "payments_table"))
    items = [item for table in tables for item in dynamodb.scan(TableName=table)["Items"]]
    return str([item for item in items if payment in str(item)] or "")


def test_a_hundred_replays_at_once_make_one_entitlement(video: dict[str, Any], viewer: Viewer, payment: str) -> None:
    event = paid(payment, viewer.sub, "plan:month")

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: send_event(video, event), range(100)))

    assert set(statuses) == {200}
    until = datetime.fromisoformat(viewer.api.get("/premium").json()["until"])
    assert timedelta(days=29) < until - datetime.now(UTC) <= timedelta(days=30)


def test_an_altered_old_or_unsigned_event_gets_400_and_stores_nothing(
    video: dict[str, Any], sandbox: dict[str, Any], viewer: Viewer, payment: str
) -> None:
    event = paid(payment, viewer.sub, "plan:year")

    assert send_event(video, event, sent=event.replace(b"plan:year", b"plan:month")) == 400
    assert send_event(video, event, age=301) == 400
    assert send_event(video, event, age=-330) == 400
    assert httpx.post(f"{video['api']}/payments/webhook", content=event).status_code in (400, 415)
    plain = {"Content-Type": "application/json"}
    assert httpx.post(f"{video['api']}/payments/webhook", content=event, headers=plain).status_code == 400

    assert stored(sandbox, payment) == ""
    assert viewer.api.get("/premium").json()["premium"] is False


def test_a_refund_that_comes_before_its_payment_revokes(
    video: dict[str, Any], viewer: Viewer, films: list[str], payment: str
) -> None:
    item = f"video:{films[0]}"

    assert send_event(video, refunded(payment, viewer.sub, item)) == 200
    assert send_event(video, paid(payment, viewer.sub, item)) == 200
    assert viewer.link(films[0]).status_code == 403
    assert send_event(video, paid(f"{payment}_2", viewer.sub, item)) == 200
    assert viewer.link(films[0]).status_code == 200


def test_a_dispute_revokes(viewer: Viewer, films: list[str]) -> None:
    page = viewer.api.post(f"/videos/{films[0]}/checkout").json()["url"]

    httpx.post(page, data={"card": DISPUTED})

    until(lambda: viewer.link(films[0]).status_code == 403)
    viewer.win_dispute()
    until(lambda: viewer.link(films[0]).status_code == 200)


def test_an_inquiry_and_a_refund_that_fails_leave_the_film(viewer: Viewer, films: list[str]) -> None:
    for film, card in zip(films, (INQUIRY, REFUND_FAILS), strict=False):
        httpx.post(viewer.api.post(f"/videos/{film}/checkout").json()["url"], data={"card": card})
        until(lambda film=film: viewer.link(film).status_code == 200)

    viewer.refund()
    viewer.win_dispute()

    assert [viewer.link(film).status_code for film in films[:2]] == [200, 200]


def test_a_dispute_of_another_shop_of_the_account_stores_nothing(
    video: dict[str, Any], sandbox: dict[str, Any]
) -> None:
    stripe = StripeClient(API_KEY, base_addresses={"api": video["payments"]}).v1
    price: Any = {"currency": "usd", "unit_amount": 100, "product_data": {"name": "A hat"}}
    page = "https://hats.example"
    session = stripe.checkout.sessions.create(
        params={
            "mode": "payment",
            "line_items": [{"price_data": price, "quantity": 1}],
            "success_url": page,
            "payment_intent_data": {"metadata": {"stage": "hats"}},
        }
    )

    httpx.post(str(session.url), data={"card": DISPUTED})

    payment = str(stripe.checkout.sessions.retrieve(session.id).payment_intent)
    assert stored(sandbox, payment) == ""


# Two services


def deployed(sandbox: dict[str, Any], function: str) -> tuple[str, str]:
    """Return the names of a deployed function and of its role."""
    functions = boto3.client("lambda", endpoint_url=sandbox["endpoint"]).get_paginator("list_functions").paginate()
    ((name, role),) = {
        (each["FunctionName"], each["Role"].rpartition("/")[2])
        for page in functions
        for each in page["Functions"]
        if each["FunctionName"].startswith(f"video-app-{stage()}-{function}")
    }
    return name, role


def with_policies(sandbox: dict[str, Any], function: str) -> dict[str, str]:
    """Return the keys of a user with the rights of a deployed function."""
    iam = boto3.client("iam", endpoint_url=sandbox["endpoint"])
    _, role = deployed(sandbox, function)
    name = f"{function}-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def test_only_the_generator_reads_the_signing_key_and_it_can_do_little_else(
    video: dict[str, Any], sandbox: dict[str, Any]
) -> None:
    def client(service: str, keys: dict[str, str]) -> Any:
        return boto3.client(service, endpoint_url=sandbox["endpoint"], **keys)

    registration, generator = with_policies(sandbox, "APIHandler"), with_policies(sandbox, "GenerateLinks")
    key, payments = ({"SecretId": video[name]} for name in ("signing_key_secret", "payments_secret"))
    item = {"user": {"S": "x"}, "item": {"S": "premium"}}

    assert client("secretsmanager", generator).get_secret_value(**key)["SecretString"]
    assert client("secretsmanager", registration).get_secret_value(**payments)["SecretString"]
    refused: list[Callable[[], Any]] = [
        lambda: client("secretsmanager", registration).get_secret_value(**key),
        lambda: client("secretsmanager", generator).get_secret_value(**payments),
        lambda: client("dynamodb", generator).put_item(TableName=video["table"], Item=item),
        lambda: client("dynamodb", generator).scan(TableName=video["table"]),
        lambda: client("s3", generator).get_object(Bucket=video["origin_bucket"], Key="videos/x"),
        lambda: client("s3", registration).get_object(Bucket=video["origin_bucket"], Key="videos/x"),
        lambda: client("dynamodb", registration).scan(TableName=video["payments_table"]),
    ]
    for attempt in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            attempt()


def test_the_generator_needs_every_right_of_its_policy(
    viewer: Viewer, video: dict[str, Any], sandbox: dict[str, Any], films: list[str]
) -> None:
    viewer.buy("/premium/checkout", {"plan": "month"})
    iam = boto3.client("iam", endpoint_url=sandbox["endpoint"])
    functions = boto3.client("lambda", endpoint_url=sandbox["endpoint"])
    function, role = deployed(sandbox, "GenerateLinks")
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]

    def allow(statements: list[dict[str, Any]]) -> None:
        document = json.dumps(policy | {"Statement": statements})
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)
        functions.update_function_configuration(FunctionName=function, Timeout=28)  # a new container has no cached key
        functions.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 0.1})

    for sid in ("Videos", "Entitlements", "SigningKey"):
        allow([statement for statement in policy["Statement"] if statement["Sid"] != sid])
        assert viewer.link(films[0]).status_code == 500, sid
    allow(policy["Statement"])
    assert viewer.link(films[0]).status_code == 200


# The last test, because it reads everything that the other tests have caused.


def test_no_key_secret_or_signature_is_in_any_log_or_answer(video: dict[str, Any], sandbox: dict[str, Any]) -> None:
    secrets = boto3.client("secretsmanager", endpoint_url=sandbox["endpoint"])
    private = json.loads(secrets.get_secret_value(SecretId=video["signing_key_secret"])["SecretString"])["private_key"]
    keys = json.loads(secrets.get_secret_value(SecretId=video["payments_secret"])["SecretString"])
    hidden = {line for line in private.splitlines() if not line.startswith("-----")} | set(keys.values())
    hidden |= {video["owner_secret_access_key"], "PRIVATE KEY"}
    logs = "\n".join(line.text for line in function_logs.recent("video-app", stage()))
    logs += (Path(os.environ["SANDBOX_DIR"]) / "sandbox.log").read_text()

    assert "/videos/{video_id}/link" in logs, "the logs are there"
    assert len(signatures) > 10, "and so are signatures"
    for secret in hidden:
        assert secret not in logs
        assert not any(secret in answer for answer in answers)
    for signature in signatures:
        assert signature not in logs
