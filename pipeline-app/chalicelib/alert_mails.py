"""One mail for an alert that is raised, unless its device sent one lately. Imports no AWS and no HTTP.

Only the caller that claims an alert mails it, so a repeated event sends no second mail. A mail whose outcome is unknown
is not sent again: the dashboard shows the alert too.
"""

from __future__ import annotations

from typing import Protocol

from chalicelib.devices import Alert
from chalicelib.readings import iso
from common.mail import Mail, MailTemplate, NotSent


class MailClaims(Protocol):
    """Storage of the claims to mail alerts: `chalicelib.device_table.DeviceTable`."""

    def claim_mail(self, alert: Alert) -> bool:
        """Claim the mail of an alert. Return False if it is claimed already, or if there is no such alert."""

    def release_mail(self, alert: Alert) -> None:
        """Give up the claim."""


class MailSender(Protocol):
    """A service that sends mails: `common.ses.Mailer`."""

    def send(self, to: str, mail: Mail, tags: dict[str, str]) -> str:
        """Send a mail and return its id. Raises NotSent."""


class AlertMails:
    """Mails alerts to *recipient*."""

    def __init__(self, claims: MailClaims, sender: MailSender, template: MailTemplate, recipient: str) -> None:
        self._claims = claims
        self._sender = sender
        self._template = template
        self._recipient = recipient

    def send(self, alert: Alert) -> None:
        """Mail an alert, if it is to be mailed and has not been. Raises NotSent; the caller may try again."""
        if alert.state != "raised" or not alert.mail or not self._claims.claim_mail(alert):
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
