"""The progress of a start: the stage's process prints it to its log, and `make up` shows it while it waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = "start: "
"""How the lines of the progress begin in the log, which has other lines, too."""

_FAILED = "start failed: "
"""How the line begins that says why a start failed."""


class Progress:
    """The steps of a start, of which there are *steps*."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Print how long the block took, and how many steps are done."""
        began = time.monotonic()
        yield
        self._done += 1
        self.line(f"{self._done} of {self._steps}  {name}  {time.monotonic() - began:.1f} s")

    @staticmethod
    def line(text: str) -> None:
        """Print a line of the progress."""
        print(f"{_MARK}{text}", flush=True)

    @staticmethod
    def fail(reason: str) -> None:
        """Print why the start failed, and what to do."""
        print(f"{_FAILED}{reason}", flush=True)

    def release(self, line: str) -> None:
        """Print what a release reports, without the names of the steps that begin."""
        if " " in line.partition(": ")[2]:
            self.line(f"        {line}")


class Shown:
    """Shows the progress in the file *log* on standard output, each line once."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0
        self.failure = ""
        """Why the start failed, if it has said so."""

    def show(self) -> None:
        """Print the lines that are new."""
        if not self._log.exists():
            return
        with self._log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        complete = new[: new.rfind(b"\n") + 1]
        self._read += len(complete)
        for line in complete.decode(errors="replace").splitlines():
            if line.startswith(_MARK):
                print(line.removeprefix(_MARK), flush=True)
            elif line.startswith(_FAILED):
                self.failure = line.removeprefix(_FAILED)
