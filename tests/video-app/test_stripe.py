"""Requests to Stripe, the translation of its errors, and the verification of its events."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
import urllib3

from chalicelib import stripe as module
from chalicelib.checkout import Checkout, Order
from chalicelib.payments import Dispute, DisputeChanged, Event, Paid, Refund, RefundChanged, Refunded, Sale
from chalicelib.stripe import EVENTS, Keys, Stripe
from common.errors import ChaliceViewError, Conflict, IdempotencyKeyReused, InvalidInput, ServiceUnavailable
from common.secrets import Secret

NOW = 1_900_000_000
KEYS = {"api_key": "sk_test_very_secret", "webhook_secret": "whsec_very_secret"}
VIDEO = "video:0190b6c2-0000-7000-8000-000000000001"
ORDER = Order("ann", VIDEO, "The ferry & more", 299, "eur", "https://v.example/#a/paid", "https://v.example/#a")


class Secrets:
    """Secrets Manager with one secret."""

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        return {"SecretString": json.dumps(KEYS), "VersionId": "1"}


class Api(ThreadingHTTPServer):
    """Returns ``answers`` in turn, then the last one for ever, and records the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = [(200, {"id": "cs_1", "url": "https://pay.example/cs_1", "more": 1})]
        self.requested: list[tuple[dict[str, str], dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        assert isinstance(self.server, Api)
        form = dict(parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))
        self.server.requested.append((dict(self.headers.items()), form))
        status, answer = self.server.answers[0]
        if len(self.server.answers) > 1:
            self.server.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as api:
        threading.Thread(target=api.serve_forever, args=(0.01,), daemon=True).start()
        yield api
        api.shutdown()


def a_stripe(url: str = "http://127.0.0.1:1") -> Stripe:
    keys = Secret(Secrets(), "payments", lambda text: msgspec.json.decode(text, type=Keys))
    return Stripe(urllib3.PoolManager(), url, keys, "unit", lambda: NOW)


# The API


def test_an_order_becomes_a_session_whose_payment_names_user_and_item(api: Api) -> None:
    checkout = a_stripe(api.url).checkout(ORDER, "key")

    ((headers, form),) = api.requested
    about = {"user": "ann", "item": VIDEO, "stage": "unit", "title": "The ferry & more"}
    assert checkout == Checkout("cs_1", "https://pay.example/cs_1")
    assert headers["Authorization"] == "Bearer sk_test_very_secret"
    assert form == {
        "mode": "payment",
        "client_reference_id": "ann",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": "299",
        "line_items[0][price_data][product_data][name]": "The ferry & more",
        **{f"metadata[{name}]": value for name, value in about.items()},
        **{f"payment_intent_data[metadata][{name}]": value for name, value in about.items()},
        "payment_intent_data[description]": "The ferry & more",
        "success_url": "https://v.example/#a/paid",
        "cancel_url": "https://v.example/#a",
    }


def test_an_idempotency_key_belongs_to_its_user_and_is_optional(api: Api) -> None:
    stripe = a_stripe(api.url)

    for user, key in (("ann", "key"), ("ann", "key"), ("bob", "key"), ("ann", None), ("ann", None)):
        stripe.checkout(msgspec.structs.replace(ORDER, user=user), key)

    sent = [headers["Idempotency-Key"] for headers, _ in api.requested]
    assert sent[0] == sent[1]
    assert len(set(sent)) == 4


def test_a_checkout_names_the_trace_that_it_belongs_to(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)

    a_stripe(api.url).checkout(ORDER, None)

    assert api.requested[0][0]["X-Amzn-Trace-Id"] == trace


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503, 504])
def test_a_temporary_error_is_retried_with_the_same_key(api: Api, status: int) -> None:
    api.answers.insert(0, (status, {}))

    assert a_stripe(api.url).checkout(ORDER, None).id == "cs_1"
    first, second = (headers["Idempotency-Key"] for headers, _ in api.requested)
    assert first == second


