"""Gap: the endpoint has no edge for the domains of distributions, which `s3_origins.py` explains.

With this module, it answers a request with the Host `<label>.cloudfront.net` as `edge.py` does.
AWS: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HowCloudFrontWorks.html
No longer needed when the second request for an object, with the Host of its distribution, is a hit with its `Age`.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from ministack import app
from ministack.services import cloudfront
from starlette.types import ASGIApp, Receive, Scope, Send

from localaws.cloudfront.s3_origins import ORIGIN
from localaws.iam import root_key

if TYPE_CHECKING:
    from localaws.cloudfront.edge import Edge

REFRESH_INTERVAL = 0.5
"""Seconds between two reads of the configuration, while requests come."""


class Viewers:
    """The edges of all distributions, each made when its first request comes, in front of *others*."""

    def __init__(self, others: ASGIApp) -> None:
        self._others = others
        self._edges: dict[str, Edge] = {}
        self._refreshed_at: dict[str, float] = {}
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        label = app._parse_cloudfront_dataplane_host(_host(scope)) if scope["type"] == "http" else None
        distribution = label and cloudfront.find_distribution_for_label(label)
        if distribution:
            headers = [(name.lower(), value) for name, value in scope["headers"]]
            if ORIGIN.encode() not in dict(headers):  # the request of an edge for its origin
                edge = await self._edge(distribution["Id"])
                await edge({**scope, "headers": headers}, receive, send)
                return
        await self._others(scope, receive, send)

    async def _edge(self, identifier: str) -> Edge:
        async with self._lock:
            if identifier not in self._edges:
                self._edges[identifier] = await asyncio.to_thread(_new_edge, identifier)
            elif time.monotonic() - self._refreshed_at[identifier] >= REFRESH_INTERVAL:
                await self._edges[identifier].refresh()
            self._refreshed_at[identifier] = time.monotonic()
            return self._edges[identifier]


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"), "")


def _new_edge(identifier: str) -> Edge:
    from localaws.cloudfront.edge import edge  # it takes a while, and most tests need no edge

    endpoint = f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '4566')}"
    key = {"aws_access_key_id": root_key.access_key_id(), "aws_secret_access_key": root_key.secret_access_key()}
    return edge(identifier, endpoint=endpoint, credentials=key)


def apply() -> None:
    app.app = Viewers(app.app)
