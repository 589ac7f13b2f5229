"""A merchant's account: checkouts, payments, refunds, and an event for each change.

Objects have the form of the API's responses, with the fields that a shop with one-time payments reads:
https://docs.stripe.com/api/checkout/sessions/object, https://docs.stripe.com/api/payment_intents/object,
https://docs.stripe.com/api/charges/object, https://docs.stripe.com/api/refunds/object,
https://docs.stripe.com/api/disputes/object, https://docs.stripe.com/api/events/object
"""

from __future__ import annotations

import copy
import secrets
import string
import time
from collections.abc import Callable
from typing import Any

from common import money
from localaws.xray import header
from sandbox.payments.errors import ApiError, missing
from sandbox.payments.parameters import DisputeChange, ListParameters, NewRefund, NewSession

API_VERSION = "2025-09-30.clover"
DAY = 24 * 3600
MINIMUM = 50
"""The smallest payment in cents: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts"""

PAYS, DECLINED = "4242424242424242", "4000000000000002"
DISPUTED, INQUIRY = "4000000000000259", "4000000000001976"
REFUND_FAILS = "4000000000005126"
"""Test cards, named after the result of a payment: https://docs.stripe.com/testing"""

# The evidence that decides a dispute: https://docs.stripe.com/testing#evidence
_WINNING, _LOSING, _ESCALATING = "winning_evidence", "losing_evidence", "escalate_inquiry_evidence"

type Document = dict[str, Any]


