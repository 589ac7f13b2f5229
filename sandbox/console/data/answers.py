"""What the readers of data share: what a request asks for, why it is refused, and the form of an entry in a list."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

type Json = dict[str, Any]


class Refused(Exception):
    """The request cannot be answered. The message says why, and names the parameter."""


class Missing(Refused):
    """What the request asks for does not exist."""


def given(query: Mapping[str, str], name: str) -> str:
    """Return a parameter of the request. Raises Refused if it is missing or empty."""
    if not (value := query.get(name, "")):
        raise Refused(f"{name} is missing")
    return value


def field(name: str, type: str, text: str) -> Json:
    """Return a named value of an entry."""
    return {"name": name, "type": type, "text": text}


def decoded(name: str, data: bytes) -> Json:
    """Return *data* as a field: as JSON or text if it is one, otherwise in base64."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return field(name, f"binary, {len(data):,} bytes, in base64", base64.b64encode(data).decode())
    return readable(name, text)


def readable(name: str, text: str) -> Json:
    """Return *text* as a field, with line breaks and indents if it is a JSON object or array."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return field(name, "text", text)
    if not isinstance(value, dict | list):
        return field(name, "text", text)
    return field(name, "JSON", json.dumps(value, indent=2, ensure_ascii=False))


def sized(number: float) -> str:
    """Return a number of bytes in words, such as ``10.7 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" or number == int(number) else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
