"""Adds demo todos: `python -m tools.seed` in the app's folder. sandbox/demo/seed.py says what it reads."""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

_TODOS: tuple[dict[str, Any], ...] = (
    {"title": "Read docs/caching.md", "notes": "Who may see stale data, and for how long?", "tags": ["chalice"]},
    {"title": "Upload a file to my own folder", "priority": "high", "tags": ["s3"]},
    {"title": "Change the nouns and deploy", "due": "2030-01-31", "priority": "low"},
)


def main() -> None:
    """Add the todos of the first demo user. Adding them again changes nothing."""
    given = json.load(sys.stdin)
    for number, todo in enumerate(_TODOS):
        headers = {
            "Authorization": given["users"][0]["id_token"],
            "Content-Type": "application/json",
            "Idempotency-Key": f"seed-{number}",
        }
        request = urllib.request.Request(f"{given['outputs']['api']}/todos", json.dumps(todo).encode(), headers)
        urllib.request.urlopen(request, timeout=30).close()


if __name__ == "__main__":
    main()
