"""The sandbox's payment provider, used by Stripe's own client and by a shop's webhook."""

from __future__ import annotations

import http.server
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import stripe
import uvicorn

from sandbox.payments import API_KEY, provider
from sandbox.payments.account import DECLINED, DISPUTED, INQUIRY, PAYS, REFUND_FAILS, Account
from sandbox.payments.client import Payments
from sandbox.payments.errors import ApiError
from sandbox.payments.parameters import NewSession, nested, parse

CHECKOUT: dict[str, Any] = {
    "mode": "payment",
    "line_items": [
        {"quantity": 2, "price_data": {"currency": "eur", "unit_amount": 499, "product_data": {"name": "Tides & <b>"}}}
    ],
    "client_reference_id": "user-1",
    "metadata": {"item": "video:1"},
    "payment_intent_data": {"metadata": {"item": "video:1", "user": "user-1"}},
    "success_url": "https://shop.example/#done?by={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://shop.example/#cancelled",
}
FORM = {
    "mode": "payment",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "499",
    "line_items[0][price_data][product_data][name]": "Tides",
    "success_url": "https://shop.example/",
}


class Shop(http.server.ThreadingHTTPServer):
    """A shop's webhook. It answers the given statuses in turn, and 200 after them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Webhook)
        self.received: queue.Queue[tuple[bytes, str]] = queue.Queue()
        self.traces: list[str | None] = []
        self.statuses: list[int] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/webhook"

    def receive(self) -> tuple[bytes, str]:
        """Return the next request's body and signature."""
        return self.received.get(timeout=90)

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Webhook(http.server.BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("content-length", "0")
        self.end_headers()
        self.server.traces.append(self.headers["x-amzn-trace-id"])
        self.server.received.put((body, self.headers["stripe-signature"]))

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Provider:
    """A running provider, with Stripe's own client and a plain HTTP client."""

    url: str
    stripe: stripe.StripeClient = field(init=False)
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.stripe = stripe.StripeClient(API_KEY, base_addresses={"api": self.url}, max_network_retries=0)
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {API_KEY}"})

    def open(self) -> Any:
        return self.stripe.v1.checkout.sessions.create(params=CHECKOUT)  # type: ignore[arg-type]

    def pay(self, session: Any, card: str = PAYS) -> httpx.Response:
        return httpx.post(f"{self.url}/pay/{session.id}", data={"card": card})

    def paid(self) -> Any:
        session = self.open()
        assert self.pay(session).status_code == 303
        return self.stripe.v1.checkout.sessions.retrieve(session.id)

    def listen(self, url: str, *events: str) -> Any:
        return self.stripe.v1.webhook_endpoints.create(params={"url": url, "enabled_events": list(events) or ["*"]})  # type: ignore[list-item]

    def types(self) -> list[str]:
        """Return the types of all events, the oldest first."""
        return [event.type for event in self.stripe.v1.events.list(params={"limit": 100}).data][::-1]


@contextmanager
def _running(port: int) -> Iterator[Provider]:
    site = provider.site(delays=(0.01, 0.02, 0.04))
    server = uvicorn.Server(uvicorn.Config(site, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    running = Provider(f"http://127.0.0.1:{port}")
    with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:
        client.get(running.url)
    yield running
    running.http.close()
    server.should_exit = True
    thread.join()


@pytest.fixture
def payments(free_port: Callable[[], int]) -> Iterator[Provider]:
    """A new provider."""
    with _running(free_port()) as running:
        yield running


@pytest.fixture(scope="module")
def used(free_port: Callable[[], int]) -> Iterator[Provider]:
    """A provider that other tests use too."""
    with _running(free_port()) as running:
        yield running


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


def test_a_paid_checkout_sends_events_and_redirects_to_the_shop(payments: Provider) -> None:
    session = payments.open()
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 998)

    answer = payments.pay(session)

    assert answer.status_code == 303
    assert answer.headers["location"] == f"https://shop.example/#done?by={session.id}"
    paid = payments.stripe.v1.checkout.sessions.retrieve(session.id)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert (paid.client_reference_id, paid.metadata["item"]) == ("user-1", "video:1")
    intent = payments.stripe.v1.payment_intents.retrieve(str(paid.payment_intent))
    charge = payments.stripe.v1.charges.retrieve(str(intent.latest_charge))
    assert (intent.status, charge.paid, charge.payment_intent) == ("succeeded", True, intent.id)
    assert intent.to_dict()["metadata"] == charge.to_dict()["metadata"] == {"item": "video:1", "user": "user-1"}
    assert payments.types() == ["charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]


def test_a_webhook_is_in_the_trace_of_the_checkout(payments: Provider, shop: Shop) -> None:
    payments.listen(shop.url, "checkout.session.completed")
    traced = payments.http.post("/v1/checkout/sessions", data=FORM, headers={"X-Amzn-Trace-Id": "Root=1-a"}).json()

    for session in (traced["id"], payments.open().id):
        httpx.post(f"{payments.url}/pay/{session}", data={"card": PAYS})
        shop.receive()

    assert shop.traces == ["Root=1-a", None]


def test_a_payment_has_the_trace_of_its_checkout(payments: Provider) -> None:
    trace = "1-5759e988-bd862e3fe1be46a994272793"
    headers = {"X-Amzn-Trace-Id": f"Root={trace};Parent=53995c3f42cd8ad8;Sampled=1"}
    traced = payments.http.post("/v1/checkout/sessions", data=FORM, headers=headers).json()["id"]
    httpx.post(f"{payments.url}/pay/{traced}", data={"card": PAYS})
    payments.paid()

    paid = payments.stripe.v1.checkout.sessions.retrieve(traced).payment_intent
    assert Payments(payments.url).traces() == {paid: trace}


def test_a_declined_card_pays_nothing_and_another_card_can_pay(payments: Provider) -> None:
    session = payments.open()

    declined = payments.pay(session, DECLINED)

    assert declined.status_code == 402
    assert "Your card was declined." in declined.text
    assert payments.types() == ["charge.failed", "payment_intent.payment_failed"]
    assert payments.pay(session).status_code == 303


def test_a_checkout_is_paid_once(payments: Provider) -> None:
    session = payments.open()
    payments.pay(session)

    again = payments.pay(session)

    assert (again.status_code, again.headers.get("location")) == (400, None)
    assert "payment is complete" in again.text
    assert payments.types().count("charge.succeeded") == 1


def test_an_expired_checkout_cannot_be_paid(payments: Provider) -> None:
    session = payments.open()

    ended = payments.stripe.v1.checkout.sessions.expire(session.id)

    assert (ended.status, ended.url) == ("expired", None)
    assert "nothing was charged" in payments.pay(session).text
    assert payments.types() == ["checkout.session.expired"]


def test_partial_refunds_add_up_to_a_full_refund(payments: Provider) -> None:
    intent = str(payments.paid().payment_intent)

    part = payments.stripe.v1.refunds.create(params={"payment_intent": intent, "amount": 400})
    rest = payments.stripe.v1.refunds.create(params={"payment_intent": intent})

    assert (part.status, part.amount, rest.amount) == ("succeeded", 400, 598)
    refunded = payments.stripe.v1.events.list(params={"type": "charge.refunded"}).data[::-1]
    assert [(e.data.object["amount_refunded"], e.data.object["refunded"]) for e in refunded] == [
        (400, False),
        (998, True),
    ]
    with pytest.raises(stripe.InvalidRequestError, match="already been refunded") as refused:
        payments.stripe.v1.refunds.create(params={"payment_intent": intent})
    assert refused.value.code == "charge_already_refunded"


def test_a_refund_cannot_exceed_the_payment(used: Provider) -> None:
    intent = str(used.paid().payment_intent)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        used.stripe.v1.refunds.create(params={"payment_intent": intent, "amount": 999})


def test_a_payment_is_disputed(payments: Provider) -> None:
    assert payments.pay(payments.open(), DISPUTED).status_code == 303
    dispute = payments.stripe.v1.events.list(params={"type": "charge.dispute.created"}).data[0].data.object
    charge = payments.stripe.v1.charges.retrieve(dispute["charge"])
    assert (dispute["payment_intent"], charge.disputed) == (charge.payment_intent, True)


def disputed(payments: Provider, card: str) -> Any:
    assert payments.pay(payments.open(), card).status_code == 303
    return payments.stripe.v1.disputes.list(params={"limit": 1}).data[0]


@pytest.mark.parametrize(
    ("card", "evidence", "states"),
    [
        (DISPUTED, [], ["created needs_response", "funds_withdrawn needs_response"]),
        (DISPUTED, ["winning_evidence"], ["updated under_review", "funds_reinstated won", "closed won"]),
        (DISPUTED, ["losing_evidence"], ["updated under_review", "closed lost"]),
        (INQUIRY, [], ["created warning_needs_response"]),
        (INQUIRY, ["winning_evidence"], ["updated warning_under_review", "closed warning_closed"]),
        (INQUIRY, ["escalate_inquiry_evidence"], ["updated needs_response", "funds_withdrawn needs_response"]),
        (INQUIRY, ["escalate_inquiry_evidence", "losing_evidence"], ["updated under_review", "closed lost"]),
    ],
)
def test_evidence_decides_a_dispute(payments: Provider, card: str, evidence: list[str], states: list[str]) -> None:
    """Follow https://docs.stripe.com/testing#evidence."""
    dispute = disputed(payments, card)
    for text in evidence:
        answer = payments.stripe.v1.disputes.update(dispute.id, params={"evidence": {"uncategorized_text": text}})
    events = payments.stripe.v1.events.list(params={"limit": 100}).data[::-1]
    shown = [f"{e.type.rpartition('.')[2]} {e.data.object['status']}" for e in events if ".dispute." in e.type]

    assert shown[-len(states) :] == states
    if evidence:
        assert answer.status == states[-1].split()[1]


def test_an_accepted_dispute_is_lost_for_good(payments: Provider) -> None:
    dispute = disputed(payments, DISPUTED)

    assert payments.stripe.v1.disputes.close(dispute.id).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        payments.stripe.v1.disputes.close(dispute.id)
    assert payments.types()[-1] == "charge.dispute.closed"


def test_a_refund_fails_after_it_succeeded(payments: Provider) -> None:
    payments.pay(payments.open(), REFUND_FAILS)
    charge = payments.stripe.v1.charges.list().data[0]

    refund = payments.stripe.v1.refunds.create(params={"charge": charge.id})

    assert refund.status == "succeeded"
    assert payments.types()[-4:] == ["refund.created", "charge.refunded", "refund.updated", "refund.failed"]
    charge = payments.stripe.v1.charges.retrieve(charge.id)
    assert (charge.amount_refunded, charge.refunded) == (0, False)


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"card": "4242 4242 4242 4242", "expiry": "01/99", "code": "123"}, 303, ""),
        ({"card": "4242-4242-4242-4242", "expiry": "1 / 2099", "code": "1234"}, 303, ""),
        ({"card": "4242 4242 4242 4242", "expiry": "01/20", "code": "123"}, 402, "Your card has expired."),
        ({"card": "4242 4242 4242 4242", "expiry": "13/99", "code": "123"}, 402, "not of the form MM / YY"),
        ({"card": "4242 4242 4242 4242", "expiry": "01/99", "code": "12"}, 402, "security code"),
        ({"card": "4242", "expiry": "01/99", "code": "123"}, 400, "not that of a test card"),
        ({"card": '"><b>', "expiry": "01/99", "code": "123"}, 400, "&#34;&gt;&lt;b&gt;"),
        ({"card[x]": "1", "expiry": "01/99"}, 400, "not that of a test card"),
    ],
)
def test_the_page_has_a_form_for_a_card(used: Provider, form: dict[str, str], status: int, said: str) -> None:
    answer = httpx.post(used.open().url, data=form)
    assert (answer.status_code, said in answer.text) == (status, True)


