"""Who may watch what, and until when: the sum of the payments that were made. Knows no AWS and no HTTP.

An item is what can be paid for: ``video:<id>``, or a plan, ``plan:month`` or ``plan:year``; all plans entitle to
`PREMIUM`. Every payment is remembered with its item, and what it entitles to is counted anew from all of them each
time it is asked for, so that it does not matter in which order, and how often, they are told of (docs/paid-content.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from chalicelib.videos import Video, timestamp
from common.errors import InvalidInput, NotEntitled, NotFound

type Plan = Literal["month", "year"]
type Seconds = int

DAYS: dict[Plan, int] = {"month": 30, "year": 365}
"""How long a plan lasts."""

PREMIUM = "premium"
"""What any plan entitles to; it is kept like an item of its own."""

_DAY: Seconds = 24 * 3600
_ITEM = re.compile(r"video:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|plan:(month|year)")


class Sale(Struct, frozen=True):
    """What a receipt says of a payment; the amount is in the smallest unit of the currency."""

    title: str
    amount: int
    currency: str
    email: str


class Paid(Struct, frozen=True):
    """The provider has the money. *payment* is its name for it, *at* seconds since 1970."""

    payment: str
    user: str
    item: str
    at: Seconds
    sale: Sale | None = None


class Revoked(Struct, frozen=True):
    """The money went back, or is disputed. Of a dispute the provider says neither *user* nor *item*."""

    payment: str
    at: Seconds
    user: str | None = None
    item: str | None = None


class Payment(Struct, frozen=True):
    """All that is known of a payment: it may be revoked before it is heard of. ``version`` grows with what is known."""

    id: str
    version: int
    user: str | None = None
    item: str | None = None
    paid_at: Seconds | None = None
    revoked_at: Seconds | None = None

    @property
    def counts(self) -> bool:
        """Return whether it entitles to its item."""
        return self.paid_at is not None and self.revoked_at is None


class Premium(Struct, frozen=True):
    """Whether a user is premium, by which plan, and until when (ISO 8601 in UTC)."""

    premium: bool
    plan: Plan | None = None
    until: str | None = None


class Access(NamedTuple):
    """Why a user may watch a video, and when that ends (seconds since 1970), if it ends."""

    by: Literal["purchase", "premium"]
    until: Seconds | None = None


class PaymentStore(Protocol):
    """The ledger: one record a payment."""

    def note_paid(self, paid: Paid) -> Payment:
        """Note it unless it is noted, in one step; return all that is then known of the payment."""

    def note_revoked(self, revoked: Revoked) -> Payment:
        """Note it unless it is noted, in one step; return all that is then known of the payment."""


class EntitlementStore(Protocol):
    """What each user's entitlements rest on: by user and item, the payments."""

    def put(self, user: str, item: str, payment: Payment) -> None:
        """Store the payment under user and item, unless more is known of it there already."""

    def get(self, user: str, items: Collection[str]) -> dict[str, list[Payment]]:
        """Return the payments for each of *items*, as they are now: every `put` that was answered shows."""

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
        """Let the event have its effect; a second time, or later than another, it changes nothing.

        A crash in between leaves a payment in the ledger that entitles to nothing yet: the provider tells again.
        Raises InvalidInput for an item that there cannot be.
        """
        if event is None:
            return
        if event.item is not None and not _ITEM.fullmatch(event.item):
            raise InvalidInput(f"metadata: {event.item[:50]!r} cannot be paid for")
        noted = self._ledger.note_paid(event) if isinstance(event, Paid) else self._ledger.note_revoked(event)
        if noted.user is not None and noted.item is not None:
            self._store.put(noted.user, kept_as(noted.item), noted)

    def premium(self, user: str) -> Premium:
        """Return whether the user is premium now."""
        return self._premium(self._store.get(user, [PREMIUM])[PREMIUM])

    def has_bought(self, user: str, video_id: str) -> bool:
        """Return whether the user has bought the video, premium or not."""
        item = f"video:{video_id}"
        return is_held(self._store.get(user, [item])[item])

    def purchase(self, user: str, video_id: str) -> Payment:
        """Return the user's latest payment for the video, paid back or not. Raises NotFound."""
        item = f"video:{video_id}"
        paid = [payment for payment in self._store.get(user, [item])[item] if payment.paid_at is not None]
        if not paid:
            raise NotFound(f"video {video_id[:50]!r} was not bought")
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
        raise NotEntitled("this video is for those who bought it, and for premium users")

    def _premium(self, payments: Collection[Payment]) -> Premium:
        until = premium_until(payments)
        if until <= self._now().timestamp():
            return Premium(False)
        newest = max((payment for payment in payments if payment.counts), key=_order)
        return Premium(True, _plan(newest), timestamp(until))


def kept_as(item: str) -> str:
    """Return under what the payments for *item* are kept."""
    return PREMIUM if item.startswith("plan:") else item


def is_held(payments: Iterable[Payment]) -> bool:
    """Return whether any of the payments counts: of two for one video, one may be paid back."""
    return any(payment.counts for payment in payments)


def premium_until(payments: Iterable[Payment]) -> Seconds:
    """Return when premium ends: each plan that counts begins when it was paid, or when the one before it ends."""
    end = 0
    for payment in sorted((payment for payment in payments if payment.counts), key=_order):
        end = max(end, payment.paid_at or 0) + DAYS[_plan(payment)] * _DAY
    return end


def _order(payment: Payment) -> tuple[Seconds, str]:
    return payment.paid_at or 0, payment.id


def _plan(payment: Payment) -> Plan:
    return "year" if payment.item == "plan:year" else "month"
