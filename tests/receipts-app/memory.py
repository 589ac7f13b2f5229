"""The store of receipts in memory, tested by test_store.py like the table, and a mailer that keeps its mails."""

from __future__ import annotations

from chalicelib.receipts import Receipt
from common.mail import Mail


class MemoryReceipts:
    def __init__(self) -> None:
        self._receipts: dict[str, Receipt] = {}

    def add(self, receipt: Receipt) -> Receipt | None:
        known = self._receipts.setdefault(receipt.payment_id, receipt)
        return None if known is receipt else known

    def get(self, payment_id: str) -> Receipt | None:
        return self._receipts.get(payment_id)

    def settle(self, receipt: Receipt) -> None:
        self._receipts[receipt.payment_id] = receipt

    def remove(self, payment_id: str) -> None:
        self._receipts.pop(payment_id, None)


class Outbox:
    """Raises the ``failures`` first. ``mails`` are the accepted mails with their recipients."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, Mail]] = []
        self.failures: list[Exception] = []

    def send(self, to: str, mail: Mail, tags: dict[str, str], list_unsubscribe: str | None = None) -> str:
        if self.failures:
            raise self.failures.pop(0)
        self.mails.append((to, mail))
        return str(len(self.mails))
