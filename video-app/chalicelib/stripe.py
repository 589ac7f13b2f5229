"""The payment provider: creates payment pages, and verifies signed events. Adapter for Stripe's HTTP API.

https://docs.stripe.com/api/checkout/sessions/create
https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
import urllib3
from msgspec import Meta, Struct

from chalicelib.checkout import Checkout, Order
from chalicelib.payments import Dispute, DisputeChanged, Event, Paid, Refund, RefundChanged, Refunded, Sale
from common import traces
from common.errors import Conflict, IdempotencyKeyReused, InvalidInput, ServiceUnavailable
from common.secrets import Secret
from common.times import EpochSeconds

TOLERANCE = 300
"""Seconds by which the time of a signature may differ from our clock."""

EVENTS = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
"""The types of events that the shop needs: https://docs.stripe.com/api/events/types. The older name of
``refund.updated`` and ``refund.failed`` is ``charge.refund.updated``."""

_PAID = EVENTS[:2]
_REFUNDS = EVENTS[3:7]
_DISPUTES = EVENTS[7:]
_FUNDS = ("funds_withdrawn", "funds_reinstated")

# Three attempts with these time-outs take less than API Gateway's 29 s. All have the same Idempotency-Key.
_TIMEOUT = urllib3.Timeout(connect=2, read=6)
_RETRIES = urllib3.Retry(
    2,
    allowed_methods=None,
    status_forcelist=[409, 429, 500, 502, 503, 504],
    backoff_factor=0.2,
    redirect=False,
    raise_on_status=False,
    respect_retry_after_header=False,
)

_logger = logging.getLogger("video-app")


class Keys(Struct, frozen=True):
    """The secret of payments: the API key, and the key that signs events."""

    api_key: str
    webhook_secret: str

    def __repr__(self) -> str:
        return "Keys()"


def keys(secret: str) -> Keys:
    """Return the keys in the text of the secret of payments."""
    return msgspec.json.decode(secret, type=Keys)


class Stripe:
    """The API at *url*, through *http*, for one *stage* of the shop, which ignores the events of other stages."""

    def __init__(
        self,
        http: urllib3.PoolManager,
        url: str,
        keys: Secret[Keys],
        stage: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._url = url
        self._keys = keys
        self._stage = stage
        self._now = now

    def checkout(self, order: Order, idempotency_key: str | None) -> Checkout:
        """Create a checkout. Stripe ignores the trace; the sandbox's provider sends its webhooks in it.

        https://docs.stripe.com/api/idempotent_requests
        """
        known = f"{self._stage} {order.user} {idempotency_key}" if idempotency_key else uuid.uuid4().hex
        key = hashlib.sha256(known.encode()).hexdigest()
        headers = {"Idempotency-Key": key, **traces.header()}
        answer = self._request("POST", "/v1/checkout/sessions", self._form(order), headers)
        if answer.status != 200:
            raise _refusal(answer.status, answer.data)
        try:
            return msgspec.json.decode(answer.data, type=Checkout)
        except msgspec.DecodeError as error:
            raise ServiceUnavailable("the payment provider sent an invalid answer") from error

    def _form(self, order: Order) -> dict[str, Any]:
        """Return the form of a session. Stripe copies a payment intent's metadata to its charge, for refunds."""
        metadata = {"user": order.user, "item": order.item, "stage": self._stage, "title": order.name}
        return {
            "mode": "payment",
            "client_reference_id": order.user,
            "line_items[0][quantity]": 1,
            "line_items[0][price_data][currency]": order.currency,
            "line_items[0][price_data][unit_amount]": order.price,
            "line_items[0][price_data][product_data][name]": order.name,
            **{f"metadata[{name}]": value for name, value in metadata.items()},
            **{f"payment_intent_data[metadata][{name}]": value for name, value in metadata.items()},
            "payment_intent_data[description]": order.name,
            **({"customer_email": order.email} if order.email else {}),
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
        }

    def is_of_another_shop(self, payment: str) -> bool:
        """Return whether the payment's metadata do not name this shop.

        A payment that Stripe does not show to our key may be ours: we rather keep a fact too many than lose one.
        https://docs.stripe.com/api/payment_intents/retrieve
        """
        answer = self._request("GET", f"/v1/payment_intents/{payment}")
        if answer.status == 200:
            return self._ours(_decoded(answer.data, _Intent).metadata) is None
        if answer.status == 429 or answer.status >= 500:
            raise _refusal(answer.status, answer.data)
        _logger.warning("the payment provider does not show a payment", extra={"status": answer.status})
        return False

    def _request(
        self, method: str, path: str, form: dict[str, Any] | None = None, more: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Authorization": f"Bearer {self._keys.value().api_key}", **(more or {})}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(form) if form is not None else None
        try:
            return self._http.request(
                method, self._url + path, body=body, headers=headers, timeout=_TIMEOUT, retries=_RETRIES
            )
        except urllib3.exceptions.HTTPError as error:
            raise ServiceUnavailable("the payment provider cannot be reached, please try again") from error

    def event(self, body: bytes, signature: str) -> Event | None:
        """Return the payment event in a webhook request, or None if it is about something else.

        *body* is the unchanged body, *signature* the header Stripe-Signature. Raises InvalidInput if the signature does
        not match the body or its time is not within `TOLERANCE`, and for a malformed event of this stage.
        """
        _verify(body, signature, self._keys.value().webhook_secret, self._now())
        event = _decoded(body, _Event)
        if event.type in _PAID:
            return self._paid(_decoded(event.data.object, _Session), event.created)
        if event.type == "charge.refunded":
            charge = _decoded(event.data.object, _Charge)
            return self._refunded(charge, event.created) if charge.refunded else None
        if event.type in _REFUNDS:
            return self._refund(_decoded(event.data.object, _Refund), event.created)
        if event.type in _DISPUTES:
            kind = event.type.rpartition(".")[2]
            return self._dispute(_decoded(event.data.object, _Dispute), event.created, kind)
        return None

    def _paid(self, session: _Session, at: int) -> Paid | None:
        about = self._ours(session.metadata)
        if session.payment_status != "paid" or about is None:
            return None
        if session.payment_intent is None:
            raise InvalidInput("payment_intent: missing in a paid session")
        sale, amount = _sale(session, about.title), session.amount_total
        return Paid(session.payment_intent, about.user, about.item, at, sale, amount)

    def _refunded(self, charge: _Charge, at: int) -> Refunded | None:
        about = self._ours(charge.metadata)
        if charge.payment_intent is None or about is None:
            return None
        return Refunded(charge.payment_intent, at, about.user, about.item)

    def _refund(self, refund: _Refund, at: int) -> RefundChanged | None:
        if refund.payment_intent is None or self._theirs(refund.metadata):
            return None
        return RefundChanged(refund.payment_intent, refund.id, Refund(refund.status or "pending", refund.amount, at))

    def _dispute(self, dispute: _Dispute, at: int, kind: str) -> DisputeChanged | None:
        if dispute.payment_intent is None or self._theirs(dispute.metadata):
            return None
        status = kind if kind in _FUNDS else dispute.status
        return DisputeChanged(dispute.payment_intent, dispute.id, Dispute(status, at))

    def _theirs(self, metadata: dict[str, str] | None) -> bool:
        """Return whether a refund or a dispute names another stage. Most of them have no metadata."""
        return (metadata or {}).get("stage", self._stage) != self._stage

    def _ours(self, metadata: dict[str, str] | None) -> _Metadata | None:
        """Return the metadata if it is of this stage: every endpoint gets the events of all stages of an account."""
        if metadata is None or metadata.get("stage") != self._stage:
            return None
        try:
            return msgspec.convert(metadata, type=_Metadata)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"metadata: {error}") from error


