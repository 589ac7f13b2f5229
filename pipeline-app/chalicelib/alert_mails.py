"""A mail for each alert that is raised. Knows no AWS and no HTTP.

Whoever claims an alert mails it, so that it is mailed once however often it is told. A mail of which nobody knows
whether it went is not sent again: the alert is on the dashboard too.
"""

from __future__ import annotations

from typing import Protocol

from chalicelib.devices import Alert
from chalicelib.readings import iso
from common.email import Mail, MailTemplate, NotSent


class Claims(Protocol):
    """Who mails an alert."""

    def claim_mail(self, alert: Alert) -> bool: ...
    def release_mail(self, alert: Alert) -> None: ...


class Sender(Protocol):
    """What sends a mail: `common.email.Mailer`."""

    def send(self, to: str, mail: Mail, tags: dict[str, str]) -> str: ...


class AlertMails:
    """Mails alerts to *recipient*."""

    def __init__(self, claims: Claims, sender: Sender, template: MailTemplate, recipient: str) -> None:
        self._claims = claims
        self._sender = sender
        self._template = template
        self._recipient = recipient

    def send(self, alert: Alert) -> None:
        """Mail an alert if it was raised and not mailed yet. Raises NotSent, after which it may be tried again."""
        if alert.state != "raised" or not self._claims.claim_mail(alert):
            return
        mail = self._template.fill(
            device=alert.device_id,
            metric=alert.metric,
            value=f"{alert.value:.6g} {alert.unit}".strip(),
            threshold=f"{alert.threshold:.6g} {alert.unit}".strip(),
            time=iso(alert.ts),
        )
        try:
            self._sender.send(self._recipient, mail, {})
        except NotSent:
            self._claims.release_mail(alert)
            raise
