"""Buying a video or a plan, up to the provider's page where the money is. Knows no AWS and no HTTP."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from chalicelib.entitlements import DAYS, Entitlements, Plan
from chalicelib.videos import Catalogue
from common.errors import AlreadyBought, NotFound


class PlanOrder(Struct, forbid_unknown_fields=True):
    """Which plan a user wants."""

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
    """What *user* is to pay for *item*, under which name, and the pages to come back to.

    With an *email* the provider need not ask for one; a receipt goes there.
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
    """Who takes the money."""

    def checkout(self, order: Order, idempotency_key: str | None) -> Checkout:
        """Make a page for the order; the same key of the same user again is the first one's page.

        Raises IdempotencyKeyReused when the key came with another order, Conflict while the first is under way, and
        ServiceUnavailable.
        """


class Checkouts:
    """The ways to pay at the shop *site*, a URL without a slash at its end, with a price for each plan."""

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
        """Begin the payment of a plan, which a user may do while another is running: it then begins later."""
        offer = self._offers[plan]
        name = f"Premium for {offer.days} days"
        page = f"{self._site}/#premium"
        order = Order(user, f"plan:{plan}", name, offer.price, offer.currency, f"{page}/paid", page, email)
        return self._provider.checkout(order, idempotency_key)

    def video(self, user: str, video_id: str, idempotency_key: str | None = None, email: str | None = None) -> Checkout:
        """Begin the payment of a video. Raises NotFound for one that is not sold, and AlreadyBought."""
        video = self._catalogue.get(video_id)
        if video.status != "published":
            raise NotFound(f"video {video.id} is not sold any more")
        if self._entitlements.has_bought(user, video.id):
            raise AlreadyBought(f"video {video.id} is bought already")
        page = f"{self._site}/#videos/{video.id}"
        item, paid = f"video:{video.id}", f"{page}/paid"
        order = Order(user, item, video.title, video.price, video.currency, paid, page, email)
        return self._provider.checkout(order, idempotency_key)
