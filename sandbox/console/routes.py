"""The routes of an app's API, read from its contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
CALLERS = {"cognito": "a user who is signed in", "iam": "whoever signs with allowed AWS keys"}
"""By the name of a security scheme who may call a route."""


def of(app: str, apps: Mapping[str, Any], root: Path) -> dict[str, Any] | None:
    """Return ``{name, address, routes: [{method, path, summary, caller}]}`` of an app; None without a contract."""
    contract = root / app / "openapi.json"
    if app not in apps or not contract.exists():
        return None
    paths = json.loads(contract.read_text())["paths"]
    return {
        "name": app,
        "address": apps[app]["api"],
        "routes": [
            {
                "method": method.upper(),
                "path": path,
                "summary": operation.get("summary", ""),
                "caller": _caller(operation.get("security") or []),
            }
            for path, operations in paths.items()
            for method, operation in operations.items()
            if method in METHODS
        ],
    }


def _caller(security: list[dict[str, Any]]) -> str:
    names = [CALLERS.get(name, name) for each in security for name in each]
    return " or ".join(names) or "anyone"
