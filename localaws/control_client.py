"""A client of the control calls: `localaws/control.py`."""

from __future__ import annotations

import os
import urllib.request


def call(url: str, body: bytes | None = None, timeout: float = 30) -> bytes:
    """Send a GET, or a POST with a *body*, with the root key of this environment; return the body of the answer.

    Raises OSError, as without the root key.
    """
    headers = {"Authorization": f"Bearer {os.environ.get('AWS_SECRET_ACCESS_KEY', '')}"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=timeout) as answer:
        content: bytes = answer.read()
    return content
