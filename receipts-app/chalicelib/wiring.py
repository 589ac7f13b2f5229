"""Builds each object once in a process, on first use."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chalicelib.receipts import Receipts
from chalicelib.table import ReceiptTable
from common import aws, mail, ses
from common import settings as stage_settings

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """The outputs of the stage's stacks."""

    table: str
    queue: str
    sender: str


@cache
def settings() -> Settings:
    return stage_settings.load(Settings, _HERE / "stages")


@cache
def receipts() -> Receipts:
    table = ReceiptTable(aws.client("dynamodb"), settings().table)
    mailer = ses.Mailer(ses.client(), settings().sender)
    return Receipts(table, mailer, mail.MailTemplate(_HERE / "mails", "receipt"))