@pytest.mark.parametrize(
    ("currency", "amount", "shown"),
    [("xof", 500, "F\N{NARROW NO-BREAK SPACE}CFA\N{NO-BREAK SPACE}500"), ("huf", 100_000, "Ft\N{NO-BREAK SPACE}1,000")],
)
def test_the_page_shows_what_is_charged(used: Provider, currency: str, amount: int, shown: str) -> None:
    price = {"line_items[0][price_data][currency]": currency, "line_items[0][price_data][unit_amount]": str(amount)}
    url = used.http.post("/v1/checkout/sessions", data=FORM | price).json()["url"]
    assert f"Pay {shown}</button>" in httpx.get(url).text


@pytest.mark.parametrize(("currency", "amount"), [("isk", 550), ("ugx", 550), ("kwd", 5124)])
def test_a_fraction_that_stripe_does_not_charge_is_refused(used: Provider, currency: str, amount: int) -> None:
    price = {"line_items[0][price_data][currency]": currency, "line_items[0][price_data][unit_amount]": str(amount)}
    error = used.http.post("/v1/checkout/sessions", data=FORM | price).json()["error"]
    assert error["code"] == "invalid_charge_amount_no_decimal_compatible"


def test_the_signature_of_an_event_is_accepted_by_stripes_own_client(payments: Provider, shop: Shop) -> None:
    endpoint = payments.listen(shop.url, "checkout.session.completed")
    session = payments.paid()

    body, signature = shop.receive()

    event = stripe.Webhook.construct_event(body, signature, endpoint.secret)  # type: ignore[no-untyped-call]
    assert event.type == "checkout.session.completed"
    assert event.data.object["id"] == session.id
    for altered, header in (
        (body.replace(b"video:1", b"video:2"), signature),
        (body, signature.replace("v1=", "v1=0")),
    ):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(altered, header, endpoint.secret)  # type: ignore[no-untyped-call]


