"""One welcome mail a subscriber, however often a change is told, in however many Regions, and whatever crashes.

Each attempt first claims the mail for a while, and an open claim is sent again only when its time is over and SES
has not said that it has the mail: docs/welcome-mail.md. Knows no AWS and no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.subscribers import (
    MalformedSubscriber,
    Milliseconds,
    Subscriber,
    Subscribers,
    SubscriberStore,
    WelcomeMail,
    milliseconds,
    new_token,
)
from common.email import Feedback, Mail, MailTemplate, NotSent

_MINUTE: Milliseconds = 60_000

LEASE = 15 * _MINUTE
"""Of the first claim; each further one is twice as long. Far longer than a function runs and SES takes to tell."""

TAKE_OVER = 60 * _MINUTE
"""For how long the mailing Region must have left a mail undone before a standby Region sends it."""

SWEPT = 24 * 60 * _MINUTE
"""How old a subscription may be for its mail to be still sent."""

MAX_ATTEMPTS = 5
"""Of which nobody knows the outcome. The last one's claim ends 7 h 45 min after the first began."""


class GivenUp(Exception):
    """Every attempt ended without a word, neither ours nor SES's, so that one more would be a gamble."""


class Sender(Protocol):
    """What sends a mail: `common.email.Mailer`."""

    def send(self, to: str, mail: Mail, tags: dict[str, str], list_unsubscribe: str | None = None) -> str:
        """Return SES's id of the mail. Raises NotSent when surely nothing was sent."""


class Subscribed(Struct, frozen=True):
    """A subscriber is new or has changed."""

    id: str


class Unsubscribed(Struct, frozen=True):
    """A subscriber has gone."""

    id: str
    subscribed_at: Milliseconds


class Welcome:
    """Sends the welcome mails of the blog at *site*, a URL without a slash at its end.

    One Region's Welcome does it; in every other it is on *standby*, and does only what was left undone for an hour.
    """

    def __init__(
        self,
        store: SubscriberStore,
        sender: Sender,
        template: MailTemplate,
        site: str,
        standby: bool = False,
        lease: Milliseconds = LEASE,
        now: Callable[[], Milliseconds] | None = None,
    ) -> None:
        self._store = store
        self._sender = sender
        self._template = template
        self._site = site
        self._standby = standby
        self._lease = lease
        self._now = now or milliseconds
        self._patience = TAKE_OVER if standby else 0

    def handle(self, change: Subscribed | Unsubscribed | None) -> None:
        """Do what a change asks for, which may be nothing; told twice or late, it asks for nothing more.

        Raises NotSent, MalformedSubscriber and GivenUp.
        """
        match change:
            case Subscribed(id=subscriber_id):
                self._welcome(subscriber_id)
            case Unsubscribed() if not self._standby:
                self._store.forget_mail(change.id, change.subscribed_at)

    def sweep(self) -> None:
        """Send what is due of the last day: what a crash left, or what no change told of.

        Raises, after all are done, an ExceptionGroup of what failed.
        """
        now = self._now()
        failures: list[Exception] = []
        for subscriber_id in self._store.subscribed(now - SWEPT, now - self._lease - self._patience):
            try:
                self._welcome(subscriber_id)
            except (NotSent, MalformedSubscriber, GivenUp) as failure:
                failures.append(failure)
        if failures:
            raise ExceptionGroup("some welcome mails are not sent", failures)

    def apply_feedback(self, feedback: Feedback) -> None:
        """Take note of what SES says: that it has a mail, which settles its claim, or that one came to no good."""
        if feedback.final:
            for email in feedback.recipients:
                Subscribers(self._store, self._now).suppress(email)
        subscriber_id, subscription = feedback.tags.get("subscriber"), feedback.tags.get("subscription")
        if subscriber_id and subscription:
            self._store.settle_mail(subscriber_id, int(subscription), feedback.message_id, self._now())

    def _welcome(self, subscriber_id: str) -> None:
        """Send the mail if it is due, on what the store says now: a change may be told long after it happened."""
        subscriber, mail = self._store.read(subscriber_id)
        if subscriber is None or subscriber.status != "subscribed" or not self._is_due(subscriber, mail):
            return
        before = mail or WelcomeMail(subscriber.id, subscriber.subscribed_at, new_token(subscriber.id), 0, 0)
        letter, url = self._letter(before.token)
        claim = replace(before, attempts=before.attempts + 1, until=self._now() + self._lease * 2**before.attempts)
        if not self._store.replace_mail(claim, before.attempts):
            return  # another one was quicker
        try:
            message_id = self._sender.send(subscriber.email, letter, _tags(claim), url)
        except NotSent:
            self._store.replace_mail(replace(before, until=self._now()), claim.attempts)
            raise
        self._store.settle_mail(claim.id, claim.subscribed_at, message_id, self._now())

    def _is_due(self, subscriber: Subscriber, mail: WelcomeMail | None) -> bool:
        latest = self._now() - self._patience
        if mail is None:
            return subscriber.subscribed_at <= latest
        if mail.sent_at is not None or mail.until > latest:
            return False
        if mail.attempts >= MAX_ATTEMPTS:
            raise GivenUp(f"{mail.attempts} attempts to welcome subscriber {mail.id} ended without a word")
        return True

    def _letter(self, token: str) -> tuple[Mail, str]:
        """The mail and the URL that ends the subscription when it is posted to.

        The mail itself links to a page that asks first: scanners of mail follow every link.
        """
        page = f"{self._site}/unsubscribe/?token={token}"
        return self._template.fill(site=self._site, unsubscribe=page), f"{self._site}/api/unsubscribe/{token}"


def _tags(mail: WelcomeMail) -> dict[str, str]:
    """By which SES's events say which subscriber the mail was for, and which subscription."""
    return {"subscriber": mail.id, "subscription": str(mail.subscribed_at)}
