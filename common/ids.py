"""Ids of new things."""

import secrets
import time
import uuid


def new_id() -> str:
    """Return a UUIDv7, which sorts by time (RFC 9562, section 5.7; `uuid.uuid7` from Python 3.14 on)."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | secrets.randbits(80)
    return str(uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | (0x7 << 76) | (0x2 << 62)))
