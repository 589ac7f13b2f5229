from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from subscriber_memory import MemorySubscribers

from chalicelib.subscribers import (
    NewSubscriber,
    Subscriber,
    Subscribers,
    WelcomeMail,
    address,
    new_token,
    subscriber_id,
)
from common.errors import NotFound
from common.mail import Mail
from common.ses import Mailer

NOON = 1_900_000_000_000


@pytest.fixture
def store() -> MemorySubscribers:
    return MemorySubscribers()


@pytest.fixture
def subscribers(store: MemorySubscribers) -> Subscribers:
    return Subscribers(store, lambda: NOON)


def mailed(store: MemorySubscribers, email: str = "ann@example.com") -> str:
    """Store a welcome mail for the subscriber *email*, and return its token."""
    subscriber = subscriber_id(email)
    token = new_token(subscriber)
    store.replace_mail(WelcomeMail(id=subscriber, subscribed_at=NOON, token=token, attempts=1, until=NOON), 0)
    return token


def test_all_spellings_of_an_address_are_one_subscriber(subscribers: Subscribers, store: MemorySubscribers) -> None:
    for email in ("Ann@BÜCHER.example", " ann@bücher.example\n", "ANN@xn--bcher-kva.example"):
        subscribers.subscribe(NewSubscriber(email))

    assert [s.email for s in store.subscribers.values()] == ["Ann@xn--bcher-kva.example"]


@pytest.mark.parametrize(
    ("emails", "count"),
    [
        (["victim@example.com", "victim+1@example.com", "Victim+2@EXAMPLE.com", "victim+1+2@example.com"], 1),
        (["a.b@gmail.com", "ab@gmail.com", "a.b+1@googlemail.com", "AB@GoogleMail.com"], 1),
        (["a.b@example.com", "ab@example.com"], 2),
        (["+a@example.com", "+b@example.com"], 2),
        (["ann@example.com", "bob@example.com", "ann@example.org"], 3),
        (["success+a@simulator.amazonses.com", "success+b@simulator.amazonses.com"], 2),
    ],
)
def test_one_mailbox_is_one_subscriber(
    subscribers: Subscribers, store: MemorySubscribers, emails: list[str], count: int
) -> None:
    for email in emails:
        subscribers.subscribe(NewSubscriber(email))

    assert len(store.subscribers) == count
    assert next(iter(store.subscribers.values())).email == NewSubscriber(emails[0]).email


@given(st.lists(st.text("abc+.", max_size=6), max_size=20))
def test_no_tag_makes_a_second_subscriber_of_a_mailbox(tags: list[str]) -> None:
    store = MemorySubscribers()
    for tag in tags:
        try:
            new = NewSubscriber(f"victim+{tag}@example.com")
        except ValueError:
            continue
        Subscribers(store).subscribe(new)

    assert len(store.subscribers) <= 1


@pytest.mark.parametrize("email", ["Ann.B+blog@example.com", "Ann.B@gmail.com"])
def test_a_subscriber_of_an_earlier_release_is_not_subscribed_again(
    subscribers: Subscribers, store: MemorySubscribers, email: str
) -> None:
    """The first releases stored a subscriber under a hash of the address."""
    digest = hashlib.sha256(email.lower().encode()).digest()
    earlier_id = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    store.add(Subscriber(id=earlier_id, email=email, status="subscribed", subscribed_at=NOON))

    subscribers.subscribe(NewSubscriber(email))
    assert list(store.subscribers) == [earlier_id]

    subscribers.suppress(email)
    assert {each.status for each in store.subscribers.values()} == {"suppressed"}


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("a" * 65, "a" * 65),
        ("x y&z=\r\nSet-Cookie: a", "x%20y%26z%3D%0D%0ASet-Cookie%3A%20a"),
        ("a" * 9000, "a" * 66),
        ("ä", "%C3%A4"),
    ],
)
def test_the_address_of_the_page_that_asks_first_is_safe(token: str, shown: str) -> None:
    page = Subscribers(MemorySubscribers(), site="https://blog.example").page(token)

    assert page == f"https://blog.example/unsubscribe/?token={shown}"


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.B+blog@EXAMPLE.com", "Ann.B+blog@example.com"),
        ("ann@blog.test", "ann@blog.test"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("bounce@simulator.amazonses.com", "bounce@simulator.amazonses.com"),
    ],
)
def test_a_valid_address_is_accepted(sent: str, taken: str) -> None:
    assert NewSubscriber(sent).email == taken


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@localhost",
        "ann@[127.0.0.1]",
        '"ann b"@example.com',
        "Ann <ann@example.com>",
        "ann@example.com, eve@example.com",
        "ann@example.com\r\nBcc: eve@example.com",
        "änn@example.com",
        "<script>alert(1)</script>@example.com",
        "a" * 65 + "@example.com",
        "ann@" + "x." * 130 + "com",
    ],
)
def test_an_invalid_address_is_rejected_with_the_name_of_its_field(email: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="email"):
        msgspec.convert({"email": email}, NewSubscriber)


