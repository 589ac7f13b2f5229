"""The control calls, which no AWS service has: those of localaws at `/_localaws/`, and those of ministack.

They need the secret of the root key: `Authorization: Bearer SECRET`. No web page knows it, and no browser adds it. The
module of a call of localaws registers it in `CALLS`.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from ministack import app
from starlette.types import ASGIApp, Receive, Scope, Send

from localaws.iam import root_key

PREFIX = "/_localaws/"
PREFIXES = (PREFIX, "/_ministack/", "/_localstack/")

OPEN = (
    "/_ministack/health",  # whether it answers
    "/_localstack/health",
    "/_ministack/iot/ca.pem",  # a public certificate
    "/_ministack/cfn-response/",  # each has a secret of its own in its path or query, as the link of AWS has
    "/_ministack/cfn-signal/",
    "/_localaws/ses/verify",
)
"""How the paths begin that need no key."""

SIGNED = ("/_ministack/lambda-code/", "/_ministack/lambda-layers/")
"""How the paths begin that `link` signs."""

LIFETIME = 600
"""Seconds for which a link works, as those of GetFunction and GetLayerVersion on AWS."""

type Response = tuple[int, dict[str, str], bytes]
type Query = Mapping[str, list[str]]


@dataclass(frozen=True)
class Request:
    """A control call: the parameters of its query, each with its values, and its body."""

    query: Query
    body: bytes


type Calls = dict[tuple[str, str], Callable[[Request], Response | Awaitable[Response]]]

CALLS: Calls = {}
"""By method and path (after the prefix) the function that answers a call."""


def answer(status: int, body: dict[str, Any]) -> Response:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


def link(path: str) -> str:
    """Return *path* with a query that lets anybody read it for LIFETIME."""
    expires = str(int(time.time()) + LIFETIME)
    return f"{path}?Expires={expires}&Signature={_signature(path, expires)}"


def _signature(path: str, expires: str) -> str:
    return hmac.new(root_key.secret_access_key().encode(), f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()


def is_linked(path: str, query: Query) -> bool:
    """Return whether the query is that of a link to *path*."""
    expires, signature = (query.get(name, [""])[0] for name in ("Expires", "Signature"))
    is_ours = hmac.compare_digest(signature.encode(), _signature(path, expires).encode())
    return is_ours and time.time() < int(expires)


class ControlCalls:
    """The emulator *emulator*, whose control calls need the secret of the root key."""

    def __init__(self, emulator: ASGIApp) -> None:
        self._emulator = emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIXES) or _is_allowed(scope):
            await self._emulator(scope, receive, send)
            return
        message = "A control call needs the secret of the root key: Authorization: Bearer $AWS_SECRET_ACCESS_KEY"
        await app._send_response(send, *answer(403, {"message": message}))


def _is_allowed(scope: Scope) -> bool:
    path = scope["path"]
    if path.startswith(OPEN):
        return True
    if path.startswith(SIGNED) and is_linked(path, parse_qs(scope["query_string"].decode("latin-1"))):
        return True
    given = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), b"")
    return hmac.compare_digest(given, f"Bearer {root_key.secret_access_key()}".encode())


async def _answered(response: Response | Awaitable[Response]) -> Response:
    return await response if inspect.isawaitable(response) else response


def install() -> None:
    """Let the emulator answer the calls of localaws, and check the key of all."""
    handle = app._handle_post_body_shortcuts

    async def handle_control_call(
        method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str
    ) -> Any:
        if not path.startswith(PREFIX):
            return await handle(method, path, headers, body, query, request_id)
        call = method, path.removeprefix(PREFIX)
        if call not in CALLS:
            return answer(404, {"message": f"localaws has no call {method} {path}"})
        return await _answered(CALLS[call](Request(query, body)))

    app._handle_post_body_shortcuts = handle_control_call
    app.app = ControlCalls(app.app)