def test_the_redirect_comes_after_the_shops_webhook(payments: Provider, shop: Shop) -> None:
    payments.listen(shop.url)
    payments.paid()
    assert shop.received.qsize() == 3


def test_an_event_is_retried_with_a_new_signature_until_it_is_accepted(payments: Provider, shop: Shop) -> None:
    shop.statuses = [500, 302, 404]
    endpoint = payments.listen(shop.url, "checkout.session.completed")
    payments.paid()

    received = [shop.receive() for _ in range(4)]

    assert len({signature for _, signature in received}) == 4
    ids = {stripe.Webhook.construct_event(*each, endpoint.secret).id for each in received}  # type: ignore[no-untyped-call]
    assert len(ids) == 1
    assert shop.received.empty()


def test_a_shop_gets_its_events_when_it_is_up_again(payments: Provider, free_port: Callable[[], int]) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/"
    endpoint = payments.listen(nowhere, "checkout.session.completed")
    payments.paid()
    shop = Shop()
    try:
        payments.stripe.v1.webhook_endpoints.update(endpoint.id, params={"url": shop.url})
        event = payments.stripe.v1.events.list(params={"type": "checkout.session.completed"}).data[0]
        assert payments.http.post(f"/v1/events/{event.id}/retry").json()["id"] == event.id
        assert event.id.encode() in shop.receive()[0]
    finally:
        shop.close()


