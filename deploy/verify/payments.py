"""Test payments: events of the payment provider, signed with the stage's own key.

https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from deploy.verify.journey import Journey
from deploy.verify.removal import delete_item, delete_items
from deploy.verify.requests import Answer

_SHOP = "video-app"


@dataclass(frozen=True)
class Payment:
    """The payment *id* of *user* for *item*: ``video:<id>`` or ``plan:month``. No money moves; Stripe knows nothing."""

    journey: Journey
    id: str
    user: str
    item: str

    @classmethod
    def of(cls, journey: Journey, user: str, item: str) -> Payment:
        """Return a payment that is removed from the shop at the end."""
        payment = cls(journey, f"{journey.name}-{user[-8:]}", user, item)
        resources, dynamodb = journey.outputs(app=_SHOP), journey.client("dynamodb")
        journey.remove_later(
            f"entitlements of {user}", lambda: delete_items(dynamodb, resources["Table"], "user", user, "item")
        )
        journey.remove_later(
            f"payment {payment.id}", lambda: delete_item(dynamodb, resources["PaymentsTable"], id=payment.id)
        )
        return payment

    def pay(self, **receipt: Any) -> Answer:
        """Tell the shop that it was paid. *receipt* has what a receipt needs; without it none is sent."""
        return self._send("checkout.session.completed", {"payment_status": "paid", **receipt})

    def refund(self) -> Answer:
        """Tell the shop that it was refunded."""
        return self._send("charge.refunded", {"refunded": True})

    def forge(self) -> Answer:
        """Tell the shop that it was paid, with the signature of somebody who has not got the key."""
        return self._send("checkout.session.completed", {"payment_status": "paid"}, "not-the-key")

    def _send(self, kind: str, about: dict[str, Any], key: str | None = None) -> Answer:
        metadata = {"user": self.user, "item": self.item, "stage": self.journey.stage, "title": self.journey.name}
        session = {"payment_intent": self.id, "metadata": metadata, **about}
        now = int(time.time())
        event = {"id": self.id, "type": kind, "created": now, "data": {"object": session}}
        body = json.dumps(event).encode()
        key = key or keys(self.journey)["webhook_secret"]
        signature = hmac.new(key.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={now},v1={signature}", "Content-Type": "application/json"}
        return self.journey.http.send("POST", f"{self.journey.api(_SHOP)}/payments/webhook", body, headers)


def keys(journey: Journey) -> dict[str, str]:
    """Return the shop's keys: of the provider's API, and of its events."""
    secret = journey.outputs(app=_SHOP)["PaymentsSecret"]
    found: dict[str, str] = json.loads(
        journey.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    )
    return found


def expire_checkout(journey: Journey, checkout_id: str) -> None:
    """Close the provider's page for a payment: https://docs.stripe.com/api/checkout/sessions/expire."""
    url = f"{journey.outputs(app=_SHOP)['PaymentsApi']}/v1/checkout/sessions/{checkout_id}/expire"
    headers = {
        "Authorization": f"Bearer {keys(journey)['api_key']}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    closed = journey.http.send("POST", url, urlencode({}), headers)
    journey.expect(closed.status == 200, "200 from the payment provider", closed)
