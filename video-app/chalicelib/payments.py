"""Payments: what the provider has said about each one, and whether it still counts. Imports no AWS and no HTTP.

A payment is for an item: ``video:<id>``, or a plan, ``plan:month`` or ``plan:year``. Every refund and every dispute is
kept by its id with its last known state, and each request computes from all of them whether the payment counts. So the
order and the number of events about a payment do not matter (docs/paid-content.md).
"""

from __future__ import annotations

import re
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from common.errors import InvalidInput

type Seconds = int
"""A time since 1970."""

PREMIUM = "premium"
"""The entitlement of any plan, which is stored like an item."""

_ITEM = re.compile(r"video:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|plan:(month|year)")

# https://docs.stripe.com/api/refunds/object#refund_object-status
_FAILED_REFUNDS = ("failed", "canceled")

# https://docs.stripe.com/api/disputes/object#dispute_object-status
# No money moves in an inquiry, https://docs.stripe.com/disputes/how-disputes-work#inquiries, nor in a prevented dispute
# unless the provider says that it withdrew funds.
_WITHOUT_MONEY = ("warning_needs_response", "warning_under_review", "warning_closed", "prevented", "charge_refunded")
_RETURNED = ("won", "funds_reinstated")


class Sale(Struct, frozen=True):
    """The data of a payment for its receipt; the amount is in the smallest unit of the currency."""

    title: str
    amount: int
    currency: str
    email: str


class Refund(Struct, frozen=True):
    """The state of a refund since *at*. *amount* is in the smallest unit of the payment's currency."""

    status: str
    amount: int
    at: Seconds

    @property
    def failed(self) -> bool:
        """Return whether the customer gets no money."""
        return self.status in _FAILED_REFUNDS

    @property
    def order(self) -> int:
        """Return a number that is greater for a later state; of equal states the first one counts.

        A refund fails after it was pending or succeeded, and then never changes.
        """
        return (self.failed * 2 + (self.status == "succeeded")) * 10**12 - self.at


class Dispute(Struct, frozen=True):
    """The state of a dispute since *at*.

    ``status`` is one of the provider, or ``funds_withdrawn`` or ``funds_reinstated`` after an event about the funds.
    """

    status: str
    at: Seconds

    @property
    def took_the_money(self) -> bool:
        """Return whether the customer has the money now."""
        return self.status not in (*_WITHOUT_MONEY, *_RETURNED)

    @property
    def order(self) -> int:
        """Return a number that is greater for a later state. Of states in one second, a decision is the latest."""
        if self.status in _WITHOUT_MONEY:
            step = 0
        else:
            step = 3 if self.status == "lost" else 2 if self.status in _RETURNED else 1
        return self.at * 10 + step


class Paid(Struct, frozen=True):
    """A payment was made. *payment* is the provider's id of it."""

    payment: str
    user: str
    item: str
    at: Seconds
    sale: Sale | None = None
    amount: int | None = None


class Refunded(Struct, frozen=True):
    """The provider has refunded the whole payment."""

    payment: str
    at: Seconds
    user: str | None = None
    item: str | None = None


class RefundChanged(Struct, frozen=True):
    """The refund *id* of a payment is in a new state. The event names neither user nor item."""

    payment: str
    id: str
    refund: Refund


class DisputeChanged(Struct, frozen=True):
    """The dispute *id* of a payment is in a new state. The event names neither user nor item."""

    payment: str
    id: str
    dispute: Dispute


type Event = Paid | Refunded | RefundChanged | DisputeChanged


