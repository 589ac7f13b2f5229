"""The trace header: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.

AWS: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

NAME = "x-amzn-trace-id"

_ROOT = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
_PARENT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Place:
    """Where in a trace something happens: in the segment *parent*, or at the beginning of the trace."""

    trace_id: str
    parent: str | None = None

    @property
    def header(self) -> str:
        """The header for what is called from here."""
        parent = f";Parent={self.parent}" if self.parent else ""
        return f"Root={self.trace_id}{parent};Sampled=1"


def parse(text: str) -> Place | None:
    """Return the place that a header names, or None if it names no trace."""
    parts = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    if not _ROOT.fullmatch(parts.get("Root", "")):
        return None
    parent = parts.get("Parent", "")
    return Place(parts["Root"], parent if _PARENT.fullmatch(parent) else None)


def new_trace_id() -> str:
    """Return the id of a new trace, which begins now."""
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def new_segment_id() -> str:
    """Return the id of a new segment: 16 hexadecimal digits."""
    return secrets.token_hex(8)
