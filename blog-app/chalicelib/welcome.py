"""One welcome mail for each subscriber, in spite of repeated events, several Regions and crashes.

Each attempt first claims the mail for some time. A mail is sent again only after its claim has expired without SES
reporting the mail: docs/welcome-mail.md. Imports no AWS and no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable

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
    unsubscribe_page,
)
from common.mail import Feedback, Mail, MailTemplate, NotSent, Sender

_MINUTE: Milliseconds = 60_000

LEASE = 15 * _MINUTE
"""Duration of the first claim; it doubles with each attempt. Far longer than a function runs or SES needs to report."""

TAKE_OVER = 60 * _MINUTE
"""Time that the mailing Region has for a mail before a standby Region sends it."""

HAND_OVER = 45 * _MINUTE
"""Age from which the mailing Region leaves a mail to a standby Region. Its first claim ends before that one begins."""

SWEEP_WINDOW = 24 * 60 * _MINUTE
"""Age up to which a subscription still gets its mail."""

MAX_ATTEMPTS = 5
"""Number of attempts with an unknown outcome. The last claim ends 7 h 45 min after the first began."""


class GivenUp(Exception):
    """The outcome of every attempt is unknown, so another one could send a second mail."""


class Subscribed(Struct, frozen=True):
    """A subscriber was added or changed."""

    id: str


class Unsubscribed(Struct, frozen=True):
    """A subscriber was removed."""

    id: str
    subscribed_at: Milliseconds


class Welcome:
    """Sends the welcome mails of the blog at *site*, a URL without a trailing slash.

    One Region sends the mails. Another one is on *standby* and sends only what is overdue by an hour. A Region that
    *hands_over* has such a standby, and sends nothing that the standby may have sent. So no mail is due in both Regions
    at a time, whatever of it they have replicated.
    """

    def __init__(
        self,
        store: SubscriberStore,
        sender: Sender,
        template: MailTemplate,
        site: str,
        standby: bool = False,
        hands_over: bool = False,
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
        self._window = HAND_OVER if hands_over else SWEEP_WINDOW
        self._hands_over = hands_over

    def handle(self, change: Subscribed | Unsubscribed | None) -> None:
        """Handle a change. Handling it again, or late, has no further effect.

        Raises NotSent, MalformedSubscriber and GivenUp.
        """
        match change:
            case Subscribed(id=subscriber_id):
                self._welcome(subscriber_id)
            case Unsubscribed() if not self._standby:
                self._store.forget_mail(change.id, change.subscribed_at)

    def sweep(self) -> None:
        """Send the mails of the last day that are due because of a crash or a lost event.

        Raises an ExceptionGroup of all failures at the end.
        """
        now = self._now()
        failures: list[Exception] = []
        for subscriber_id in self._store.waiting(now - self._window, now - self._lease - self._patience):
            try:
                self._welcome(subscriber_id)
            except (NotSent, MalformedSubscriber, GivenUp) as failure:
                failures.append(failure)
        if failures:
            raise ExceptionGroup("some welcome mails are not sent", failures)

    def apply_feedback(self, feedback: Feedback) -> None:
        """Apply feedback of SES: it settles the claim of its mail, and final feedback suppresses the recipients."""
        if feedback.final:
            for email in feedback.recipients:
                Subscribers(self._store, self._now).suppress(email)
        subscriber_id, subscription = feedback.tags.get("subscriber"), feedback.tags.get("subscription")
        if subscriber_id and subscription:
            self._store.settle_mail(subscriber_id, int(subscription), feedback.message_id, self._now())

    def _welcome(self, subscriber_id: str) -> None:
        """Send the mail if the current state in the store says so, since an event may arrive long after its change."""
        subscriber, mail = self._store.read(subscriber_id)
        if subscriber is None or subscriber.status != "subscribed":
            return
        before = mail or _unclaimed(subscriber)
        if not self._is_due(subscriber, before):
            return
        letter, url = self._letter(before.token)
        claim = replace(before, attempts=before.attempts + 1, until=self._now() + self._lease * 2**before.attempts)
        if not self._store.replace_mail(claim, before.attempts):
            return  # another invocation has claimed it
        try:
            message_id = self._sender.send(subscriber.email, letter, _tags(claim), url)
        except NotSent:
            self._store.replace_mail(before, claim.attempts)  # due again at once
            raise
        self._store.settle_mail(claim.id, claim.subscribed_at, message_id, self._now())

    def _is_due(self, subscriber: Subscriber, mail: WelcomeMail) -> bool:
        if self._hands_over and self._now() - subscriber.subscribed_at >= HAND_OVER:
            return False
        if mail.sent_at is not None or mail.until > self._now() - self._patience:
            return False
        if mail.attempts >= MAX_ATTEMPTS:
            raise GivenUp(f"the outcome of {mail.attempts} attempts to welcome subscriber {mail.id} is unknown")
        return True

    def _letter(self, token: str) -> tuple[Mail, str]:
        """Return the mail, and the URL to which a POST ends the subscription."""
        page = unsubscribe_page(self._site, token)
        return self._template.fill(site=self._site, unsubscribe=page), f"{self._site}/api/unsubscribe/{token}"


def _unclaimed(subscriber: Subscriber) -> WelcomeMail:
    token, at = new_token(subscriber.id), subscriber.subscribed_at
    return WelcomeMail(id=subscriber.id, subscribed_at=at, token=token, attempts=0, until=at)


def _tags(mail: WelcomeMail) -> dict[str, str]:
    """Return the tags by which SES's events name the subscriber and the subscription."""
    return {"subscriber": mail.id, "subscription": str(mail.subscribed_at)}