class Payment(Struct, frozen=True, kw_only=True):
    """The known data of a payment. Each event that adds to it increments ``version``.

    A refund may arrive before the payment itself. ``revoked_at`` is from earlier releases: a full refund or a dispute.
    """

    id: str
    version: int
    user: str | None = None
    item: str | None = None
    amount: int | None = None
    paid_at: Seconds | None = None
    refunded_at: Seconds | None = None
    refunds: dict[str, Refund] = {}
    disputes: dict[str, Dispute] = {}
    revoked_at: Seconds | None = None

    @property
    def counts(self) -> bool:
        """Return whether the payment entitles to its item: it was made, and the money was not returned."""
        return self.paid_at is not None and not (self._refunded or self._disputed or self._revoked)

    @property
    def _refunded(self) -> bool:
        """Return whether the refunds that have not failed are worth the whole payment."""
        returned = sum(refund.amount for refund in self.refunds.values() if not refund.failed)
        if self.amount and returned >= self.amount:
            return True
        return self.refunded_at is not None and not self._refund_failed_since(self.refunded_at)

    @property
    def _disputed(self) -> bool:
        return any(dispute.took_the_money for dispute in self.disputes.values())

    @property
    def _revoked(self) -> bool:
        if self.revoked_at is None or self._refund_failed_since(self.revoked_at):
            return False
        return not any(d.at >= self.revoked_at and not d.took_the_money for d in self.disputes.values())

    def _refund_failed_since(self, at: Seconds) -> bool:
        return any(refund.failed and refund.at >= at for refund in self.refunds.values())

    def noting(self, event: Event) -> Payment:
        """Return the payment with what *event* adds, or the same payment if it adds nothing."""
        match event:
            case Paid() if self.paid_at is None or event.at < self.paid_at:
                noted = replace(self, paid_at=event.at, amount=_first(self.amount, event.amount))
            case Refunded() if self.refunded_at is None or event.at > self.refunded_at:
                noted = replace(self, refunded_at=event.at)
            case RefundChanged() if _is_newer(event.refund, self.refunds.get(event.id)):
                noted = replace(self, refunds=self.refunds | {event.id: event.refund})
            case DisputeChanged() if _is_newer(event.dispute, self.disputes.get(event.id)):
                noted = replace(self, disputes=self.disputes | {event.id: event.dispute})
            case _:
                return self
        user, item = (event.user, event.item) if isinstance(event, Paid | Refunded) else (None, None)
        return replace(noted, version=self.version + 1, user=_first(self.user, user), item=_first(self.item, item))


def _is_newer[T: (Refund, Dispute)](state: T, known: T | None) -> bool:
    return known is None or state.order > known.order


def _first[T](known: T | None, new: T | None) -> T | None:
    return new if known is None else known


class PaymentStore(Protocol):
    """Storage of payments."""

    def note(self, event: Event, known_only: bool = False) -> Payment | None:
        """Add *event* to its payment atomically, as `Payment.noting` does, and return the payment.

        With *known_only*, return None and store nothing if the payment is not stored yet.
        """


class EntitlementWriter(Protocol):
    """Storage of payments by user and item."""

    def put(self, user: str, item: str, payment: Payment) -> None:
        """Store the payment under user and item, unless a newer version of it is stored."""


class PaymentProvider(Protocol):
    """The payment provider."""

    def is_of_another_shop(self, payment: str) -> bool:
        """Return whether the provider knows the payment as one that another shop took. Raises ServiceUnavailable."""


class Payments:
    """The payments of all users."""

    def __init__(self, ledger: PaymentStore, store: EntitlementWriter, provider: PaymentProvider) -> None:
        self._ledger = ledger
        self._store = store
        self._provider = provider

    def apply(self, event: Event | None) -> None:
        """Apply the event. Applying it again, or after a later one, has no further effect.

        After a crash between the two writes, the provider sends the event again. Raises InvalidInput for an unknown
        kind of item, and ServiceUnavailable.
        """
        payment = self._note(event) if event is not None else None
        if payment is not None and payment.user is not None and payment.item is not None:
            self._store.put(payment.user, stored_under(payment.item), payment)

    def _note(self, event: Event) -> Payment | None:
        """Store the event, unless it is about a payment of another shop, whose events this shop gets too."""
        if isinstance(event, Paid | Refunded):
            if event.item is not None and not _ITEM.fullmatch(event.item):
                raise InvalidInput(f"metadata: {event.item[:50]!r} is not for sale")
            return self._ledger.note(event)
        known = self._ledger.note(event, known_only=True)
        if known is None and not self._provider.is_of_another_shop(event.payment):
            return self._ledger.note(event)
        return known


def stored_under(item: str) -> str:
    """Return the key under which payments for *item* are stored."""
    return PREMIUM if item.startswith("plan:") else item