@pytest.mark.parametrize(
    ("status", "answer", "error", "times"),
    [
        (400, {"error": {"type": "idempotency_error"}}, IdempotencyKeyReused, 1),
        (409, {"error": {"type": "invalid_request_error", "code": "idempotency_key_in_use"}}, Conflict, 3),
        (
            401,
            {"error": {"type": "invalid_request_error", "message": "Invalid API Key: sk_te***"}},
            ServiceUnavailable,
            1,
        ),
        (500, b"<html>", ServiceUnavailable, 3),
        (302, b"", ServiceUnavailable, 1),
        (400, [], ServiceUnavailable, 1),
        (200, b"<html>", ServiceUnavailable, 1),
        (200, {"id": 1}, ServiceUnavailable, 1),
    ],
)
def test_an_error_of_stripe_becomes_one_of_ours(
    api: Api, status: int, answer: Any, error: type[ChaliceViewError], times: int, caplog: pytest.LogCaptureFixture
) -> None:
    api.answers = [(status, answer)]

    with pytest.raises(error) as raised:
        a_stripe(api.url).checkout(ORDER, "key")

    assert len(api.requested) == times
    for text in (str(raised.value), caplog.text, str([record.__dict__ for record in caplog.records])):
        assert "sk_te" not in text


def test_a_provider_that_does_not_respond_is_unavailable() -> None:
    with pytest.raises(ServiceUnavailable):
        a_stripe().checkout(ORDER, "key")


# Events


def an_event(kind: str, about: dict[str, Any], created: int = NOW - 5) -> bytes:
    event = {"id": "evt_1", "object": "event", "type": kind, "created": created, "data": {"object": about}}
    return json.dumps(event, ensure_ascii=False).encode()


def a_session(**changes: Any) -> dict[str, Any]:
    metadata = {"user": "ann", "item": VIDEO, "stage": "unit"}
    return {"id": "cs_1", "payment_status": "paid", "payment_intent": "pi_1", "metadata": metadata} | changes


def a_charge(**changes: Any) -> dict[str, Any]:
    return a_session(id="ch_1", refunded=True) | changes


def signed(body: bytes, at: int = NOW, secret: str = KEYS["webhook_secret"]) -> str:
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def parsed(kind: str, about: dict[str, Any]) -> Event | None:
    body = an_event(kind, about)
    return a_stripe().event(body, signed(body))


@pytest.mark.parametrize("kind", ["checkout.session.completed", "checkout.session.async_payment_succeeded"])
def test_a_paid_session_is_a_payment(kind: str) -> None:
    assert parsed(kind, a_session()) == Paid("pi_1", "ann", VIDEO, NOW - 5)
    assert parsed(kind, a_session(amount_total=299)) == Paid("pi_1", "ann", VIDEO, NOW - 5, amount=299)
    assert parsed(kind, a_session(payment_status="unpaid")) is None


SOLD: dict[str, Any] = {
    "amount_total": 299,
    "currency": "eur",
    "customer_details": {"email": "ann@example.com"},
    "metadata": {"user": "ann", "item": VIDEO, "stage": "unit", "title": "The ferry"},
}


def test_a_paid_session_has_the_data_of_a_receipt() -> None:
    paid = parsed("checkout.session.completed", a_session(**SOLD))

    assert isinstance(paid, Paid)
    assert paid.sale == Sale("The ferry", 299, "eur", "ann@example.com")


@pytest.mark.parametrize("missing", [*SOLD, "email"])
def test_a_payment_without_the_data_of_a_receipt_counts_without_one(missing: str) -> None:
    lacking = {"customer_details": {"email": None}} if missing == "email" else {missing: None}
    lacking = {"metadata": SOLD["metadata"] | {"title": ""}} if missing == "metadata" else lacking

    paid = parsed("checkout.session.completed", a_session(**SOLD | lacking))

    assert isinstance(paid, Paid)
    assert (paid.user, paid.sale) == ("ann", None)


def a_refund(**changes: Any) -> dict[str, Any]:
    refund = {"id": "re_1", "amount": 299, "status": "succeeded", "payment_intent": "pi_1", "metadata": {}}
    return refund | changes


def a_dispute(**changes: Any) -> dict[str, Any]:
    return {"id": "du_1", "status": "needs_response", "payment_intent": "pi_1", "metadata": {}} | changes


