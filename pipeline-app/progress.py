"""A line on the terminal that is written over and over; nothing where nobody looks."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_EVERY = 0.5
"""Seconds; more often is only flicker."""


class Progress:
    """A line in *to*, if that is a terminal."""

    def __init__(self, to: TextIO = sys.stderr) -> None:
        self._to = to
        self._shown = 0.0

    def show(self, text: str) -> None:
        """Show *text*, if it is time to."""
        now = time.monotonic()
        if self._to.isatty() and now - self._shown > _EVERY:
            self._shown = now
            print(f"\r\033[K{text}", end="", file=self._to, flush=True)

    def end(self) -> None:
        """Take the line away."""
        if self._to.isatty():
            print("\r\033[K", end="", file=self._to, flush=True)
