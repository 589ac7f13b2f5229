"""What the sandbox itself asks the provider: where the shop's webhook is, what was paid, and to give it back."""

from __future__ import annotations

import json
import urllib.request
from typing import Any
from urllib.parse import urlencode

from sandbox import settings as place
from sandbox.payments import API_KEY


def register(webhook: str) -> str:
    """Have every event sent to the URL *webhook*, and return the secret that they are signed with."""
    return str(_ask("/v1/webhook_endpoints", {"url": webhook, "enabled_events[]": "*"})["secret"])


def charges() -> list[dict[str, Any]]:
    """Return the charges, the newest first."""
    newest: list[dict[str, Any]] = _ask("/v1/charges?limit=100")["data"]
    return newest


def refund(payment_intent: str) -> None:
    """Give back a payment whole. Raises urllib.error.HTTPError when the provider refuses."""
    _ask("/v1/refunds", {"payment_intent": payment_intent})


def _ask(path: str, form: dict[str, str] | None = None) -> Any:
    body = urlencode(form).encode() if form else None
    request = urllib.request.Request(place.url("payments") + path, body, {"Authorization": f"Bearer {API_KEY}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
