"""Signature Version 4 for the generated Python clients, which take any `httpx.Auth`."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from botocore.credentials import Credentials

from common import sigv4


class Signed(httpx.Auth):
    """Signs requests to API Gateway with an access key, written ``id:secret``."""

    requires_request_body = True

    def __init__(self, key: str) -> None:
        self._key = Credentials(*key.split(":", 1))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        signed = sigv4.sign(self._key, "us-east-1", request.method, str(request.url), body=request.content)
        request.headers.update(signed)
        yield request
