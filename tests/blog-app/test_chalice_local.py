"""`chalice local` reads what API Gateway reads."""

from __future__ import annotations

from collections.abc import Callable

import chalice_local
import httpx


def test_a_body_in_chunks_is_read_and_the_connection_stays_usable(free_port: Callable[[], int]) -> None:
    with chalice_local.running("blog-app", "local", free_port(), {}) as url, httpx.Client(base_url=url) as api:
        for _ in range(2):
            chunks = iter([b'{"ema', b'il": "not an', b' address"}'])
            refused = api.post("/subscribers", content=chunks, headers={"Content-Type": "application/json"})

            assert (refused.status_code, refused.json()["Code"]) == (400, "InvalidInput")
            assert "email" in refused.json()["Message"]
            assert "JSON" not in refused.json()["Message"]
