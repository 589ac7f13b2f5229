"""A progress line on a terminal, which each new text replaces. Shows nothing if the output is not a terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_INTERVAL = 0.5
"""Seconds between two updates."""


class Progress:
    """A line in *to*, if that is a terminal."""

    def __init__(self, to: TextIO = sys.stderr) -> None:
        self._to = to
        self._shown_at = 0.0

    def is_due(self) -> bool:
        """Return whether `show` would show anything now. Check this first if the text is expensive to make."""
        return self._to.isatty() and time.monotonic() - self._shown_at > _INTERVAL

    def show(self, text: str) -> None:
        """Show *text*, unless the last update was just now."""
        if self.is_due():
            self._shown_at = time.monotonic()
            print(f"\r\033[K{text}", end="", file=self._to, flush=True)

    def end(self) -> None:
        """Remove the line."""
        if self._to.isatty():
            print("\r\033[K", end="", file=self._to, flush=True)