@pytest.mark.parametrize(
    ("kind", "about", "event"),
    [
        ("charge.refunded", a_charge(), Refunded("pi_1", NOW - 5, "ann", VIDEO)),
        ("charge.refunded", a_charge(refunded=False), None),
        *((kind, a_refund(), RefundChanged("pi_1", "re_1", Refund("succeeded", 299, NOW - 5))) for kind in EVENTS[3:7]),
        ("refund.created", a_refund(status=None), RefundChanged("pi_1", "re_1", Refund("pending", 299, NOW - 5))),
        *(
            (f"charge.dispute.{kind}", a_dispute(), DisputeChanged("pi_1", "du_1", Dispute(status, NOW - 5)))
            for kind, status in {
                "created": "needs_response",
                "updated": "needs_response",
                "closed": "needs_response",
                "funds_withdrawn": "funds_withdrawn",
                "funds_reinstated": "funds_reinstated",
            }.items()
        ),
        ("charge.dispute.closed", a_dispute(status="won"), DisputeChanged("pi_1", "du_1", Dispute("won", NOW - 5))),
    ],
)
def test_refunds_and_disputes_are_facts_about_a_payment(kind: str, about: dict[str, Any], event: Event | None) -> None:
    assert kind in EVENTS
    assert parsed(kind, about) == event


@pytest.mark.parametrize("amount", [0, 10**15])
def test_a_refund_may_be_of_any_amount(amount: int) -> None:
    refund = Refund("succeeded", amount, NOW - 5)

    assert parsed("refund.updated", a_refund(amount=amount)) == RefundChanged("pi_1", "re_1", refund)


def test_a_status_that_stripe_adds_is_kept() -> None:
    dispute = Dispute("x" * 100, NOW - 5)

    assert parsed("charge.dispute.created", a_dispute(status="x" * 100)) == DisputeChanged("pi_1", "du_1", dispute)


def test_the_attempts_of_a_request_end_before_api_gateway_answers() -> None:
    """It waits 29 seconds: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
    timeout, pauses = module._TIMEOUT, [module._RETRIES.backoff_factor * 2**n for n in (0, 1)]

    assert 3 * (timeout.connect_timeout + timeout.read_timeout) + sum(pauses) < 29


def test_every_event_that_the_shop_needs_is_one_of_stripe_and_in_the_docs() -> None:
    """Compare with the types that Stripe's own client can register."""
    from stripe.params import _webhook_endpoint_create_params as registration

    names = set(re.findall(r'"([a-z_.]+)"', inspect.getsource(registration)))
    docs = (Path(__file__).parent.parent.parent / "docs/paid-content.md").read_text()
    assert set(EVENTS) <= names
    assert [kind for kind in EVENTS if f"`{kind}`" not in docs] == []


@pytest.mark.parametrize(
    ("status", "answer", "foreign"),
    [
        (200, {"metadata": {"stage": "unit", "user": "ann", "item": VIDEO}}, False),
        (200, {"metadata": {"stage": "prod", "user": "ann", "item": VIDEO}}, True),
        (200, {"metadata": {}}, True),
        (404, {"error": {"code": "resource_missing"}}, False),
        (403, {"error": {"message": "The provided key does not have the required permissions"}}, False),
        (429, {}, None),
        (500, {}, None),
    ],
)
def test_the_provider_says_whose_payment_it_is(api: Api, status: int, answer: Any, foreign: bool | None) -> None:
    api.answers = [(status, answer)]

    if foreign is None:
        with pytest.raises(ServiceUnavailable):
            a_stripe(api.url).is_of_another_shop("pi_1")
    else:
        assert a_stripe(api.url).is_of_another_shop("pi_1") is foreign


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("invoice.paid", {}),
        ("checkout.session.completed", a_session(metadata={"stage": "another", "user": "ann", "item": VIDEO})),
        ("checkout.session.completed", a_session(metadata=None)),
        ("checkout.session.completed", a_session(metadata={})),
        ("charge.refunded", a_charge(metadata={})),
        ("charge.refunded", a_charge(payment_intent=None)),
        ("charge.dispute.created", a_dispute(payment_intent=None)),
        ("charge.dispute.created", a_dispute(metadata={"stage": "another"})),
        ("refund.failed", a_refund(payment_intent=None)),
        ("refund.failed", a_refund(metadata={"stage": "another"})),
    ],
)
def test_events_of_other_shops_are_ignored(kind: str, about: dict[str, Any]) -> None:
    assert parsed(kind, about) is None


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("checkout.session.completed", a_session(payment_intent=None)),
        ("checkout.session.completed", a_session(payment_intent="")),
        ("checkout.session.completed", a_session(metadata={"stage": "unit"})),
        ("checkout.session.completed", a_session(metadata={"stage": "unit", "user": "", "item": VIDEO})),
        ("checkout.session.completed", {}),
        ("charge.refunded", {"refunded": "yes"}),
        ("charge.dispute.created", a_dispute(status=None)),
        ("charge.dispute.created", a_dispute(id="")),
        ("charge.dispute.created", a_dispute(status="x" * 101)),
        ("refund.updated", a_refund(amount=-1)),
        ("refund.updated", a_refund(amount=10**15 + 1)),
        ("refund.updated", a_refund(id="x" * 300)),
    ],
)
def test_a_malformed_event_of_this_shop_is_rejected_so_that_stripe_retries(kind: str, about: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        parsed(kind, about)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"type":"x"}'),
        *(an_event("checkout.session.completed", a_session(), created) for created in (-1, 10**12, 10**4000)),
    ],
    ids=lambda body: str(body[:20]),
)
def test_a_signed_body_that_is_not_an_event_is_rejected(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="not an event of Stripe"):
        a_stripe().event(body, signed(body))


