"""Pages of lists, with opaque cursors."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import msgspec

from common.errors import InvalidInput


class Page[T](msgspec.Struct):
    """One page of a list, and the cursor of the next page or None."""

    items: Sequence[T]
    cursor: str | None


def cursor(position: str) -> str:
    """Return the opaque cursor for *position*, the key of a page's last item."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def number(text: str) -> int:
    """Return the whole number in the position of a cursor. Raises InvalidInput for any other text."""
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise InvalidInput("cursor: not one that this API gave")
    return int(text)


def position(cursor: str) -> str:
    """Return the position in an opaque *cursor*. Raises InvalidInput when it is not a cursor of this API."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("cursor: not one that this API gave") from error
