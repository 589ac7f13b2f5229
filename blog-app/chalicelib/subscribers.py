"""Who wants the blog by mail, and what became of each one's welcome. Knows no AWS and no HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from common.errors import NotFound

type Milliseconds = int
"""Of time since the epoch, or of duration."""

_ID_LENGTH = 43


class MalformedSubscriber(Exception):
    """What is stored is no subscriber: an address is missing or is none."""


class NewSubscriber(Struct, forbid_unknown_fields=True):
    """What a caller says. ``email`` becomes the address as SES takes it: its domain lower-case and in Punycode."""

    email: Annotated[str, Meta(max_length=400)]

    def __post_init__(self) -> None:
        self.email = address(self.email)


class Subscriber(Struct, frozen=True):
    """One address, whatever its spelling. A suppressed one bounced or complained, and is never written to again."""

    id: str
    email: str
    status: Literal["subscribed", "suppressed"]
    subscribed_at: Milliseconds

    def __post_init__(self) -> None:
        if subscriber_id(address(self.email)) != self.id:
            raise ValueError("id: not that of the email")


class WelcomeMail(Struct, frozen=True):
    """How far the one welcome of a subscription is, written in one Region only.

    While ``sent_at`` is None it is claimed ``until`` then: the last of ``attempts`` may still be under way. ``token``
    is what its links carry.
    """

    id: str
    subscribed_at: Milliseconds
    token: str
    attempts: int
    until: Milliseconds
    sent_at: Milliseconds | None = None
    message_id: str = ""


class SubscriberStore(Protocol):
    """Where subscribers and welcome mails are. A change whose condition does not hold changes nothing."""

    def add(self, subscriber: Subscriber) -> None:
        """Store a subscriber unless the id is there."""

    def read(self, subscriber_id: str) -> tuple[Subscriber | None, WelcomeMail | None]:
        """Return both as they are now. Raises MalformedSubscriber."""

    def remove(self, subscriber_id: str) -> None:
        """Remove a subscriber who is not suppressed."""

    def suppress(self, subscriber: Subscriber) -> None:
        """Mark as suppressed the subscriber who is there, or store this one."""

    def subscribed(self, since: Milliseconds, until: Milliseconds) -> Iterator[str]:
        """Return the ids of those who subscribed then, both ends included, oldest first."""

    def replace_mail(self, mail: WelcomeMail, attempts: int) -> bool:
        """Store *mail* in place of one that is not sent after so many *attempts*; 0 may also mean none."""

    def settle_mail(self, subscriber_id: str, subscribed_at: Milliseconds, message_id: str, now: Milliseconds) -> None:
        """Mark the mail of that very subscription as sent, unless it is."""

    def forget_mail(self, subscriber_id: str, subscribed_at: Milliseconds) -> None:
        """Remove the mail of that subscription or of an earlier one."""


class Subscribers:
    """Those who subscribe and unsubscribe. No answer tells who is among them."""

    def __init__(self, store: SubscriberStore, now: Callable[[], Milliseconds] | None = None) -> None:
        self._store = store
        self._now = now or milliseconds

    def subscribe(self, new: NewSubscriber) -> None:
        """Subscribe the address unless it is, or is suppressed."""
        self._store.add(Subscriber(subscriber_id(new.email), new.email, "subscribed", self._now()))

    def unsubscribe(self, token: str) -> None:
        """Erase the subscriber to whom the mail with *token* went. Raises NotFound for any other token.

        A second time it is not found either: the answer must not tell whether the address is subscribed.
        """
        if not re.fullmatch(r"[\w-]{65}", token, re.ASCII):
            raise NotFound("there is no such subscription")
        subscriber, mail = self._store.read(token[:_ID_LENGTH])
        if subscriber is None or mail is None or not hmac.compare_digest(mail.token, token):
            raise NotFound("there is no such subscription")
        self._store.remove(subscriber.id)

    def suppress(self, email: str) -> None:
        """Never write to *email* again, subscribed or not."""
        self._store.suppress(Subscriber(subscriber_id(email), email, "suppressed", self._now()))


def address(text: str) -> str:
    """Return the one ASCII form of an e-mail address. Raises ValueError.

    SES takes no other characters than ASCII before the @ sign, and Punycode behind it:
    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html
    """
    import email_validator  # 20 ms, and most functions never see an address

    try:
        # A test environment is one that lets .test pass (RFC 6761, section 6.2).
        found = email_validator.validate_email(
            text.strip(), strict=True, allow_smtputf8=False, check_deliverability=False, test_environment=True
        )
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"email: {error}") from error
    assert found.ascii_email is not None
    return found.ascii_email


def subscriber_id(email: str) -> str:
    """Return the id of an ASCII address. Upper and lower case are one: no mail service of note tells them apart."""
    return base64.urlsafe_b64encode(hashlib.sha256(email.lower().encode()).digest()).decode().rstrip("=")


def new_token(subscriber_id: str) -> str:
    """Return a token that says which subscriber, and holds 128 bits that nobody guesses."""
    return subscriber_id + secrets.token_urlsafe(16)


def milliseconds() -> Milliseconds:
    """Return the time of now."""
    return time.time_ns() // 1_000_000
