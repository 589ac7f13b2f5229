"""Webhooks: send each event, signed, to each endpoint that listens to its type, and retry until it is accepted.

https://docs.stripe.com/webhooks: any 2xx accepts an event, a redirect does not. Neither order nor uniqueness is
guaranteed. Each attempt has its own time and signature. The last retry comes after minutes here, after days at Stripe.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import Coroutine, Sequence
from contextvars import ContextVar
from typing import Any

import httpcore

from sandbox.payments.account import Document
from sandbox.payments.errors import missing
from sandbox.payments.parameters import EndpointChange, NewEndpoint

log = logging.getLogger(__name__)

RETRY_DELAYS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Seconds before each retry."""
TIMEOUT = 20
"""Seconds for an endpoint to respond."""

trace: ContextVar[str] = ContextVar("trace", default="")
"""The header X-Amzn-Trace-Id of webhooks that are sent from here. Stripe sends none: its webhooks begin a new trace."""


def sign(payload: bytes, secret: str, timestamp: int) -> str:
    """Return the Stripe-Signature of *payload*: https://docs.stripe.com/webhooks#verify-manually

    v1 is the signature. v0 is not: test events contain it so that a client which accepts any scheme fails.
    """
    signed = hmac.new(secret.encode(), b"%d." % timestamp + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={signed},v0={secrets.token_hex(32)}"


class Webhooks:
    """The endpoints of the account, and the deliveries in progress."""

    def __init__(self, delays: Sequence[float] = RETRY_DELAYS) -> None:
        self._delays = delays
        self._endpoints: dict[str, Document] = {}
        self._secrets: dict[str, str] = {}
        self._first_attempts: set[asyncio.Task[bool]] = set()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._pool = httpcore.AsyncConnectionPool()

    def register(self, parameters: NewEndpoint) -> Document:
        """Create an endpoint. Only this response has its ``secret``."""
        endpoint: Document = {
            "id": f"we_{secrets.token_hex(12)}",
            "object": "webhook_endpoint",
            "created": int(time.time()),
            "description": parameters.description,
            "enabled_events": parameters.enabled_events,
            "livemode": False,
            "status": "enabled",
            "url": parameters.url,
        }
        self._endpoints[endpoint["id"]] = endpoint
        self._secrets[endpoint["id"]] = f"whsec_{secrets.token_hex(16)}"
        return endpoint | {"secret": self._secrets[endpoint["id"]]}

    def endpoints(self) -> list[Document]:
        """Return all endpoints, the newest first."""
        return list(self._endpoints.values())[::-1]

    def endpoint(self, identifier: str) -> Document:
        """Return an endpoint. Raises ApiError."""
        if identifier not in self._endpoints:
            raise missing("webhook endpoint", identifier)
        return self._endpoints[identifier]

    def change(self, identifier: str, change: EndpointChange) -> Document:
        """Change an endpoint's address, its types of events, or whether it is enabled. Raises ApiError."""
        endpoint = self.endpoint(identifier)
        endpoint["url"] = change.url or endpoint["url"]
        endpoint["enabled_events"] = change.enabled_events or endpoint["enabled_events"]
        if change.disabled is not None:
            endpoint["status"] = "disabled" if change.disabled else "enabled"
        return endpoint

    def remove(self, identifier: str) -> Document:
        """Send nothing more to an endpoint. Raises ApiError."""
        del self._endpoints[self.endpoint(identifier)["id"]]
        return {"id": identifier, "object": "webhook_endpoint", "deleted": True}

    def send(self, event: Document) -> None:
        """Send *event* to every endpoint that listens to its type."""
        for endpoint in self._endpoints.values():
            if endpoint["status"] == "enabled" and {"*", event["type"]} & set(endpoint["enabled_events"]):
                self.send_to(endpoint, event)

    def send_to(self, endpoint: Document, event: Document) -> None:
        """Send *event* to one endpoint."""
        event["pending_webhooks"] += 1
        first = _held(self._first_attempts, self._attempt(endpoint, event))
        _held(self._deliveries, self._deliver(endpoint, event, first))

    async def first_attempts(self, timeout: float) -> None:
        """Return when every delivery has been tried once, or after *timeout* seconds."""
        if self._first_attempts:
            await asyncio.wait(self._first_attempts, timeout=timeout)

    async def close(self) -> None:
        """Cancel the deliveries in progress."""
        tasks = [*self._first_attempts, *self._deliveries]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pool.aclose()

    async def _deliver(self, endpoint: Document, event: Document, first: asyncio.Task[bool]) -> None:
        accepted = await first
        for delay in self._delays:
            if accepted:
                break
            await asyncio.sleep(delay)
            if self._endpoints.get(endpoint["id"], {}).get("status") != "enabled":
                return
            accepted = await self._attempt(endpoint, event)
        if accepted:
            event["pending_webhooks"] -= 1
        else:
            log.error("%s was not accepted by %s after %d tries", event["id"], endpoint["url"], len(self._delays) + 1)

    async def _attempt(self, endpoint: Document, event: Document) -> bool:
        payload = json.dumps(event, indent=2).encode()
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Stripe-Signature", sign(payload, self._secrets[endpoint["id"]], int(time.time()))),
            ("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
        ]
        if trace.get():
            headers.append(("X-Amzn-Trace-Id", trace.get()))
        timeout = dict.fromkeys(("connect", "read", "write"), TIMEOUT)
        try:
            answer = await self._pool.request(
                "POST", endpoint["url"], headers=headers, content=payload, extensions={"timeout": timeout}
            )
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            log.warning("%s (%s) got no response from %s: %r", event["id"], event["type"], endpoint["url"], error)
            return False
        if not 200 <= answer.status <= 299:
            log.warning("%s (%s) got status %d from %s", event["id"], event["type"], answer.status, endpoint["url"])
        return 200 <= answer.status <= 299


def _held[T](tasks: set[asyncio.Task[T]], work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task and hold it until it ends: the event loop holds only a weak reference."""
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task