class Account:
    """The account's objects in the order of their creation. *on_event* is called with each event."""

    def __init__(self, on_event: Callable[[Document], object], clock: Callable[[], float] = time.time) -> None:
        self._on_event, self._clock = on_event, clock
        self._sessions: dict[str, Document] = {}
        self._parameters: dict[str, NewSession] = {}
        self._traces: dict[str, str] = {}
        self._intents: dict[str, Document] = {}
        self._charges: dict[str, Document] = {}
        self._refunds: dict[str, Document] = {}
        self._disputes: dict[str, Document] = {}
        self._refunds_fail: set[str] = set()
        self._events: dict[str, Document] = {}

    def open_session(self, parameters: NewSession, address: str, trace: str = "") -> Document:
        """Create a checkout, with its page at *address*/<id>. *trace* is kept for `trace_of`. Raises ApiError."""
        currencies = {item.price_data.currency.lower() for item in parameters.line_items}
        if len(currencies) > 1:
            raise ApiError(400, "All line items must have the same currency.", param="line_items")
        currency = currencies.pop()
        total = sum(item.price_data.unit_amount * item.quantity for item in parameters.line_items)
        if total < MINIMUM:
            least = money.text(MINIMUM, currency)
            message = f"The Checkout Session's total amount due must add up to at least {least}"
            raise ApiError(400, message, code="amount_too_small")
        if total % money.step(currency):
            message = f"Invalid amount. Amounts in {currency} must be evenly divisible by {money.step(currency)}."
            raise ApiError(400, message, code="invalid_charge_amount_no_decimal_compatible")
        now = self._now()
        expires_at = parameters.expires_at or now + DAY
        if not now + 1800 <= expires_at <= now + DAY:
            raise ApiError(400, "The `expires_at` timestamp must be 30 minutes to 24 hours ahead.", param="expires_at")
        session = self._new("checkout.session", "cs_test_", 58) | {
            "amount_subtotal": total,
            "amount_total": total,
            "cancel_url": parameters.cancel_url,
            "client_reference_id": parameters.client_reference_id,
            "currency": currency,
            "customer": None,
            "customer_details": {"email": parameters.customer_email} if parameters.customer_email else None,
            "customer_email": parameters.customer_email,
            "expires_at": expires_at,
            "metadata": dict(parameters.metadata),
            "mode": parameters.mode,
            "payment_intent": None,
            "payment_method_types": ["card"],
            "payment_status": "unpaid",
            "status": "open",
            "success_url": parameters.success_url,
        }
        session["url"] = f"{address}/{session['id']}"
        self._sessions[session["id"]] = session
        self._parameters[session["id"]] = parameters
        self._traces[session["id"]] = trace
        return session

    def trace_of(self, session: Document) -> str:
        """Return the trace that a checkout was created in, or an empty string."""
        return self._traces[session["id"]]

    def traces(self) -> dict[str, str]:
        """Return by payment the id of the trace that its checkout was created in."""
        places = {
            session["payment_intent"]: header.parse(self.trace_of(session)) for session in self._sessions.values()
        }
        return {payment: place.trace_id for payment, place in places.items() if payment and place}

    def session(self, identifier: str) -> Document:
        """Return a checkout, expired if its time has passed. Raises ApiError."""
        session = self._sessions.get(identifier)
        if session is None:
            raise missing("checkout.session", identifier)
        if session["status"] == "open" and session["expires_at"] <= self._now():
            self.expire(session)
        return session

    def line_items(self, identifier: str) -> list[Document]:
        """Return the items of the checkout *identifier*. Raises ApiError."""
        currency = self.session(identifier)["currency"]
        return [
            {
                "id": f"li_{identifier[-20:]}{number}",
                "object": "item",
                "amount_subtotal": item.price_data.unit_amount * item.quantity,
                "amount_total": item.price_data.unit_amount * item.quantity,
                "currency": currency,
                "description": item.price_data.product_data.name,
                "quantity": item.quantity,
            }
            for number, item in enumerate(self._parameters[identifier].line_items)
        ]

    def expire(self, session: Document) -> Document:
        """Expire a checkout. Raises ApiError unless it is open."""
        _require_open(session)
        session |= {"status": "expired", "url": None}
        self._emit("checkout.session.expired", session)
        return session

    def pay(self, session: Document, card: str) -> None:
        """Pay an open checkout with a *card* number. Raises ApiError, with status 402 if the card is declined."""
        _require_open(session)
        if card not in (PAYS, DECLINED, DISPUTED, INQUIRY, REFUND_FAILS):
            raise ApiError(400, "Your card number is not that of a test card.", code="incorrect_number", param="card")
        intent = self._intent(session)
        charge = self._charge(intent, declined=card == DECLINED)
        if card == DECLINED:
            self._emit("charge.failed", charge)
            self._emit("payment_intent.payment_failed", intent)
            raise ApiError(402, "Your card was declined.", code="card_declined", kind="card_error")
        intent |= {"status": "succeeded", "amount_received": intent["amount"]}
        session |= {"status": "complete", "payment_status": "paid", "payment_intent": intent["id"], "url": None}
        self._emit("charge.succeeded", charge)
        self._emit("payment_intent.succeeded", intent)
        self._emit("checkout.session.completed", session)
        if card == REFUND_FAILS:
            self._refunds_fail.add(charge["id"])
        if card in (DISPUTED, INQUIRY):
            self._dispute(charge, inquiry=card == INQUIRY)

    def refund(self, parameters: NewRefund) -> Document:
        """Refund a payment in full, or the amount in *parameters*. Raises ApiError."""
        charge = self._refundable(parameters)
        rest = charge["amount"] - charge["amount_refunded"]
        amount = rest if parameters.amount is None else parameters.amount
        if charge["refunded"]:
            message = f"Charge {charge['id']} has already been refunded."
            raise ApiError(400, message, code="charge_already_refunded")
        if amount > rest:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({rest})"
            raise ApiError(400, message, param="amount")
        refund = self._new("refund", "re_") | {
            "amount": amount,
            "charge": charge["id"],
            "currency": charge["currency"],
            "metadata": dict(parameters.metadata),
            "payment_intent": charge["payment_intent"],
            "reason": parameters.reason,
            "status": "succeeded",
        }
        self._refunds[refund["id"]] = refund
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        self._emit("refund.created", refund)
        self._emit("charge.refunded", charge)
        answer = copy.deepcopy(refund)
        if charge["id"] in self._refunds_fail:
            self._fail(refund, charge)
        return answer

    def _fail(self, refund: Document, charge: Document) -> None:
        """Let a refund fail after it succeeded: https://docs.stripe.com/refunds#failed-refunds"""
        refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        self._emit("refund.updated", refund)
        self._emit("refund.failed", refund)

    def change_dispute(self, identifier: str, change: DisputeChange) -> Document:
        """Submit evidence, which in test mode decides an open dispute or escalates an inquiry. Raises ApiError."""
        dispute = self._open_dispute(identifier)
        inquiry = dispute["status"].startswith("warning_")
        evidence = change.evidence.uncategorized_text
        if evidence == _ESCALATING and inquiry:
            dispute["status"] = "needs_response"
            self._emit("charge.dispute.updated", dispute)
            self._emit("charge.dispute.funds_withdrawn", dispute)
        elif evidence in (_WINNING, _LOSING):
            self._emit(
                "charge.dispute.updated", dispute | {"status": "warning_under_review" * inquiry or "under_review"}
            )
            dispute["status"] = "warning_closed" if inquiry else "won" if evidence == _WINNING else "lost"
            if dispute["status"] == "won":
                self._emit("charge.dispute.funds_reinstated", dispute)
            self._emit("charge.dispute.closed", dispute)
        return dispute

    def close_dispute(self, identifier: str) -> Document:
        """Accept a dispute, which is lost then. Raises ApiError."""
        dispute = self._open_dispute(identifier)
        dispute["status"] = "lost"
        self._emit("charge.dispute.closed", dispute)
        return dispute

    def dispute(self, identifier: str) -> Document:
        """Return a dispute. Raises ApiError."""
        return _found(self._disputes, "dispute", identifier)

    def disputes(self, page: ListParameters) -> tuple[list[Document], bool]:
        """Return the disputes of a payment or of all, and whether there are more. Raises ApiError."""
        intent = page.payment_intent
        return _page([each for each in self._disputes.values() if intent in (None, each["payment_intent"])], page)

    def _open_dispute(self, identifier: str) -> Document:
        dispute = self.dispute(identifier)
        if dispute["status"] in ("won", "lost", "warning_closed"):
            raise ApiError(400, "This dispute is already closed.")
        return dispute

    def intent(self, identifier: str) -> Document:
        """Return a payment. Raises ApiError."""
        return _found(self._intents, "payment_intent", identifier)

    def charge(self, identifier: str) -> Document:
        """Return a charge. Raises ApiError."""
        return _found(self._charges, "charge", identifier)

    def event(self, identifier: str) -> Document:
        """Return an event. Raises ApiError."""
        return _found(self._events, "event", identifier)

    def charges(self, page: ListParameters) -> tuple[list[Document], bool]:
        """Return the charges of a payment or of all, and whether there are more. Raises ApiError."""
        intent = page.payment_intent
        return _page([charge for charge in self._charges.values() if intent in (None, charge["payment_intent"])], page)

    def events(self, page: ListParameters) -> tuple[list[Document], bool]:
        """Return the events of a type or of all, and whether there are more. Raises ApiError."""
        return _page([event for event in self._events.values() if page.type in (None, event["type"])], page)

    def _intent(self, session: Document) -> Document:
        parameters = self._parameters[session["id"]]
        intent = self._new("payment_intent", "pi_") | {
            "amount": session["amount_total"],
            "amount_received": 0,
            "currency": session["currency"],
            "description": parameters.payment_intent_data.description,
            "latest_charge": None,
            "metadata": dict(parameters.payment_intent_data.metadata),
            "status": "requires_payment_method",
        }
        self._intents[intent["id"]] = intent
        return intent

    def _charge(self, intent: Document, *, declined: bool) -> Document:
        """Create a charge with a copy of the payment's metadata: https://docs.stripe.com/metadata"""
        charge = self._new("charge", "ch_") | {
            "amount": intent["amount"],
            "amount_captured": 0 if declined else intent["amount"],
            "amount_refunded": 0,
            "captured": not declined,
            "currency": intent["currency"],
            "description": intent["description"],
            "disputed": False,
            "failure_code": "card_declined" if declined else None,
            "metadata": dict(intent["metadata"]),
            "paid": not declined,
            "payment_intent": intent["id"],
            "refunded": False,
            "status": "failed" if declined else "succeeded",
        }
        self._charges[charge["id"]] = charge
        intent["latest_charge"] = charge["id"]
        return charge

    def _dispute(self, charge: Document, *, inquiry: bool) -> None:
        charge["disputed"] = True
        dispute = self._new("dispute", "du_") | {
            "amount": charge["amount"],
            "charge": charge["id"],
            "currency": charge["currency"],
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": "fraudulent",
            "status": "warning_needs_response" if inquiry else "needs_response",
        }
        self._disputes[dispute["id"]] = dispute
        self._emit("charge.dispute.created", dispute)
        if not inquiry:
            self._emit("charge.dispute.funds_withdrawn", dispute)

    def _refundable(self, parameters: NewRefund) -> Document:
        if bool(parameters.charge) == bool(parameters.payment_intent):
            raise ApiError(400, "One of the following params is needed: payment_intent or charge.", param="charge")
        charge = self.charge(parameters.charge or self.intent(parameters.payment_intent)["latest_charge"])
        if not charge["paid"]:
            raise ApiError(400, f"Charge {charge['id']} was not paid.", param="charge")
        return charge

    def _emit(self, kind: str, document: Document) -> None:
        event = self._new("event", "evt_") | {
            "api_version": API_VERSION,
            "data": {"object": copy.deepcopy(document)},
            "pending_webhooks": 0,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        self._events[event["id"]] = event
        self._on_event(event)

    def _new(self, kind: str, prefix: str, length: int = 24) -> Document:
        identifier = prefix + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
        return {"id": identifier, "object": kind, "created": self._now(), "livemode": False}

    def _now(self) -> int:
        return int(self._clock())


def _require_open(session: Document) -> None:
    if session["status"] != "open":
        message = f"This Checkout Session is {session['status']} and can no longer be paid or expired."
        raise ApiError(400, message, code="checkout_session_not_open")


def _found(documents: dict[str, Document], kind: str, identifier: str) -> Document:
    if identifier not in documents:
        raise missing(kind, identifier)
    return documents[identifier]


def _page(documents: list[Document], page: ListParameters) -> tuple[list[Document], bool]:
    """Return one page, newest first, and whether there are more: https://docs.stripe.com/api/pagination"""
    newest_first = documents[::-1]
    start = 0
    if page.starting_after:
        ids = [document["id"] for document in newest_first]
        if page.starting_after not in ids:
            raise missing("object", page.starting_after)
        start = ids.index(page.starting_after) + 1
    return newest_first[start : start + page.limit], len(newest_first) > start + page.limit
