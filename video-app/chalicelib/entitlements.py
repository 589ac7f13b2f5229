"""Entitlements: who may watch which video, and until when, computed from payments. Imports no AWS and no HTTP.

A payment is for an item: ``video:<id>``, or a plan, ``plan:month`` or ``plan:year``. All plans entitle to `PREMIUM`.
All payments are stored with their item, and every request computes the entitlement from all of them. So the order and
the number of events about a payment do not matter (docs/paid-content.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from chalicelib.videos import Video
from common.errors import InvalidInput, NotEntitled, NotFound
from common.times import iso_of_epoch

type Plan = Literal["month", "year"]
type Seconds = int

DAYS: dict[Plan, int] = {"month": 30, "year": 365}
"""Duration of each plan."""

PREMIUM = "premium"
"""The entitlement of any plan, which is stored like an item."""

_DAY: Seconds = 24 * 3600
_ITEM = re.compile(r"video:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|plan:(month|year)")


class Sale(Struct, frozen=True):
    """The data of a payment for its receipt; the amount is in the smallest unit of the currency."""

    title: str
    amount: int
    currency: str
    email: str


class Paid(Struct, frozen=True):
    """A payment was made. *payment* is the provider's id of it, *at* is seconds since 1970."""

    payment: str
    user: str
    item: str
    at: Seconds
    sale: Sale | None = None


class Revoked(Struct, frozen=True):
    """A payment was refunded or disputed. An event about a dispute has neither *user* nor *item*."""

    payment: str
    at: Seconds
    user: str | None = None
    item: str | None = None


class Payment(Struct, frozen=True, kw_only=True):
    """The known data of a payment. Each event increments ``version``. A refund may arrive before the payment itself."""

    id: str
    version: int
    user: str | None = None
    item: str | None = None
    paid_at: Seconds | None = None
    revoked_at: Seconds | None = None

    @property
    def counts(self) -> bool:
        """Return whether the payment entitles to its item."""
        return self.paid_at is not None and self.revoked_at is None


class Premium(Struct, frozen=True):
    """Whether a user is premium, by which plan, and until when (ISO 8601 in UTC)."""

    premium: bool
    plan: Plan | None = None
    until: str | None = None


class Access(NamedTuple):
    """Why a user may watch a video, and when access ends (seconds since 1970; None is never)."""

    by: Literal["purchase", "premium"]
    until: Seconds | None = None


class PaymentStore(Protocol):
    """Storage of payments."""

    def note_paid(self, paid: Paid) -> Payment:
        """Add the event to the payment atomically, unless it was added before, and return the payment."""

    def note_revoked(self, revoked: Revoked) -> Payment:
        """Add the event to the payment atomically, unless it was added before, and return the payment."""


class EntitlementStore(Protocol):
    """Storage of payments by user and item."""

    def put(self, user: str, item: str, payment: Payment) -> None:
        """Store the payment under user and item, unless a newer version of it is stored."""

    def get(self, user: str, items: Collection[str]) -> dict[str, list[Payment]]:
        """Return the payments for each of *items*. The read is consistent with every completed `put`."""

    def videos(self, user: str, limit: int, after: str | None) -> dict[str, list[Payment]]:
        """Return the payments for up to *limit* videos as `get` does, in a fixed order, *after* an item."""


class Entitlements:
    """The entitlements of all users."""

    def __init__(
        self,
        ledger: PaymentStore,
        store: EntitlementStore,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._now = now

    def apply(self, event: Paid | Revoked | None) -> None:
        """Apply the event. Applying it again, or after a later one, has no further effect.

        After a crash between the two writes, the provider sends the event again. Raises InvalidInput for an unknown
        kind of item.
        """
        if event is None:
            return
        if event.item is not None and not _ITEM.fullmatch(event.item):
            raise InvalidInput(f"metadata: {event.item[:50]!r} is not for sale")
        noted = self._ledger.note_paid(event) if isinstance(event, Paid) else self._ledger.note_revoked(event)
        if noted.user is not None and noted.item is not None:
            self._store.put(noted.user, stored_under(noted.item), noted)

    def premium(self, user: str) -> Premium:
        """Return whether the user is premium now."""
        return self._premium(self._store.get(user, [PREMIUM])[PREMIUM])

    def has_bought(self, user: str, video_id: str) -> bool:
        """Return whether the user has bought the video, premium or not."""
        item = f"video:{video_id}"
        return is_held(self._store.get(user, [item])[item])

    def purchase(self, user: str, video_id: str) -> Payment:
        """Return the user's latest payment for the video, refunded or not. Raises NotFound."""
        item = f"video:{video_id}"
        paid = [payment for payment in self._store.get(user, [item])[item] if payment.paid_at is not None]
        if not paid:
            raise NotFound(f"you have not bought video {video_id[:50]!r}")
        return max(paid, key=_order)

    def access(self, user: str, video: Video) -> Access:
        """Return why the user may watch the video. Raises NotEntitled."""
        item = f"video:{video.id}"
        payments = self._store.get(user, [item, PREMIUM])
        if is_held(payments[item]):
            return Access("purchase")
        until = premium_until(payments[PREMIUM])
        if video.status == "published" and until > self._now().timestamp():
            return Access("premium", until)
        raise NotEntitled("this video is for its buyers and for premium users")

    def _premium(self, payments: Collection[Payment]) -> Premium:
        until = premium_until(payments)
        if until <= self._now().timestamp():
            return Premium(False)
        newest = max((payment for payment in payments if payment.counts), key=_order)
        return Premium(True, _plan(newest), iso_of_epoch(until))


def stored_under(item: str) -> str:
    """Return the key under which payments for *item* are stored."""
    return PREMIUM if item.startswith("plan:") else item


def is_held(payments: Iterable[Payment]) -> bool:
    """Return whether any of the payments counts. Of two payments for one video, one may be refunded."""
    return any(payment.counts for payment in payments)


def premium_until(payments: Iterable[Payment]) -> Seconds:
    """Return when premium ends. Each plan that counts begins when it was paid or when the previous one ends."""
    end = 0
    for payment in sorted((payment for payment in payments if payment.counts), key=_order):
        end = max(end, payment.paid_at or 0) + DAYS[_plan(payment)] * _DAY
    return end


def _order(payment: Payment) -> tuple[Seconds, str]:
    return payment.paid_at or 0, payment.id


def _plan(payment: Payment) -> Plan:
    return "year" if payment.item == "plan:year" else "month"
