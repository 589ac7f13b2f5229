"""Entitlements: who may watch which video, and until when, computed from payments. Imports no AWS and no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from chalicelib.payments import PREMIUM, Payment, Seconds
from chalicelib.videos import Video
from common.errors import NotEntitled, NotFound
from common.times import iso_of_epoch

type Plan = Literal["month", "year"]

DAYS: dict[Plan, int] = {"month": 30, "year": 365}
"""Duration of each plan."""

_DAY: Seconds = 24 * 3600


class Premium(Struct, frozen=True):
    """Whether a user is premium, by which plan, and until when (ISO 8601 in UTC)."""

    premium: bool
    plan: Plan | None = None
    until: str | None = None


class Access(NamedTuple):
    """Why a user may watch a video, and when access ends (seconds since 1970; None is never)."""

    by: Literal["purchase", "premium"]
    until: Seconds | None = None


class EntitlementStore(Protocol):
    """Storage of payments by user and item, which `chalicelib.payments.Payments` fills."""

    def get(self, user: str, items: Collection[str]) -> dict[str, list[Payment]]:
        """Return the payments for each of *items*. The read is consistent with every completed `put`."""

    def videos(self, user: str, limit: int, after: str | None) -> dict[str, list[Payment]]:
        """Return the payments for up to *limit* videos as `get` does, in a fixed order, *after* an item."""


class Entitlements:
    """The entitlements of all users."""

    def __init__(self, store: EntitlementStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now

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
