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

    def is_due(self) -> bool:
        """Return whether something shown now would be seen, for what costs something to say."""
        return self._to.isatty() and time.monotonic() - self._shown > _EVERY

    def show(self, text: str) -> None:
        """Show *text*, if it is time to."""
        if self.is_due():
            self._shown = time.monotonic()
            print(f"\r\033[K{text}", end="", file=self._to, flush=True)

    def end(self) -> None:
        """Take the line away."""
        if self._to.isatty():
            print("\r\033[K", end="", file=self._to, flush=True)
