"""Subscribers of the blog's mails, and the state of their welcome mails. Imports no AWS and no HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Literal, Protocol
from urllib.parse import quote

from msgspec import Meta, Struct

from common.errors import NotFound

type Milliseconds = int
"""A time since the epoch, or a duration."""

type Status = Literal["subscribed", "suppressed"]

_ID_LENGTH = 43
_TOKEN_LENGTH = 65


class MalformedSubscriber(Exception):
    """A stored item is not a subscriber, for example because its address is missing or invalid."""


class NewSubscriber(Struct, forbid_unknown_fields=True):
    """A subscription request. ``email`` becomes the form that SES accepts: the domain in lower case and Punycode."""

    email: Annotated[str, Meta(max_length=400)]

    def __post_init__(self) -> None:
        self.email = address(self.email)


class Subscriber(Struct, frozen=True, kw_only=True):
    """One mailbox, and the address that subscribed it. Nothing is sent to a suppressed one: it bounced or complained.

    The id of an item of an earlier release is that of the address.
    """

    id: str
    email: str
    status: Status
    subscribed_at: Milliseconds

    def __post_init__(self) -> None:
        if self.id not in (subscriber_id(address(self.email)), _address_id(address(self.email))):
            raise ValueError("id: not the id of the email")


class WelcomeMail(Struct, frozen=True, kw_only=True):
    """The state of a subscription's one welcome mail, written in one Region only.

    While ``sent_at`` is None, the mail is claimed ``until`` that time: the last of ``attempts`` may still be running.
    ``token`` is the token in its links.
    """

    id: str
    subscribed_at: Milliseconds
    token: str
    attempts: int
    until: Milliseconds
    sent_at: Milliseconds | None = None
    message_id: str = ""


class SubscriberStore(Protocol):
    """Storage of subscribers and welcome mails. A change whose condition does not hold does nothing."""

    def add(self, subscriber: Subscriber) -> None:
        """Store a subscriber unless the id exists."""

    def read(self, subscriber_id: str) -> tuple[Subscriber | None, WelcomeMail | None]:
        """Return the current subscriber and mail, each None if it does not exist. Raises MalformedSubscriber."""

    def remove(self, subscriber_id: str) -> None:
        """Remove a subscriber unless suppressed."""

    def suppress(self, subscriber: Subscriber) -> None:
        """Mark the stored subscriber as suppressed, or store this one."""

    def waiting(self, since: Milliseconds, until: Milliseconds) -> Iterator[str]:
        """Yield the ids of those who subscribed between *since* and *until*, inclusive, oldest first.

        Those whose mail was sent are left out, except some of the last seconds.
        """

    def replace_mail(self, mail: WelcomeMail, attempts: int) -> bool:
        """Replace an unsent mail that has *attempts*, or create the mail if *attempts* is 0. Return whether it did."""

    def settle_mail(self, subscriber_id: str, subscribed_at: Milliseconds, message_id: str, now: Milliseconds) -> None:
        """Mark the mail of exactly that subscription as sent, unless it already is."""

    def forget_mail(self, subscriber_id: str, subscribed_at: Milliseconds) -> None:
        """Remove the mail of that subscription, or of an earlier one."""


class Subscribers:
    """All subscribers. No answer reveals whether an address is subscribed."""

    def __init__(self, store: SubscriberStore, now: Callable[[], Milliseconds] | None = None, site: str = "") -> None:
        self._store = store
        self._now = now or milliseconds
        self._site = site

    def subscribe(self, new: NewSubscriber) -> None:
        """Subscribe the address unless its mailbox is subscribed or suppressed, by any of its addresses."""
        subscriber = _subscriber(new.email, "subscribed", self._now())
        if self._earlier(subscriber) is None:
            self._store.add(subscriber)

    def page(self, token: str) -> str:
        """Return the address of the page that asks whether to unsubscribe the owner of *token*, valid or not."""
        return unsubscribe_page(self._site, token)

    def unsubscribe(self, token: str) -> None:
        """Delete the subscriber who got the mail with *token*. Raises NotFound for any other token.

        A second call raises NotFound too: the answer must not reveal whether the address is subscribed.
        """
        if not re.fullmatch(rf"[\w-]{{{_TOKEN_LENGTH}}}", token, re.ASCII):
            raise NotFound("there is no such subscription")
        subscriber, mail = self._store.read(token[:_ID_LENGTH])
        if subscriber is None or mail is None or not hmac.compare_digest(mail.token, token):
            raise NotFound("there is no such subscription")
        self._store.remove(subscriber.id)

    def suppress(self, email: str) -> None:
        """Never send to the mailbox of *email* again, subscribed or not."""
        subscriber = _subscriber(email, "suppressed", self._now())
        self._store.suppress(subscriber)
        earlier = self._earlier(subscriber)
        if earlier is not None:
            self._store.suppress(earlier)

    def _earlier(self, subscriber: Subscriber) -> Subscriber | None:
        """Return what an earlier release stored under the id of the address, if that is not the id of the mailbox."""
        earlier = _address_id(subscriber.email)
        return self._store.read(earlier)[0] if earlier != subscriber.id else None


def unsubscribe_page(site: str, token: str) -> str:
    """Return the page of *site* that asks first, because mail scanners follow every link."""
    return f"{site}/unsubscribe/?token={quote(token[: _TOKEN_LENGTH + 1], safe='')}"


def _subscriber(email: str, status: Status, subscribed_at: Milliseconds) -> Subscriber:
    return Subscriber(id=subscriber_id(email), email=email, status=status, subscribed_at=subscribed_at)


def address(text: str) -> str:
    """Return the ASCII form of an e-mail address. Raises ValueError.

    SES accepts only ASCII before the @ sign, and Punycode after it:
    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html
    """
    import email_validator  # takes 20 ms to import, and most functions never use it

    try:
        # test_environment allows the domain .test (RFC 6761, section 6.2).
        found = email_validator.validate_email(
            text.strip(), strict=True, allow_smtputf8=False, check_deliverability=False, test_environment=True
        )
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"email: {error}") from error
    assert found.ascii_email is not None
    return found.ascii_email


def subscriber_id(email: str) -> str:
    """Return the id of the mailbox of an ASCII address."""
    return _address_id(mailbox(email))


def mailbox(email: str) -> str:
    """Return the address of the mailbox that an ASCII address leads to.

    Mail services deliver ``ann+any@`` to ``ann@`` (RFC 5233), and Gmail ignores dots as well:
    https://support.google.com/mail/answer/7436150. Otherwise one person would get a mail for each of these addresses.
    SES's mailbox simulator is no person's. Tests tell its addresses apart by their labels:
    https://docs.aws.amazon.com/ses/latest/DeveloperGuide/send-an-email-from-console.html#send-email-simulator-how-to-use
    """
    local, _, domain = email.lower().rpartition("@")
    if domain != "simulator.amazonses.com":
        local = local.partition("+")[0] or local
    if domain in ("gmail.com", "googlemail.com"):
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def _address_id(email: str) -> str:
    """Return a hash of an address. Case is ignored, as all major mail services do."""
    return base64.urlsafe_b64encode(hashlib.sha256(email.lower().encode()).digest()).decode().rstrip("=")


def new_token(subscriber_id: str) -> str:
    """Return a token that names the subscriber and has 128 random bits."""
    return subscriber_id + secrets.token_urlsafe(16)


def milliseconds() -> Milliseconds:
    """Return the current time."""
    return time.time_ns() // 1_000_000
