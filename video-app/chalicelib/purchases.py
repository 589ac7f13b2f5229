"""The events for other services, and the receipts that another service has. Imports no AWS and no HTTP."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote

from msgspec import Struct

from chalicelib.entitlements import Entitlements


class PurchaseCompleted(Struct, frozen=True, kw_only=True, tag_field="type", tag="PurchaseCompleted"):
    """A payment was made: version 1 of the event, docs/events.md.

    ``amount`` is in the smallest unit of the currency, ``at`` is ISO 8601 in UTC.
    """

    version: int = 1
    payment_id: str
    user: str
    email: str
    title: str
    amount: int
    currency: str
    at: str
    correlation_id: str = ""


class Receipt(Struct, frozen=True):
    """The shown part of a receipt of receipts-app. It was sent to ``email`` at ``sent_at``, or not yet."""

    payment_id: str
    email: str
    title: str
    amount: int
    currency: str
    paid_at: str
    sent_at: str | None


class OtherService(Protocol):
    """The API of another service: `common.services.Service`."""

    def get[T](self, path: str, cls: type[T]) -> T:
        """Return the answer to GET *path* as *cls*. Raises NotFound, and ServiceUnavailable while it is down."""


class Receipts:
    """The receipts of purchases, from another service."""

    def __init__(self, entitlements: Entitlements, service: OtherService) -> None:
        self._entitlements, self._service = entitlements, service

    def of(self, user: str, video_id: str) -> Receipt:
        """Return the receipt of the user's purchase of a video. Raises NotFound, ServiceUnavailable."""
        payment = self._entitlements.purchase(user, video_id)
        return self._service.get(f"/receipts/{quote(payment.id, safe='')}", Receipt)
