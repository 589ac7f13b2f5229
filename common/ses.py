"""Mail through Amazon SES, and its feedback: deliveries, bounces and complaints."""

from __future__ import annotations

import functools
import re
from email.utils import parseaddr
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError
from msgspec import Struct

from common import aws
from common.mail import Feedback, Mail, NotSent

# A dot-atom, "@" and a host name (RFC 5322, section 3.4.1): exactly one address.
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_URL = re.compile(r"https?://[!-;=?-~]{1,900}")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Malformed(NotSent, ValueError):
    """The request was not sent to SES, because SES could misread it."""


@functools.cache
def client() -> Any:
    """Return this process's SES client, which never retries.

    SES has no idempotency token, so a retry after a lost answer would send a second mail.
    """
    return boto3.client("sesv2", config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}))


class Mailer:
    """Sends mails from *sender*, an identity that SES has verified, through *client* (SES v2).

    The *configuration_set* says where SES sends the events of the mails. Without a sender, no mail is sent.
    """

    def __init__(self, client: Any, sender: str, configuration_set: str = "") -> None:
        self._client = client
        self._sender = sender
        self._options = {"ConfigurationSetName": configuration_set} if configuration_set else {}

    def send(self, to: str, mail: Mail, tags: dict[str, str], list_unsubscribe: str | None = None) -> str:
        """Send *mail* as `common.mail.Sender` says; without a sender, return an empty id.

        Only the events of a configuration set have the *tags*. Raises Malformed for a value that SES could misread.
        https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
        """
        request = {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": [_checked("address", _ADDRESS, to)]},
            "Content": {"Simple": _message(mail, list_unsubscribe)},
            "EmailTags": [{"Name": name, "Value": _checked(name, _TAG, value)} for name, value in tags.items()],
            **self._options,
        }
        if not self._sender:
            return ""
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


def feedback(message: str) -> Feedback:
    """Return the feedback in an SNS *message*: an identity's notification, or a configuration set's event.

    Raises ValueError for anything else. The two differ in the name of the field for the kind:
    https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
    https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
    """
    if message.startswith("Successfully validated SNS topic"):
        return Feedback("TopicValidated")
    notification = msgspec.json.decode(message, type=_Notification)
    kind = notification.event_type or notification.notification_type
    if not kind:
        raise ValueError("neither a notification nor an event of SES")
    return Feedback(
        kind,
        notification.mail.message_id,
        {name: values[0] for name, values in notification.mail.tags.items() if values},
        tuple(parseaddr(address)[1] for address in _recipients(notification)),
        final=kind == "Complaint" or (kind == "Bounce" and notification.bounce.bounce_type == "Permanent"),
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


def _recipients(notification: _Notification) -> list[str]:
    """Return the recipients that a bounce or a complaint names, who may be only some of the mail's recipients."""
    about = [recipient.email_address for recipient in notification.bounce.bounced_recipients]
    about += [recipient.email_address for recipient in notification.complaint.complained_recipients]
    return about or notification.mail.destination