class _Data(Struct):
    object: msgspec.Raw


class _Event(Struct):
    type: str
    created: EpochSeconds
    data: _Data


type _Id = Annotated[str, Meta(pattern=r"\A[\w-]{1,255}\Z")]


class _Customer(Struct):
    email: str | None = None


class _Session(Struct):
    payment_status: str
    payment_intent: _Id | None = None
    metadata: dict[str, str] | None = None
    amount_total: int | None = None
    currency: str | None = None
    customer_details: _Customer | None = None


class _Charge(Struct):
    refunded: bool
    payment_intent: _Id | None = None
    metadata: dict[str, str] | None = None


class _Refund(Struct):
    id: _Id
    amount: Annotated[int, Meta(ge=0, le=10**15)]
    status: str | None = None
    payment_intent: _Id | None = None
    metadata: dict[str, str] | None = None


class _Dispute(Struct):
    id: _Id
    status: Annotated[str, Meta(max_length=100)]
    payment_intent: _Id | None = None
    metadata: dict[str, str] | None = None


class _Intent(Struct):
    metadata: dict[str, str] | None = None


class _Metadata(Struct):
    user: _Id
    item: str
    title: str = ""


def _sale(session: _Session, title: str) -> Sale | None:
    """Return the data for the receipt, or None if the session lacks some; the payment counts anyway."""
    email = session.customer_details.email if session.customer_details else None
    if session.amount_total is None or session.currency is None or not email or not title:
        return None
    return Sale(title, session.amount_total, session.currency, email)


def _verify(body: bytes, signature: str, secret: str, now: float) -> None:
    """Verify the header ``t=<seconds>,v1=<hex>,…``, which has several v1 during a rotation of the secret."""
    pairs = [part.partition("=")[::2] for part in signature.split(",")]
    times = [value for name, value in pairs if name.strip() == "t"]
    if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0]):
        raise InvalidInput("Stripe-Signature: missing or malformed")
    signed = hmac.digest(secret.encode(), times[0].encode() + b"." + body, "sha256").hex().encode()
    given = [value.encode() for name, value in pairs if name.strip() == "v1"]
    # Compares all of them in constant time, so that the duration reveals nothing.
    if not sum(hmac.compare_digest(signed, one) for one in given):
        raise InvalidInput("Stripe-Signature: does not match the body")
    if abs(now - int(times[0])) > TOLERANCE:
        raise InvalidInput("Stripe-Signature: too old, or in the future")


def _decoded[T](text: bytes | msgspec.Raw, cls: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=cls)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not an event of Stripe: {error}") from error


def _refusal(status: int, body: bytes) -> Exception:
    """Return our error for one of Stripe's, without its message, which may quote the request.

    https://docs.stripe.com/api/errors
    """
    try:
        error = json.loads(body)["error"]
        kind, code = error.get("type"), error.get("code")
    except (ValueError, KeyError, TypeError, AttributeError):
        kind = code = None
    if kind == "idempotency_error" and status == 400:
        return IdempotencyKeyReused("this Idempotency-Key was used with another order")
    if status == 409:
        return Conflict("another request with this Idempotency-Key is running")
    _logger.error("the payment provider refused a request", extra={"status": status, "type": kind, "error_code": code})
    return ServiceUnavailable("the payment provider does not accept payments at the moment")
