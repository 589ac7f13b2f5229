"""The routes, through Chalice's own test client."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice
from chalice.test import Client, HTTPResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_requests import odd_requests
from shop import FILES, Shop, uploaded
from test_stripe import a_charge, a_session, an_event, signed

import app
from chalicelib import wiring
from chalicelib.purchases import Receipts
from chalicelib.stripe import Keys, Stripe
from services import openapi

CLAIMS = {"sub": "ann", "aud": "unit-client", "token_use": "id", "cognito:username": "ann"}


def token(claims: dict[str, Any]) -> str:
    """Return a token for Chalice's test client, which reads the claims and does not verify the signature."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()}.s"


@pytest.fixture
def call(client: Client) -> Any:
    def call(method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        sent = {"Authorization": token(CLAIMS), "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.http.request(method, path, headers=sent, body=content)

    return call


def a_body() -> dict[str, Any]:
    files = [{"name": file.name, "size": file.size} for file in FILES]
    return {"title": "The ferry", "duration": 60, "price": 299, "currency": "eur", "files": files}


def test_a_video_is_created_published_and_withdrawn(call: Any) -> None:
    created = call("POST", "/videos", a_body(), Idempotency_Key="k")
    path = f"/{created.headers['Location']}"
    assert created.status_code == 201
    assert [upload["name"] for upload in created.json_body["uploads"]] == [file.name for file in FILES]
    assert call("GET", path).status_code == 404

    body = {"uploads": [{"name": file.name, "etags": file.etags} for file in uploaded().uploads]}
    published = call("POST", f"{path}/publish", body)

    assert (published.status_code, published.json_body["status"]) == (200, "published")
    assert call("GET", path).json_body == published.json_body
    assert call("GET", "/videos").json_body == {"items": [published.json_body], "cursor": None}
    assert call("DELETE", path).status_code == 204
    assert call("GET", "/videos").json_body == {"items": [], "cursor": None}


def test_a_video_has_only_its_public_fields(call: Any, shop: Shop) -> None:
    video_id = shop.publish()

    assert call("GET", f"/videos/{video_id}").json_body == {
        "id": video_id,
        "title": "The ferry",
        "description": "",
        "duration": 60,
        "price": 299,
        "currency": "eur",
        "poster": f"/posters/{video_id}.jpg",
        "published_at": "2030-01-01T00:00:00.000Z",
        "status": "published",
    }


def test_plans_and_premium_have_the_documented_fields(call: Any, shop: Shop) -> None:
    assert call("GET", "/plans").json_body["items"] == [
        {"plan": "month", "days": 30, "price": 990, "currency": "eur"},
        {"plan": "year", "days": 365, "price": 9900, "currency": "eur"},
    ]
    assert call("GET", "/premium").json_body == {"premium": False, "plan": None, "until": None}
    shop.pay("plan:month")
    assert call("GET", "/premium").json_body == {"premium": True, "plan": "month", "until": "2030-01-31T00:00:00.000Z"}


def test_checkouts_return_the_payment_page(call: Any, shop: Shop) -> None:
    bought = call("POST", f"/videos/{shop.publish()}/checkout", Idempotency_Key="k")
    premium = call("POST", "/premium/checkout", {"plan": "month"})

    assert (bought.status_code, bought.json_body) == (201, {"id": "cs_1", "url": "https://pay.example/cs_1"})
    assert (premium.status_code, premium.json_body["id"]) == (201, "cs_2")
    assert [key for _, key in shop.provider.orders] == ["k", None]
    refused = call("POST", "/premium/checkout", {"plan": "day"})
    assert (refused.status_code, "plan" in refused.json_body["Message"]) == (400, True)


def test_a_link_requires_a_payment_and_is_not_cached(call: Any, shop: Shop) -> None:
    video_id = shop.publish()
    refused = call("GET", f"/videos/{video_id}/link")
    assert (refused.status_code, refused.json_body["Code"]) == (403, "NotEntitled")

    shop.pay(f"video:{video_id}")
    link = call("GET", f"/videos/{video_id}/link")

    assert (link.status_code, link.headers["Cache-Control"]) == (200, "no-store")
    assert set(link.json_body) == {"url", "expires_at"}
    assert call("GET", f"/videos/{video_id}/link?bind=planet").status_code == 400


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.9", "198.51.100.9"),  # through CloudFront, whose address is 127.0.0.1 for Chalice's client
        ("203.0.113.1, 198.51.100.9", "198.51.100.9"),
        ("198.51.100.9, 127.0.0.1", "198.51.100.9"),
        ("127.0.0.1", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_a_link_is_bound_to_the_address_of_the_viewer_not_of_the_edge(
    call: Any, shop: Shop, forwarded: str, address: str
) -> None:
    video_id = shop.publish()
    shop.pay(f"video:{video_id}")

    link = call("GET", f"/videos/{video_id}/link?bind=address", X_Forwarded_For=forwarded)

    assert link.json_body["url"].endswith(f"source={address}")


def test_a_session_sets_three_cookies_for_the_videos_folder(call: Any, shop: Shop) -> None:
    video_id = shop.publish()
    shop.pay("plan:month")

    session = call("POST", f"/videos/{video_id}/session")

    assert set(session.json_body) == {"playlist", "expires_at"}
    cookies = session.headers["Set-Cookie"]
    assert [cookie.partition("=")[0] for cookie in cookies] == [
        "CloudFront-Policy",
        "CloudFront-Signature",
        "CloudFront-Key-Pair-Id",
    ]
    assert all(c.endswith(f"; Path=/videos/{video_id}/; Secure; HttpOnly; SameSite=Lax") for c in cookies)


def test_the_generator_responds_like_the_api(client: Client, shop: Shop) -> None:
    video_id = shop.publish()
    shop.pay("plan:month")
    context = {"httpMethod": "GET", "resourcePath": "/videos/{video_id}/link", "authorizer": {"claims": CLAIMS}}
    event = {
        "requestContext": context | {"identity": {"sourceIp": "127.0.0.1"}},
        "headers": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": {"video_id": video_id},
        "body": None,
        "stageVariables": None,
        "isBase64Encoded": False,
    }

    answer = client.lambda_.invoke("generate_links", event).payload

    assert answer["statusCode"] == 200
    assert video_id in json.loads(answer["body"])["url"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/premium"),
        ("POST", "/premium/checkout"),
        ("POST", "/videos/x/checkout"),
        ("GET", "/library"),
        ("GET", "/videos/x/link"),
        ("POST", "/videos/x/session"),
    ],
)
def test_a_token_of_another_app_is_rejected(client: Client, method: str, path: str) -> None:
    for claims in (CLAIMS | {"aud": "another"}, CLAIMS | {"token_use": "access"}, CLAIMS | {"sub": ""}):
        headers = {"Authorization": token(claims), "Content-Type": "application/json"}
        answer = client.http.request(method, path, headers=headers, body=b'{"plan":"month"}')
        assert (answer.status_code, answer.json_body["Code"]) == (401, "Unauthorized")


# The webhook


class KnownKeys:
    def value(self) -> Keys:
        return Keys("sk", "whsec_very_secret")


@pytest.fixture
def webhook(call: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    keys: Any = KnownKeys()
    http: Any = None
    monkeypatch.setattr(wiring, "stripe", lambda: Stripe(http, "", keys, "unit"))

    def webhook(body: bytes, header: str) -> int:
        sent = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": header}
        status: int = call("POST", "/payments/webhook", body, **sent).status_code
        return status

    return webhook


def test_a_payment_and_its_refund_take_effect(webhook: Any, call: Any, shop: Shop) -> None:
    video_id = shop.publish()
    about = {"metadata": {"user": "ann", "item": f"video:{video_id}", "stage": "unit"}}
    now = int(time.time())
    paid = an_event("checkout.session.completed", a_session(**about), now)
    refunded = an_event("charge.refunded", a_charge(**about), now)

    assert webhook(paid, signed(paid, now)) == 200
    assert [video["access"] for video in call("GET", "/library").json_body["items"]] == ["purchase"]
    assert webhook(refunded, signed(refunded, now)) == 200
    assert call("GET", "/library").json_body["items"] == []


INQUIRY, OPEN = "warning_needs_response", "needs_response"


def _dispute(kind: str, status: str) -> tuple[str, dict[str, Any]]:
    return f"charge.dispute.{kind}", {"id": "du_1", "object": "dispute", "payment_intent": "pi_1", "status": status}


def _refund(kind: str, status: str, amount: int = 299, number: int = 1) -> tuple[str, dict[str, Any]]:
    refund = {"id": f"re_{number}", "object": "refund", "payment_intent": "pi_1", "status": status, "amount": amount}
    return kind, refund


@pytest.mark.parametrize(
    ("later", "status"),
    [
        ([_dispute("created", INQUIRY)], 200),
        ([_dispute("created", INQUIRY), _dispute("closed", "warning_closed")], 200),
        ([_dispute("created", INQUIRY), _dispute("updated", OPEN)], 403),
        ([_dispute("created", OPEN)], 403),
        ([_dispute("created", OPEN), _dispute("updated", "under_review")], 403),
        ([_dispute("created", OPEN), _dispute("closed", "lost")], 403),
        ([_dispute("created", OPEN), _dispute("closed", "won")], 200),
        ([_dispute("created", OPEN), _dispute("funds_reinstated", "under_review")], 200),
        ([_dispute("created", "prevented")], 200),
        ([_dispute("created", "prevented"), _dispute("funds_withdrawn", "prevented")], 403),
        ([("charge.refunded", {})], 403),
        ([("charge.refunded", {}), _refund("refund.failed", "failed")], 200),
        ([("charge.refunded", {}), _refund("charge.refund.updated", "canceled")], 200),
        ([_refund("refund.created", "pending"), _refund("refund.updated", "succeeded")], 403),
        ([_refund("refund.created", "succeeded", 298)], 200),
        ([_refund("refund.created", "succeeded", 200), _refund("refund.created", "pending", 99, 2)], 403),
        ([_refund("refund.created", "succeeded", 200), _refund("refund.failed", "failed", 99, 2)], 200),
    ],
)
def test_a_film_is_taken_only_while_the_customer_has_the_money(
    webhook: Any, call: Any, shop: Shop, later: list[tuple[str, dict[str, Any]]], status: int
) -> None:
    """Follow the life of a payment as https://docs.stripe.com/disputes and https://docs.stripe.com/refunds tell it."""
    video_id = shop.publish()
    about = {"metadata": {"user": "ann", "item": f"video:{video_id}", "stage": "unit"}}
    now = int(time.time())
    events = [("checkout.session.completed", a_session(**about, amount_total=299)), *later]

    for number, (kind, thing) in enumerate(events):
        whole = a_charge(**about) if kind == "charge.refunded" else thing
        body = an_event(kind, whole, now + number)
        assert webhook(body, signed(body, now)) == 200

    assert call("GET", f"/videos/{video_id}/link").status_code == status


def test_an_unsigned_event_gets_400_and_stores_nothing(webhook: Any, shop: Shop) -> None:
    now = int(time.time())
    body = an_event("checkout.session.completed", a_session(), now)

    statuses = [
        webhook(body + b" ", signed(body, now)),
        webhook(body, signed(body, now - 400)),
        webhook(body, ""),
        webhook(b"", ""),
        webhook(b"{}", signed(b"{}", now)),
    ]

    assert statuses == [400] * 5
    assert (shop.ledger.payments, shop.store.items) == ({}, {})


# Hostile input


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(
            lambda value: json.dumps({"title": value, "files": value, "plan": value}).encode()
        ),
    )
)
def test_no_body_causes_a_5xx(webhook: Any, call: Any, body: bytes) -> None:
    for path in ("/videos", "/videos/x/publish", "/premium/checkout"):
        assert 400 <= call("POST", path, body).status_code < 500
    assert webhook(body, signed(body, int(time.time()))) == 400


def test_every_route_has_its_authorizer() -> None:
    chalice: Chalice = app.app
    authorizers = {
        f"{method} {path}": type(entry.authorizer).__name__
        for path, methods in chalice.routes.items()
        for method, entry in methods.items()
    }

    assert {route for route, kind in authorizers.items() if kind == "NoneType"} == {
        "GET /health",
        "GET /videos",
        "GET /videos/{video_id}",
        "GET /plans",
        "POST /payments/webhook",
    }
    assert {route for route, kind in authorizers.items() if kind == "IAMAuthorizer"} == {
        "POST /videos",
        "POST /videos/{video_id}/publish",
        "DELETE /videos/{video_id}",
    }


def test_no_odd_request_is_a_server_error(call: Any, webhook: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    service: Any = None
    monkeypatch.setattr(wiring, "receipts", lambda: Receipts(shop.entitlements, service))
    for method, path, headers, body, *_ in odd_requests("video-app"):
        assert call(method, path, body, **headers).status_code < 500, (method, path[:200], headers)


def test_the_contract_is_what_the_code_accepts_and_returns() -> None:
    contract = json.loads(Path("video-app/openapi.json").read_text())

    assert openapi.document(app.app) == contract, "make openapi APP=video-app"
