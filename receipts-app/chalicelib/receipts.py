"""A receipt for each purchase, mailed once. Knows no AWS and no HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from common.email import Mail, MailTemplate, NotSent
from common.errors import NotFound
from common.times import iso

_WHOLE = ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
_DECIMALS = dict.fromkeys(_WHOLE, 0) | dict.fromkeys(["bhd", "jod", "kwd", "omr", "tnd"], 3)
"""Of the currencies that Stripe does not count in hundredths. UGX and ISK it does, though nobody else:
https://docs.stripe.com/currencies#special-cases"""

LONGEST = 200
"""Characters in a text of an event; an id of them fits into a key of DynamoDB, which has 2048 bytes."""

Text = Annotated[str, Meta(min_length=1, max_length=LONGEST)]


class PurchaseCompleted(Struct, frozen=True, tag_field="type", tag="PurchaseCompleted"):
    """The event that asks for a receipt, version 1: docs/events.md.

    ``amount`` is in the currency's smallest unit as Stripe counts it, ``at`` is ISO 8601. Fields that came later are
    ignored.
    """

    version: Literal[1]
    payment_id: Text
    user: Text
    email: Text
    title: Text
    amount: Annotated[int, Meta(ge=0)]
    currency: Annotated[str, Meta(pattern="^[a-z]{3}$")]
    at: Text
    correlation_id: str = ""


class Receipt(Struct, frozen=True):
    """What was paid, by whom, and whether its mail was sent; without ``sent_at`` it is being sent, or nobody knows."""

    payment_id: str
    user: str
    email: str
    title: str
    amount: int
    currency: str
    paid_at: str
    sent_at: str | None = None


class Unsettled(Exception):
    """The mail was begun and nobody has said that it was sent: to send it again may be to send it twice."""


class ReceiptStore(Protocol):
    """Where the receipts are."""

    def add(self, receipt: Receipt) -> Receipt | None:
        """Store a receipt unless there is one of its payment; return the one that was there."""

    def get(self, payment_id: str) -> Receipt | None:
        """Return the receipt, if there is one."""

    def settle(self, receipt: Receipt) -> None:
        """Store when its mail was sent."""

    def remove(self, payment_id: str) -> None:
        """Remove a receipt whose mail surely was not sent."""


class Sender(Protocol):
    """What sends a mail: `common.email.Mailer`."""

    def send(self, to: str, mail: Mail, tags: dict[str, str], list_unsubscribe: str | None = None) -> str:
        """Return SES's id of the mail. Raises NotSent when surely nothing was sent."""


class Receipts:
    """Sends receipts and remembers them."""

    def __init__(
        self,
        store: ReceiptStore,
        sender: Sender,
        template: MailTemplate,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._sender, self._template, self._now = store, sender, template, now

    def get(self, payment_id: str) -> Receipt:
        """Return the receipt of a payment. Raises NotFound."""
        receipt = self._store.get(payment_id) if len(payment_id) <= LONGEST else None
        if receipt is None:
            raise NotFound(f"there is no receipt of payment {payment_id[:80]!r}")
        return receipt

    def send(self, purchase: PurchaseCompleted) -> None:
        """Send the receipt of a purchase, once, however often the event comes.

        Whoever stores the receipt first sends it. One that was stored and not settled belongs to a delivery that is
        still at it or has crashed: Unsettled is raised, so that the message comes again and finds it sent, or ends in
        the dead-letter queue, where a person decides. Raises NotSent when surely nothing was sent, and ValueError for
        a title that is no subject of a mail; then the next delivery begins anew.
        """
        receipt = Receipt(
            purchase.payment_id,
            purchase.user,
            purchase.email,
            purchase.title,
            purchase.amount,
            purchase.currency,
            purchase.at,
        )
        letter = self._letter(receipt)  # before anything is stored: what fails here was not begun
        known = self._store.add(receipt)
        if known is not None:
            if known.sent_at is None:
                raise Unsettled(f"the receipt of payment {known.payment_id} was begun and may have been sent")
            return
        try:
            self._sender.send(receipt.email, letter, {})
        except NotSent:
            self._store.remove(receipt.payment_id)
            raise
        self._store.settle(replace(receipt, sent_at=iso(self._now())))

    def _letter(self, receipt: Receipt) -> Mail:
        return self._template.fill(
            title=receipt.title,
            amount=_money(receipt.amount, receipt.currency),
            paid_at=receipt.paid_at,
            payment_id=receipt.payment_id,
        )


def _money(amount: int, currency: str) -> str:
    return f"{Decimal(amount).scaleb(-_DECIMALS.get(currency, 2)):f} {currency.upper()}"


def purchase(message: str) -> PurchaseCompleted:
    """Return the event in a message. Raises ValueError for any other."""
    return msgspec.json.decode(message, type=PurchaseCompleted)
