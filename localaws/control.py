"""The control calls of localaws, which no AWS service has: their paths begin with `/_localaws/`.

The module of a call registers it in `CALLS`, or in `SIGNED_CALLS` if it must be signed with the root key.
"""

import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.router import extract_access_key_id

PREFIX = "/_localaws/"

type Response = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Request:
    """A control call: the parameters of its query, each with its values, and its body."""

    query: dict[str, list[str]]
    body: bytes


type Calls = dict[tuple[str, str], Callable[[Request], Response | Awaitable[Response]]]

CALLS: Calls = {}
"""By method and path (after the prefix) the function that answers a call."""

SIGNED_CALLS: Calls = {}
"""The same for calls that must be signed with the root key."""


def answer(status: int, body: dict[str, Any]) -> Response:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


def is_signed_by_root(headers: Any, query: Any) -> bool:
    key = extract_access_key_id(headers, query)
    return bool(key) and iam_evaluator.is_root_access_key(key) and iam_evaluator.check_credentials(key) is None


async def _answered(response: Response | Awaitable[Response]) -> Response:
    return await response if inspect.isawaitable(response) else response


def install() -> None:
    """Let the emulator answer the calls."""
    handle = app._handle_post_body_shortcuts

    async def handle_control_call(
        method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str
    ) -> Any:
        if not path.startswith(PREFIX):
            return await handle(method, path, headers, body, query, request_id)
        call, request = (method, path.removeprefix(PREFIX)), Request(query, body)
        if call in CALLS:
            return await _answered(CALLS[call](request))
        if call not in SIGNED_CALLS:
            return answer(404, {"message": f"localaws has no call {method} {path}"})
        if not is_signed_by_root(headers, query):
            return answer(403, {"message": "Sign this call with the root key."})
        return await _answered(SIGNED_CALLS[call](request))

    app._handle_post_body_shortcuts = handle_control_call
