"""A receipt for each purchase, mailed once. Imports no AWS and no HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from common import logs, money
from common.errors import NotFound
from common.mail import Mail, MailTemplate, NotSent, Sender
from common.times import in_words, iso

MAX_LENGTH = 200
"""Characters in a text of an event. An id of this length fits into a DynamoDB key, which has 2048 bytes."""

Text = Annotated[str, Meta(min_length=1, max_length=MAX_LENGTH)]


class PurchaseCompleted(Struct, frozen=True, tag_field="type", tag="PurchaseCompleted"):
    """The event that requests a receipt, version 1: docs/events.md.

    ``amount`` is in the currency's smallest unit as Stripe counts it, ``at`` is ISO 8601. Unknown fields are ignored.
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


class Receipt(Struct, frozen=True, kw_only=True):
    """A payment, and when its mail was sent. Without ``sent_at``, the mail is being sent or its outcome is unknown."""

    payment_id: str
    user: str
    email: str
    title: str
    amount: int
    currency: str
    paid_at: str
    sent_at: str | None = None


class Unsettled(Exception):
    """The outcome of an earlier attempt to send the mail is unknown, so another one could send a second mail."""


class ReceiptStore(Protocol):
    """Storage of receipts."""

    def add(self, receipt: Receipt) -> Receipt | None:
        """Store a receipt unless its payment has one; return that one, or None."""

    def get(self, payment_id: str) -> Receipt | None:
        """Return the receipt, or None if it does not exist."""

    def settle(self, receipt: Receipt) -> None:
        """Store the time when the mail was sent."""

    def remove(self, payment_id: str) -> None:
        """Remove a receipt whose mail was not sent."""


class Receipts:
    """Sends and stores receipts."""

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
        receipt = self._store.get(payment_id) if len(payment_id) <= MAX_LENGTH else None
        if receipt is None:
            raise NotFound(f"there is no receipt of payment {payment_id[:80]!r}")
        return receipt

    def handle(self, message: str) -> None:
        """Send the receipt for a message of the queue, under the correlation id of the request behind it.

        Raises ValueError for a message that is not a PurchaseCompleted, and what `send` raises.
        """
        event = purchase(message)
        logs.correlate(event.correlation_id)
        self.send(event)

    def send(self, purchase: PurchaseCompleted) -> None:
        """Send the receipt of a purchase once, however often the event is delivered.

        The delivery that stores the receipt sends the mail. If a receipt is stored but not settled, another delivery is
        still sending it or has crashed. Then Unsettled is raised, so the message is delivered again and finds the mail
        sent, or ends in the dead-letter queue for a person to decide. Raises NotSent if the mail was not sent, and
        ValueError for a title that cannot be the subject of a mail; the next delivery then starts again.
        """
        receipt = Receipt(
            payment_id=purchase.payment_id,
            user=purchase.user,
            email=purchase.email,
            title=purchase.title,
            amount=purchase.amount,
            currency=purchase.currency,
            paid_at=purchase.at,
        )
        mail = self._mail(receipt)  # before the receipt is stored, so a failure here can be retried
        known = self._store.add(receipt)
        if known is not None:
            if known.sent_at is None:
                raise Unsettled(f"the mail for payment {known.payment_id} was started and may have been sent")
            return
        try:
            self._sender.send(receipt.email, mail, {})
        except NotSent:
            self._store.remove(receipt.payment_id)
            raise
        self._store.settle(replace(receipt, sent_at=iso(self._now())))

    def _mail(self, receipt: Receipt) -> Mail:
        return self._template.fill(
            title=receipt.title,
            amount=money.text(receipt.amount, receipt.currency),
            paid_at=_moment(receipt.paid_at),
            payment_id=receipt.payment_id,
        )


def _moment(at: str) -> str:
    """Return a time in words, or as the event has it: a receipt with an odd time is better than none."""
    try:
        return in_words(at)
    except ValueError:
        return at


def purchase(message: str) -> PurchaseCompleted:
    """Return the event in a message. Raises ValueError for any other message."""
    return msgspec.json.decode(message, type=PurchaseCompleted)
