from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# The app reads its settings while it is imported.
os.environ |= {
    "STAGE": "unit",
    "TABLE": "receipts-app-unit-receipts",
    "QUEUE": "receipts-app-unit-purchases",
    "SENDER": "receipts@shop.example",
}

from memory import MemoryReceipts, Outbox  # noqa: E402

from chalicelib.receipts import Receipts  # noqa: E402
from common.mail import MailTemplate  # noqa: E402


@pytest.fixture
def store() -> MemoryReceipts:
    return MemoryReceipts()


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def template() -> MailTemplate:
    return MailTemplate(ROOT / "receipts-app" / "chalicelib" / "mails", "receipt")


@pytest.fixture
def receipts(store: MemoryReceipts, outbox: Outbox, template: MailTemplate) -> Receipts:
    return Receipts(store, outbox, template)
