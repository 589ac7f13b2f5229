"""The sandbox's own pages tell browsers what they may load, and that no other page may frame them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from sandbox.console import console
from sandbox.payments import provider
from sandbox.settings import Settings

CONSOLE: Any = console.site(Settings.from_environment(), {}, {})


@pytest.mark.parametrize(
    ("site", "path"),
    [
        (CONSOLE, "/"),
        (CONSOLE, "/services.html"),
        (CONSOLE, "/event_sources.html"),
        (CONSOLE, "/data/table.json"),
        (CONSOLE, "/apps.json"),
        (provider.site(), "/pay/x"),
    ],
)
def test_a_page_has_its_security_headers(site: Any, path: str) -> None:
    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://127.0.0.1") as client:
            return await client.get(path)

    headers = asyncio.run(get()).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))

    assert policy["frame-ancestors"] == policy["default-src"] == "'none'"
    assert policy.get("connect-src", "'self'") == "'self'"
    assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert headers["Referrer-Policy"] == "no-referrer"
