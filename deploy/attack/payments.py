"""Events of the payment provider that it did not send, or sent before. A payment opens a film."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from functools import cached_property
from typing import Any

from deploy.attack.case import Attack, case
from deploy.verify.payments import Payment, keys
from deploy.verify.people import User, sign_in
from deploy.verify.requests import Answer

_TOLERANCE = 300
"""Seconds for which a signature is valid: https://docs.stripe.com/webhooks#replay-prevention."""


class Payments(Attack):
    """The attacker has an account, and knows all addresses of the shop."""

    kind = "payments"
    app = "video-app"

    @case
    def an_event_without_a_signature(self) -> None:
        """Everybody is premium without paying."""
        for header in (None, "", "t=,v1=", f"t={_now()}", "v1=00", "x" * 5_000, "t=1,v1=" + "0" * 64):
            self._refuse(header)

    @case
    def an_event_signed_by_another_key(self) -> None:
        """Everybody is premium without paying."""
        for key in ("", "none", "whsec_", "whsec_test", self._keys["api_key"], self._url):
            self._refuse(_signature(self._event(), key))

    @case
    def a_signature_of_another_event(self) -> None:
        """Who pays once turns the event of the payment into one for everything."""
        header = _signature(self._event(item="video:x"), self._keys["webhook_secret"])
        self._refuse(header)

    @case
    def a_signature_of_the_body_without_its_time(self) -> None:
        """An event that was recorded once works forever, at any time."""
        body, key = self._event(), self._keys["webhook_secret"].encode()
        for signed in (body, f"{_now()}".encode() + body, b"." + body):
            self._refuse(f"t={_now()},v1={hmac.new(key, signed, hashlib.sha256).hexdigest()}")

    @case
    def an_old_event_with_its_own_signature(self) -> None:
        """An event that was recorded once works forever."""
        for age in (_TOLERANCE + 60, 24 * 3600, 10 * 365 * 24 * 3600):
            self._refuse(_signature(self._event(), self._keys["webhook_secret"], _now() - age))

    @case
    def an_old_event_under_a_newer_time(self) -> None:
        """An event that was recorded once works forever."""
        signature = _signature(self._event(), self._keys["webhook_secret"], _now() - 3600).partition("v1=")[2]
        for header in (f"t={_now()},v1={signature}", f"t={_now() - 3600},t={_now()},v1={signature}"):
            self._refuse(header)

    @case
    def a_signature_by_an_older_scheme(self) -> None:
        """A scheme that Stripe signs for tests only opens the shop."""
        digest = _signature(self._event(), self._keys["webhook_secret"]).partition("v1=")[2]
        for scheme in ("v0", "v2", "V1", ""):
            self._refuse(f"t={_now()},{scheme}={digest}")

    @case
    def a_session_that_is_not_paid(self) -> None:
        """Who opens the payment page and leaves it has bought the film."""
        user = self._user("unpaid")
        for status in ("unpaid", "no_payment_required", "", None):
            event = self._event(user, payment_status=status)
            self._sent(event, _signature(event, self._keys["webhook_secret"]))
            self._not_premium(user)

    @case
    def a_payment_of_another_stage(self) -> None:
        """A payment with test money opens the films of the real shop."""
        user = self._user("elsewhere")
        for stage in ("other", f"{self.stage}x", "", None):
            event = self._event(user, metadata_stage=stage)
            self._sent(event, _signature(event, self._keys["webhook_secret"]))
            self._not_premium(user)

    @case
    def a_payment_once_more_after_its_refund(self) -> None:
        """Who gets their money back keeps the film, by sending the event of the payment again."""
        user = self._user("refunded")
        payment = Payment.of(self, user.sub, "plan:month")
        self.allowed(payment.pay())
        self.expect(self._is_premium(user), "premium after a payment", "none")
        self.allowed(payment.refund())
        self.without(self._is_premium(user), "premium after the refund")
        payment.pay()
        self.without(self._is_premium(user), "premium after the first event has come again")

    @case
    def a_payment_twice(self) -> None:
        """Who pays for one month has two."""
        user = self._user("twice")
        payment = Payment.of(self, user.sub, "plan:month")
        self.allowed(payment.pay())
        once = self._premium(user).json["until"]
        self.allowed(payment.pay())
        twice = self._premium(user).json["until"]
        self.without(once != twice, f"{twice}, not {once}")

    @case
    def a_price_of_the_buyers_choice(self) -> None:
        """Who pays one cent has bought the film."""
        viewer = self._buyer.api(self.api())
        for body in ({"plan": "month", "price": 1}, {"plan": "month", "currency": "idr"}, {"plan": "free"}):
            self.refused(viewer.send("POST", "/premium/checkout", body), 400)
        for body in ({"plan": "month", "user": "other"}, {"plan": "month", "success_url": "https://attacker.example"}):
            self.refused(viewer.send("POST", "/premium/checkout", body), 400)

    @cached_property
    def _keys(self) -> dict[str, str]:
        """The shop's keys. They show that what is refused is refused for its time or content alone."""
        return keys(self)

    @cached_property
    def _buyer(self) -> User:
        return self._user("buyer")

    def _user(self, person: str) -> User:
        user = sign_in(self, person)
        self.without(self._is_premium(user), "premium without anything")
        return user

    @property
    def _url(self) -> str:
        return f"{self.api()}/payments/webhook"

    def _event(
        self,
        user: User | None = None,
        item: str = "plan:year",
        payment_status: str | None = "paid",
        metadata_stage: str | None = "own",
    ) -> bytes:
        """Return an event that says that the user, or the buyer, has paid."""
        buyer = user or self._buyer
        payment = Payment.of(self, buyer.sub, item)
        metadata = {"user": buyer.sub, "item": item, "title": self.name}
        if metadata_stage is not None:
            metadata["stage"] = self.stage if metadata_stage == "own" else metadata_stage
        session: dict[str, Any] = {"payment_intent": payment.id, "metadata": metadata}
        if payment_status is not None:
            session["payment_status"] = payment_status
        event = {"id": self.name, "created": _now(), "data": {"object": session}}
        return json.dumps(event | {"type": "checkout.session.completed"}).encode()

    def _sent(self, event: bytes, header: str | None) -> Answer:
        signed = {} if header is None else {"Stripe-Signature": header}
        return self.http.send("POST", self._url, event, {"Content-Type": "application/json", **signed})

    def _refuse(self, header: str | None) -> None:
        self.refused(self._sent(self._event(), header), 400)
        self._not_premium(self._buyer)

    def _not_premium(self, user: User) -> None:
        self.without(self._is_premium(user), "premium")

    def _is_premium(self, user: User) -> bool:
        return bool(self._premium(user).json["premium"])

    def _premium(self, user: User) -> Answer:
        return self.allowed(user.api(self.api()).get("/premium"))


def _now() -> int:
    return int(time.time())


def _signature(body: bytes, key: str, at: int | None = None) -> str:
    """Return the header of an event: https://docs.stripe.com/webhooks#verify-manually."""
    signed_at = _now() if at is None else at
    digest = hmac.new(key.encode(), f"{signed_at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={signed_at},v1={digest}"
