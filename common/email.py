"""Mail through Amazon SES, and what SES says of it afterwards. Knows neither who is written to nor why."""

from __future__ import annotations

import functools
import html
import re
from email.utils import parseaddr
from pathlib import Path
from string import Template
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError
from msgspec import Struct

from common import aws

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# A dot-atom at a host name (RFC 5322, section 3.4.1), so one address and nothing beside it.
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_URL = re.compile(r"https?://[!-;=?-~]{1,900}")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


class NotSent(Exception):
    """SES did not take the mail: nothing was sent, and to send it again is safe."""


class Malformed(NotSent, ValueError):
    """SES could misread the mail, so that it was not even asked."""


class Mail(Struct, frozen=True):
    """What a person reads, both texts saying the same. Raises ValueError for a subject that is not one line."""

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


@functools.cache
def client() -> Any:
    """Return the process's SES client, which tries once.

    SES takes no idempotency token, so that a second try after a lost answer would be a second mail.
    """
    return boto3.client("sesv2", config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}))


class Mailer:
    """Sends from *sender*, whose identity SES has verified, through *client* (SES v2).

    Events of the mails go where *configuration_set* says.
    """

    def __init__(self, client: Any, sender: str, configuration_set: str = "") -> None:
        self._client = client
        self._sender = sender
        self._options = {"ConfigurationSetName": configuration_set} if configuration_set else {}

    def send(self, to: str, mail: Mail, tags: dict[str, str], list_unsubscribe: str | None = None) -> str:
        """Send *mail* to one ASCII address and return SES's id of it.

        *tags* come back in the events; *list_unsubscribe* is a URL that ends the subscription when it is posted to
        (RFC 8058). Raises Malformed for what SES could misread, and NotSent, which that is too, when SES took nothing;
        after any other error the mail may be sent or not. See
        https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
        """
        request = {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": [_checked("address", _ADDRESS, to)]},
            "Content": {"Simple": _message(mail, list_unsubscribe)},
            "EmailTags": [{"Name": name, "Value": _checked(name, _TAG, value)} for name, value in tags.items()],
            **self._options,
        }
        try:
            return str(self._client.send_email(**request)["MessageId"])
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) >= 500:
                raise
            raise NotSent(f"SES refused it: {aws.code(error)}: {error.response['Error'].get('Message')}") from error
        except (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError) as error:
            raise NotSent("SES cannot be reached") from error


def _message(mail: Mail, list_unsubscribe: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {
        "Subject": _utf8(mail.subject),
        "Body": {"Text": _utf8(mail.text), "Html": _utf8(mail.html)},
    }
    if list_unsubscribe is not None:
        message["Headers"] = [
            {"Name": "List-Unsubscribe", "Value": f"<{_checked('list_unsubscribe', _URL, list_unsubscribe)}>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ]
    return message


def _utf8(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}


def _checked(name: str, pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise Malformed(f"{name}: {value[:80]!r} does not look like one")
    return value


class Feedback(Struct, frozen=True):
    """What became of a mail. ``kind`` is SES's word: Send, Delivery, Bounce, Complaint and others.

    ``tags`` are those of `Mailer.send`; only a configuration set's events have them. ``final`` is true of a
    permanent bounce and of a complaint: nothing may go to the ``recipients`` again.
    """

    kind: str
    message_id: str = ""
    tags: dict[str, str] = {}
    recipients: tuple[str, ...] = ()
    final: bool = False


def feedback(message: str) -> Feedback:
    """Return what the SNS *message* of an identity's notification or of a configuration set's event says.

    Raises ValueError for anything else. The two forms differ in the name of the kind:
    https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
    https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
    """
    if message.startswith("Successfully validated SNS topic"):
        return Feedback("TopicValidated")
    said = msgspec.json.decode(message, type=_Notification)
    kind = said.event_type or said.notification_type
    if not kind:
        raise ValueError("neither a notification nor an event of SES")
    return Feedback(
        kind,
        said.mail.message_id,
        {name: values[0] for name, values in said.mail.tags.items() if values},
        tuple(parseaddr(address)[1] for address in _recipients(said)),
        final=kind == "Complaint" or (kind == "Bounce" and said.bounce.bounce_type == "Permanent"),
    )


class _Recipient(Struct, frozen=True, rename="camel"):
    email_address: str


class _Bounce(Struct, frozen=True, rename="camel"):
    bounce_type: str = ""
    bounced_recipients: list[_Recipient] = []


class _Complaint(Struct, frozen=True, rename="camel"):
    complained_recipients: list[_Recipient] = []


class _Mail(Struct, frozen=True, rename="camel"):
    message_id: str = ""
    destination: list[str] = []
    tags: dict[str, list[str]] = {}


class _Notification(Struct, frozen=True, rename="camel"):
    event_type: str = ""
    notification_type: str = ""
    mail: _Mail = _Mail()
    bounce: _Bounce = _Bounce()
    complaint: _Complaint = _Complaint()


def _recipients(said: _Notification) -> list[str]:
    """A bounce or a complaint names those whom it is about, who may be fewer than those written to."""
    about = [recipient.email_address for recipient in said.bounce.bounced_recipients]
    about += [recipient.email_address for recipient in said.complaint.complained_recipients]
    return about or said.mail.destination