BODY = an_event("checkout.session.completed", a_session(note="für Ann"))


@pytest.mark.parametrize(
    "header",
    [
        f"{signed(BODY)},v0=beef",
        f"t={NOW},v1={'0' * 64},{signed(BODY).partition(',')[2]}",
        signed(BODY).replace(",", ", "),
        signed(BODY, NOW - 300),
        signed(BODY, NOW + 300),
    ],
)
def test_one_valid_and_recent_signature_is_sufficient(header: str) -> None:
    assert a_stripe().event(BODY, header) is not None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=",
        "v1=" + "0" * 64,
        signed(BODY).partition(",")[2],
        f"t={NOW}",
        f"t={NOW},v1=",
        f"t={NOW},v1={'é' * 64}",
        signed(BODY).replace("v1", "v0"),
        signed(BODY).replace(f"t={NOW}", f"t={NOW + 1}"),
        f"t={NOW - 1},{signed(BODY)}",
        f"t=-{NOW},v1={'0' * 64}",
        f"t={'9' * 5000},v1={'0' * 64}",
        f"t=٣,v1={'0' * 64}",
        signed(BODY, secret="whsec_other"),
        signed(BODY, secret=""),
        signed(BODY + b" "),
        signed(BODY, NOW - 301),
        signed(BODY, NOW + 301),
    ],
)
def test_a_missing_wrong_or_old_signature_is_rejected(header: str) -> None:
    with pytest.raises(InvalidInput, match="Stripe-Signature"):
        a_stripe().event(BODY, header)


def test_a_body_with_one_flipped_bit_is_rejected() -> None:
    header = signed(BODY)
    stripe = a_stripe()

    for bit in range(0, len(BODY) * 8, 7):
        altered = bytearray(BODY)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidInput, match="Stripe-Signature"):
            stripe.event(bytes(altered), header)


def test_signatures_of_the_official_library_are_accepted() -> None:
    """Compare with Stripe's own library, since the scheme is Stripe's."""
    from stripe import WebhookSignature

    now = int(time.time())
    header = signed(BODY, now)

    assert WebhookSignature.verify_header(BODY.decode(), header, KEYS["webhook_secret"], 300)
    keys = Secret(Secrets(), "payments", lambda text: msgspec.json.decode(text, type=Keys))
    assert Stripe(urllib3.PoolManager(), "", keys, "unit").event(BODY, header)


def test_nothing_that_can_be_logged_shows_the_keys_or_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keys = Secret(Secrets(), "payments", lambda text: msgspec.json.decode(text, type=Keys))
    shown = f"{keys!r} {keys.value()!r} {[keys.value()]} {vars(module)} {caplog.text}"

    assert "very_secret" not in shown
