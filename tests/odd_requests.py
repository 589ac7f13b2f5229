"""Requests with an oversized or odd value in one place, for every operation of an app. None is a server error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

ROOT = Path(__file__).parent.parent

VALUES = [
    "x" * 1500,
    "é" * 600,
    "\N{GRINNING FACE}" * 190,
    "9" * 400,
    "-1",
    "1e400",
    "\x00",
    "a\r\nb",
    "../../x",
    "#{}[]<>'\"",
    "null",
    "0001-01-01",
    "AAAA",
]
ENCODED = [*map(quote, VALUES), "%ff%fe", "%25", "%2F", "%C0%AF", "%ED%A0%80"]
"""The last ones are not UTF-8: RFC 3629."""

HEADERS = ["X-Correlation-Id", "X-Forwarded-For"]
"""Those of every operation that its contract does not name."""

HEADER_VALUES = ["x" * 2000, '"1"' + ', "1"' * 150, '"' + "9" * 400 + '"', '"', "W/", ",,,", "a\tb", "*, *"]
BODIES: dict[str, dict[str, Any]] = {
    "POST /todos": {"title": "x"},
    "PATCH /todos/{todo_id}": {"title": "x"},
    "PUT /posts/{slug}": {"title": "x", "body_markdown": "x"},
}
"""Good bodies, so that the conditions and keys in the headers are read. The other operations refuse an empty body."""

ID = "0190b6c2-0000-7000-8000-000000000001"


class OddRequest(NamedTuple):
    """A request whose path has its query. ``operation`` is its path in the contract; no authorizer is ``""``."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    operation: str
    authorizer: str


def odd_requests(app: str) -> Iterator[OddRequest]:
    """Yield the requests for every operation in the contract of *app*."""
    document = json.loads((ROOT / app / "openapi.json").read_text())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            authorizer = next((name for each in operation["security"] for name in each), "")
            for odd in _odd_requests(path, operation["parameters"]):
                body = BODIES.get(f"{method.upper()} {path}", {})
                yield OddRequest(method.upper(), *odd, body, path, authorizer)


def _odd_requests(path: str, parameters: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    named = {
        place: [each["name"] for each in parameters if each["in"] == place] for place in ("path", "query", "header")
    }
    usual = re.sub(r"{\w+}", ID, path)
    if named["path"]:
        for value in ENCODED:
            yield re.sub(r"{\w+}", lambda _, value=value: value, path), {}
    for name in [*named["query"], "x" * 300]:
        for value in [*ENCODED, ""]:
            yield f"{usual}?{name}={value}", {}
    for name in [*named["header"], *HEADERS]:
        for value in HEADER_VALUES:
            yield usual, {name: value}
