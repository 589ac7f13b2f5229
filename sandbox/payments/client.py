"""The sandbox's own requests to the payment provider: register a webhook, list charges, refund."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sandbox.payments import API_KEY


@dataclass(frozen=True)
class Payments:
    """A client of the provider at ``url``."""

    url: str

    def register(self, webhook: str) -> str:
        """Send every event to the URL *webhook*, and return the secret that signs the events."""
        return str(self._request("/v1/webhook_endpoints", {"url": webhook, "enabled_events[]": "*"})["secret"])

    def charges(self) -> list[dict[str, Any]]:
        """Return the charges, the newest first."""
        newest: list[dict[str, Any]] = self._request("/v1/charges?limit=100")["data"]
        return newest

    def traces(self) -> dict[str, str]:
        """Return by payment the id of the trace that its checkout was created in."""
        found: dict[str, str] = self._request("/sandbox/traces")
        return found

    def refund(self, payment_intent: str) -> None:
        """Refund a payment in full. Raises urllib.error.HTTPError if the provider refuses."""
        self._request("/v1/refunds", {"payment_intent": payment_intent})

    def _request(self, path: str, form: dict[str, str] | None = None) -> Any:
        body = urlencode(form).encode() if form else None
        request = urllib.request.Request(self.url + path, body, {"Authorization": f"Bearer {API_KEY}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
