"""Checkout of videos and plans, up to the page of the payment provider. Imports no AWS and no HTTP."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from chalicelib.entitlements import DAYS, Entitlements, Plan
from chalicelib.videos import Catalogue
from common.errors import AlreadyBought, NotFound


class PlanOrder(Struct, forbid_unknown_fields=True):
    """The plan to buy."""

    plan: Plan


class Offer(Struct, frozen=True):
    """A plan and its price, in the smallest unit of ``currency`` (ISO 4217, in lower case)."""

    plan: Plan
    days: int
    price: int
    currency: str


class Offers(Struct, frozen=True):
    """All plans."""

    items: list[Offer]


class Order(Struct, frozen=True):
    """An order of *item* by *user*: its price and name, and the pages to return to.

    The provider asks for an e-mail address for the receipt unless *email* is given.
    """

    user: str
    item: str
    name: str
    price: int
    currency: str
    success_url: str
    cancel_url: str
    email: str | None = None


class Checkout(Struct, frozen=True):
    """The provider's page for one payment."""

    id: str
    url: str


class Provider(Protocol):
    """The payment provider."""

    def checkout(self, order: Order, idempotency_key: str | None) -> Checkout:
        """Create a payment page for the order; the same key of the same user returns the same page.

        Raises IdempotencyKeyReused when the key was used for another order, Conflict while the first request is
        running, and ServiceUnavailable.
        """


class Checkouts:
    """Checkouts at the shop *site*, a URL without a trailing slash, with a price for each plan."""

    def __init__(
        self,
        provider: Provider,
        catalogue: Catalogue,
        entitlements: Entitlements,
        prices: dict[Plan, int],
        currency: str,
        site: str,
    ) -> None:
        self._provider = provider
        self._catalogue = catalogue
        self._entitlements = entitlements
        self._offers = {plan: Offer(plan, DAYS[plan], price, currency) for plan, price in prices.items()}
        self._site = site

    def offers(self) -> Offers:
        """Return the plans with their prices."""
        return Offers(list(self._offers.values()))

    def plan(self, user: str, plan: Plan, idempotency_key: str | None = None, email: str | None = None) -> Checkout:
        """Start the payment of a plan. A plan that is bought while another runs begins after it."""
        offer = self._offers[plan]
        name = f"Premium for {offer.days} days"
        page = f"{self._site}/#premium"
        order = Order(user, f"plan:{plan}", name, offer.price, offer.currency, f"{page}/paid", page, email)
        return self._provider.checkout(order, idempotency_key)

    def video(self, user: str, video_id: str, idempotency_key: str | None = None, email: str | None = None) -> Checkout:
        """Start the payment of a video. Raises NotFound if it is not for sale, and AlreadyBought."""
        video = self._catalogue.get(video_id)
        if video.status != "published":
            raise NotFound(f"video {video.id} is no longer for sale")
        if self._entitlements.has_bought(user, video.id):
            raise AlreadyBought(f"you have already bought video {video.id}")
        page = f"{self._site}/#videos/{video.id}"
        item, paid = f"video:{video.id}", f"{page}/paid"
        order = Order(user, item, video.title, video.price, video.currency, paid, page, email)
        return self._provider.checkout(order, idempotency_key)
