"""Builds each object once in a process, on first use."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chalicelib.receipts import Receipts, purchase
from chalicelib.table import ReceiptTable
from common import aws, email, logs
from common import settings as stage_settings

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """What the stage's stacks made."""

    table: str
    queue: str
    sender: str


@cache
def settings() -> Settings:
    return stage_settings.load(Settings, _HERE / "stages")


@cache
def receipts() -> Receipts:
    table = ReceiptTable(aws.client("dynamodb"), settings().table)
    mailer = email.Mailer(email.client(), settings().sender)
    return Receipts(table, mailer, email.MailTemplate(_HERE / "mails", "receipt"))


def send_receipt(message: str) -> None:
    """Handle a message of the purchases' queue, under the correlation id of what caused it."""
    event = purchase(message)
    logs.correlate(event.correlation_id)
    receipts().send(event)