def test_an_event_can_be_sent_again_late_and_in_another_order(payments: Provider, shop: Shop) -> None:
    endpoint = payments.listen(shop.url)
    payments.stripe.v1.webhook_endpoints.update(endpoint.id, params={"disabled": True})
    intent = str(payments.paid().payment_intent)
    payments.stripe.v1.refunds.create(params={"payment_intent": intent})
    assert shop.received.empty()

    payments.stripe.v1.webhook_endpoints.update(endpoint.id, params={"disabled": False})
    for kind in ("charge.refunded", "checkout.session.completed", "checkout.session.completed"):
        event = payments.stripe.v1.events.list(params={"type": kind}).data[0]
        payments.http.post(f"/v1/events/{event.id}/retry", data={"webhook_endpoint": endpoint.id})
        assert event.id.encode() in shop.receive()[0]


def test_a_deleted_endpoint_gets_no_events(payments: Provider, shop: Shop) -> None:
    removed, kept = payments.listen(shop.url), payments.listen(shop.url, "charge.succeeded")
    payments.stripe.v1.webhook_endpoints.delete(removed.id)
    payments.paid()
    assert shop.received.qsize() == 1
    assert [endpoint.id for endpoint in payments.stripe.v1.webhook_endpoints.list().data] == [kept.id]


def test_an_idempotency_key_makes_one_checkout(used: Provider) -> None:
    first = used.http.post("/v1/checkout/sessions", data=FORM, headers={"Idempotency-Key": "k"})
    again = used.http.post("/v1/checkout/sessions", data=FORM, headers={"Idempotency-Key": "k"})
    other = used.http.post(
        "/v1/checkout/sessions", data=FORM | {"client_reference_id": "x"}, headers={"Idempotency-Key": "k"}
    )

    assert (first.status_code, again.json()) == (200, first.json())
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")


def test_an_idempotency_key_is_known_for_a_day(used: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"Idempotency-Key": "daily"}
    first = used.http.post("/v1/checkout/sessions", data=FORM, headers=key)
    monkeypatch.setattr(provider, "KEY_LIFETIME", 0)
    later = used.http.post("/v1/checkout/sessions", data=FORM, headers=key)

    assert later.status_code == 200
    assert later.json()["id"] != first.json()["id"]