@given(text=st.text() | st.emails() | st.builds("{}@{}".format, st.text(), st.text()))
def test_an_accepted_address_is_normalised_and_can_be_mailed(text: str) -> None:
    try:
        found = address(text)
    except ValueError as error:
        assert "email: " in str(error)  # noqa: PT017
        return

    assert address(found) == found
    assert Mailer(Ses(), "blog@example.com").send(found, Mail("", "", ""), {}) == "0100"


class Ses:
    def send_email(self, **request: Any) -> dict[str, str]:
        return {"MessageId": "0100"}


def test_a_second_subscription_changes_nothing(subscribers: Subscribers, store: MemorySubscribers) -> None:
    subscribers.subscribe(NewSubscriber("ann@example.com"))
    Subscribers(store, lambda: NOON + 1).subscribe(NewSubscriber("ann@example.com"))

    assert [s.subscribed_at for s in store.subscribers.values()] == [NOON]


def test_a_token_deletes_its_subscriber(subscribers: Subscribers, store: MemorySubscribers) -> None:
    for email in ("ann@example.com", "bob@example.com"):
        subscribers.subscribe(NewSubscriber(email))

    subscribers.unsubscribe(mailed(store))

    assert [s.email for s in store.subscribers.values()] == ["bob@example.com"]


def test_other_tokens_delete_nobody_and_do_not_reveal_who_is_subscribed(
    subscribers: Subscribers, store: MemorySubscribers
) -> None:
    subscribers.subscribe(NewSubscriber("ann@example.com"))
    token = mailed(store)
    last = "A" if token[-1] != "A" else "B"
    refusals = set()

    for wrong in (
        "",
        "x",
        token[:-1],
        token[:-1] + last,
        token + "A",
        token + "\n",
        "ä" * 65,
        new_token(subscriber_id("bob@example.com")),
        subscriber_id("ann@example.com"),
        "/" * 65,
    ):
        with pytest.raises(NotFound) as refused:
            subscribers.unsubscribe(wrong)
        refusals.add(str(refused.value))

    assert len(refusals) == 1
    assert len(store.subscribers) == 1


def test_a_token_is_for_one_subscription_and_has_128_random_bits(subscribers: Subscribers) -> None:
    mine = subscriber_id("ann@example.com")

    tokens = {new_token(mine) for _ in range(100)}

    assert len(tokens) == 100
    assert {len(token) - len(mine) for token in tokens} == {22}


def test_a_subscription_has_its_time_in_milliseconds(store: MemorySubscribers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: NOON * 1_000_000 + 999_999)

    Subscribers(store).subscribe(NewSubscriber("ann@example.com"))

    assert [s.subscribed_at for s in store.subscribers.values()] == [NOON]


def test_a_suppressed_address_stays_suppressed_after_every_request(
    subscribers: Subscribers, store: MemorySubscribers
) -> None:
    subscribers.subscribe(NewSubscriber("ann@example.com"))
    token = mailed(store)

    subscribers.suppress("ANN@example.com")
    subscribers.subscribe(NewSubscriber("ann@example.com"))
    subscribers.unsubscribe(token)

    assert [s.status for s in store.subscribers.values()] == ["suppressed"]


def test_an_address_that_never_subscribed_can_be_suppressed(subscribers: Subscribers, store: MemorySubscribers) -> None:
    subscribers.suppress("ann@example.com")
    subscribers.subscribe(NewSubscriber("ann@example.com"))

    assert [s.status for s in store.subscribers.values()] == ["suppressed"]


def test_a_subscriber_has_the_id_of_the_address() -> None:
    with pytest.raises(ValueError, match="id"):
        Subscriber(id="x", email="ann@example.com", status="subscribed", subscribed_at=NOON)
