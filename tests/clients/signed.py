"""Signature Version 4 for the generated Python clients, which take any `httpx.Auth`."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class Signed(httpx.Auth):
    """Signs requests to API Gateway with an access key, written ``id:secret``."""

    requires_request_body = True

    def __init__(self, key: str) -> None:
        self._key = Credentials(*key.split(":", 1))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        signed = AWSRequest(request.method, str(request.url), data=request.content)
        SigV4Auth(self._key, "execute-api", "us-east-1").add_auth(signed)
        request.headers.update(dict(signed.headers))
        yield request
