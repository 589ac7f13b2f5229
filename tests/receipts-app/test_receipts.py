"""Exactly one receipt for each purchase, in spite of repeated events and failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from memory import MemoryReceipts, Outbox
from msgspec.structs import replace

from chalicelib.receipts import Receipts, Unsettled, purchase
from common.errors import NotFound
from common.mail import MailTemplate, NotSent
from common.ses import Mailer

EXAMPLE = Path(__file__).parent.parent / "events" / "PurchaseCompleted.1.json"
EVENT = purchase(EXAMPLE.read_text())


class Crash(Exception):
    """The function crashes."""


def test_a_purchase_is_mailed_to_its_buyer(receipts: Receipts, outbox: Outbox) -> None:
    receipts.send(EVENT)

    ((to, mail),) = outbox.mails
    assert to == EVENT.email
    assert EVENT.title in mail.subject
    for body in (mail.text, mail.html):
        assert "€4.99" in body
        assert "31 January 2030, 18:00 UTC" in body
        assert EVENT.at not in body
    assert receipts.get(EVENT.payment_id).sent_at


def test_a_repeated_event_sends_nothing(receipts: Receipts, outbox: Outbox) -> None:
    for _ in range(3):
        receipts.send(EVENT)

    assert len(outbox.mails) == 1


def test_a_mail_that_ses_rejected_is_sent_by_the_next_delivery(receipts: Receipts, outbox: Outbox) -> None:
    outbox.failures = [NotSent("throttled")]
    with pytest.raises(NotSent):
        receipts.send(EVENT)

    receipts.send(EVENT)

    assert len(outbox.mails) == 1


def test_an_event_with_an_invalid_address_is_handled_once_it_is_corrected(
    receipts: Receipts, store: MemoryReceipts, outbox: Outbox, template: MailTemplate
) -> None:
    strict = Receipts(store, Mailer(None, "receipts@shop.example"), template)
    for _ in range(2):
        with pytest.raises(NotSent, match="ännchen"):
            strict.send(replace(EVENT, email="ännchen@example.com"))

    receipts.send(EVENT)

    assert [to for to, _ in outbox.mails] == [EVENT.email]


def test_an_event_with_an_invalid_title_is_handled_once_it_is_corrected(receipts: Receipts, outbox: Outbox) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="subject: has control characters"):
            receipts.send(replace(EVENT, title="A film\0"))

    receipts.send(EVENT)

    assert len(outbox.mails) == 1


def test_after_a_crash_during_the_send_nothing_is_sent_twice_and_an_error_is_raised(
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


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"amount": 5, "currency": "usd"}, "$0.05"),
        ({"amount": 1200, "currency": "jpy"}, "¥1,200"),
        ({"amount": 100_000, "currency": "huf"}, "Ft\N{NO-BREAK SPACE}1,000"),
        ({"at": "2030-01-31T01:30:00+02:00"}, "30 January 2030, 23:30 UTC"),
        ({"at": "2030-01-31"}, "31 January 2030, 00:00 UTC"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "0001-01-01T00:00:00+14:00"),
        ({"at": "last week"}, "last week"),
    ],
)
def test_amounts_and_times_are_for_people(
    receipts: Receipts, outbox: Outbox, change: dict[str, Any], shown: str
) -> None:
    receipts.send(replace(EVENT, **change))

    assert f" {shown}\n" in outbox.mails[0][1].text


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"type": "PurchaseRefunded"}, {"amount": -1}, {"email": None}, {"currency": "euro"}]
)
def test_another_event_is_rejected(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\$"):
        purchase(json.dumps(json.loads(EXAMPLE.read_text()) | change))


@pytest.mark.parametrize("name", ["payment_id", "user", "email", "title", "at"])
def test_a_text_of_an_event_has_1_to_200_characters(name: str) -> None:
    event = json.loads(EXAMPLE.read_text())

    for length in (1, 200):
        assert getattr(purchase(json.dumps(event | {name: "x" * length})), name) == "x" * length
    for length in (0, 201):
        with pytest.raises(ValueError, match=name):
            purchase(json.dumps(event | {name: "x" * length}))


def test_a_receipt_of_nothing_and_of_the_longest_payment_is_found(receipts: Receipts) -> None:
    free = purchase(json.dumps(json.loads(EXAMPLE.read_text()) | {"amount": 0, "payment_id": "x" * 200}))

    receipts.send(free)

    assert receipts.get("x" * 200).amount == 0


def test_an_impossible_payment_is_not_looked_up(outbox: Outbox, template: MailTemplate) -> None:
    """DynamoDB refuses a key of more than 2048 bytes."""

    class Dynamo(MemoryReceipts):
        def get(self, payment_id: str) -> None:
            raise AssertionError(payment_id)

    with pytest.raises(NotFound):
        Receipts(Dynamo(), outbox, template).get("x" * 201)


def test_unknown_fields_are_ignored() -> None:
    assert purchase(json.dumps(json.loads(EXAMPLE.read_text()) | {"gift": True})) == EVENT
