"""One receipt a purchase, however often its event comes and whatever fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from memory import MemoryReceipts, Outbox

from chalicelib.receipts import Receipts, Unsettled, purchase
from common.email import NotSent
from common.errors import NotFound

EXAMPLE = Path(__file__).parent.parent / "events" / "PurchaseCompleted.1.json"
EVENT = purchase(EXAMPLE.read_text())


class Crash(Exception):
    """The function ends here."""


def test_a_purchase_is_mailed_to_its_buyer(receipts: Receipts, outbox: Outbox) -> None:
    receipts.send(EVENT)

    ((to, mail),) = outbox.mails
    assert to == EVENT.email
    assert EVENT.title in mail.subject
    assert "4.99 EUR" in mail.text
    assert "4.99 EUR" in mail.html
    assert receipts.get(EVENT.payment_id).sent_at


def test_an_event_that_comes_again_sends_nothing(receipts: Receipts, outbox: Outbox) -> None:
    for _ in range(3):
        receipts.send(EVENT)

    assert len(outbox.mails) == 1


def test_what_ses_refused_is_sent_by_the_next_delivery(receipts: Receipts, outbox: Outbox) -> None:
    outbox.failures = [NotSent("throttled")]
    with pytest.raises(NotSent):
        receipts.send(EVENT)

    receipts.send(EVENT)

    assert len(outbox.mails) == 1


def test_after_a_crash_in_the_send_nothing_is_sent_twice_and_somebody_is_told(
    receipts: Receipts, outbox: Outbox
) -> None:
    outbox.failures = [Crash()]
    with pytest.raises(Crash):
        receipts.send(EVENT)

    with pytest.raises(Unsettled, match=EVENT.payment_id):
        receipts.send(EVENT)
    assert outbox.mails == []


def test_an_unknown_receipt_is_not_found(receipts: Receipts, store: MemoryReceipts) -> None:
    with pytest.raises(NotFound):
        receipts.get("pi_unknown")


@pytest.mark.parametrize(("amount", "currency", "shown"), [(5, "usd", "0.05 USD"), (1200, "jpy", "1200 JPY")])
def test_amounts_are_in_the_smallest_unit(
    receipts: Receipts, outbox: Outbox, amount: int, currency: str, shown: str
) -> None:
    event = json.loads(EXAMPLE.read_text()) | {"amount": amount, "currency": currency}

    receipts.send(purchase(json.dumps(event)))

    assert shown in outbox.mails[0][1].text


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"type": "PurchaseRefunded"}, {"amount": -1}, {"email": None}, {"currency": "euro"}]
)
def test_another_event_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\$"):
        purchase(json.dumps(json.loads(EXAMPLE.read_text()) | change))


def test_fields_that_came_later_are_ignored() -> None:
    assert purchase(json.dumps(json.loads(EXAMPLE.read_text()) | {"gift": True})) == EVENT