def test_an_error_does_not_use_up_an_idempotency_key(used: Provider) -> None:
    key = {"Idempotency-Key": "another"}
    assert used.http.post("/v1/checkout/sessions", data={}, headers=key).status_code == 400
    assert used.http.post("/v1/checkout/sessions", data=FORM, headers=key).status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer sk_test_another", "Bearer", "Basic !", "Basic c2tfdGVzdF94Og=="])
def test_the_api_needs_its_key(used: Provider, header: str | None) -> None:
    answer = httpx.get(f"{used.url}/v1/events", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")


def test_the_key_can_be_the_user_of_basic_authentication(used: Provider) -> None:
    assert httpx.get(f"{used.url}/v1/events", auth=(API_KEY, "")).status_code == 200


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"success_url": None}, "success_url", "parameter_missing"),
        ({"sucess_url": "x"}, "sucess_url", "parameter_unknown"),
        ({"mode": "subscription"}, "mode", "parameter_invalid"),
        (
            {"line_items[0][price_data][unit_amount]": "4.99"},
            "line_items[0][price_data][unit_amount]",
            "parameter_invalid",
        ),
        (
            {"line_items[0][price_data][unit_amount]": "-1"},
            "line_items[0][price_data][unit_amount]",
            "parameter_invalid",
        ),
        ({"line_items[0][price_data][currency]": None}, "line_items[0][price_data][currency]", "parameter_missing"),
        ({"line_items[0][quantity]": "0"}, "line_items[0][quantity]", "parameter_invalid"),
        ({"line_items[0]": "x"}, "line_items[0]", None),
        ({"metadata": "x"}, "metadata", "parameter_invalid"),
        ({"success_url": "javascript:alert(1)"}, "success_url", "parameter_invalid"),
        ({"metadata[a": "x"}, "metadata[a", None),
        ({"expires_at": "1"}, "expires_at", None),
    ],
)
def test_a_wrong_parameter_is_named(
    used: Provider, change: dict[str, str | None], param: str, code: str | None
) -> None:
    form = {name: value for name, value in (FORM | change).items() if value is not None}
    answer = used.http.post("/v1/checkout/sessions", data=form)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert code == error.get("code")


def test_a_price_below_the_minimum_is_refused(used: Provider) -> None:
    form = FORM | {"line_items[0][price_data][unit_amount]": "49"}
    error = used.http.post("/v1/checkout/sessions", data=form).json()["error"]
    assert error["code"] == "amount_too_small"


def test_an_unknown_id_gets_404(used: Provider) -> None:
    for path in ("checkout/sessions/x", "payment_intents/x", "charges/x", "events/x", "webhook_endpoints/x", "nothing"):
        answer = used.http.get(f"/v1/{path}")
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error"), path
    page = httpx.get(f"{used.url}/pay/x")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_lists_have_pages_with_the_newest_first(payments: Provider) -> None:
    for _ in range(2):
        payments.paid()
    pages = payments.stripe.v1.events.list(params={"limit": 4})
    assert [event.type for event in pages.auto_paging_iter()][::-1] == payments.types()
    assert pages.has_more


def test_the_page_shows_the_items_as_text(used: Provider) -> None:
    page = httpx.get(used.open().url)
    assert "Tides &amp; &lt;b&gt; \N{MULTIPLICATION SIGN} 2" in page.text
    assert "€9.98" in page.text
    assert "form-action 'self' https://shop.example" in page.headers["content-security-policy"]


def test_a_checkout_expires_after_a_day() -> None:
    now, events = [1_000_000], list[Any]()
    account = Account(events.append, lambda: now[0])
    session = account.open_session(parse(_urlencoded(FORM), NewSession), "http://provider/pay")
    now[0] += 24 * 3600
    assert account.session(session["id"])["status"] == "expired"
    with pytest.raises(ApiError):
        account.pay(session, PAYS)
    assert [event["type"] for event in events] == ["checkout.session.expired"]


def test_nested_names_make_objects_and_arrays() -> None:
    assert nested("a[b][0][c]=1&a[b][1][c]=2&d[]=x&d[]=y&metadata[0]=zero&e=%C3%A9") == {
        "a": {"b": [{"c": "1"}, {"c": "2"}]},
        "d": ["x", "y"],
        "metadata": {"0": "zero"},
        "e": "é",
    }


def _urlencoded(form: dict[str, str]) -> str:
    return str(httpx.QueryParams(form))
