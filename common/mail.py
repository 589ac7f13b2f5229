"""Mails, and feedback on them. Imports no AWS and no HTTP."""

from __future__ import annotations

import html
import re
from pathlib import Path
from string import Template
from typing import Protocol

from msgspec import Struct

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class NotSent(Exception):
    """The mail was not sent; sending it again is safe."""


class Mail(Struct, frozen=True):
    """A subject, and a body as plain text and as HTML. Raises ValueError for control characters in the subject."""

    subject: str
    text: str
    html: str

    def __post_init__(self) -> None:
        if _CONTROL.search(self.subject):
            raise ValueError("subject: has control characters")


class MailTemplate:
    """A mail with ``$names`` for values: ``<name>.txt``, whose first line is ``Subject: …``, and ``<name>.html``."""

    def __init__(self, folder: Path, name: str) -> None:
        subject, _, text = (folder / f"{name}.txt").read_text().partition("\n")
        self._subject = Template(subject.removeprefix("Subject: "))
        self._text = Template(text.lstrip("\n"))
        self._html = Template((folder / f"{name}.html").read_text())

    def fill(self, **values: str) -> Mail:
        """Return the mail, with *values* escaped in its HTML. Raises KeyError for a name without a value."""
        escaped = {name: html.escape(value) for name, value in values.items()}
        subject = " ".join(self._subject.substitute(values).split())
        return Mail(subject, self._text.substitute(values), self._html.substitute(escaped))


class Sender(Protocol):
    """A service that sends mails, for example `common.ses.Mailer`."""

    def send(self, to: str, mail: Mail, tags: dict[str, str], list_unsubscribe: str | None = None) -> str:
        """Send *mail* to one ASCII address, and return the service's id of it.

        The mail's feedback has the *tags*. A POST to the URL *list_unsubscribe* ends the subscription (RFC 8058).
        Raises NotSent when the mail was not sent; after any other error it may have been sent.
        """


class Feedback(Struct, frozen=True):
    """Feedback on a mail. ``kind`` is SES's name for it: Send, Delivery, Bounce, Complaint and others.

    ``tags`` are those of `Sender.send`. ``final`` is true of a permanent bounce and of a complaint: nothing may be sent
    to the ``recipients`` again.
    """

    kind: str
    message_id: str = ""
    tags: dict[str, str] = {}
    recipients: tuple[str, ...] = ()
    final: bool = False
