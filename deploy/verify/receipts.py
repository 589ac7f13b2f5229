"""The journey through receipts-app: a purchase in the shop becomes one receipt."""

from __future__ import annotations

from deploy.verify.health import Health
from deploy.verify.journey import step
from deploy.verify.payments import Payment
from deploy.verify.people import SENDER, address, operator
from deploy.verify.removal import delete_item
from deploy.verify.requests import Answer

_AMOUNT = 990


class Receipts(Health):
    """A buyer of the shop."""

    app = "receipts-app"
    payment: Payment

    @step("Only services of this account can read receipts.")
    def refuse_strangers(self) -> None:
        self.refused(self.http.get(f"{self.api()}/receipts/{self.name}"), 403)

    @step("A purchase in the shop becomes a receipt, and SES takes its mail.")
    def send(self) -> None:
        if not self.outputs(app="video-app"):
            self.skip("the stage has no video-app, whose purchases become receipts")
        self.payment = Payment.of(self, self.name, "plan:month")
        self.remove_later(f"receipt {self.payment.id}", self._remove)
        buyer = {"email": address(self, "buyer")}
        paid = self.payment.pay(amount_total=_AMOUNT, currency="usd", customer_details=buyer)
        self.expect(paid.status == 200, "200 from the shop", paid)
        receipt = self.until(
            self._read,
            lambda answer: answer.status == 200 and answer.json["sent_at"],
            f"a receipt with the time when SES took the mail{SENDER}",
        )
        known = {name: receipt.json[name] for name in ("email", "amount")}
        self.expect(known == {**buyer, "amount": _AMOUNT}, "the buyer's address and amount", known)

    def _read(self) -> Answer:
        return operator(self, self.api()).get(f"/receipts/{self.payment.id}")

    def _remove(self) -> None:
        """Delete the receipt, once the event that makes it has arrived."""
        self.settled(lambda: self._read().status == 200 and self._read().json["sent_at"])
        delete_item(self.client("dynamodb"), self.outputs()["Table"], payment_id=self.payment.id)
