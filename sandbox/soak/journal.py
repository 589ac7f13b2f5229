"""The journal of the clients of a soak test: what each asked for, and what it was told.

A client writes before it sends, so an operation without an outcome may have happened or not.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any


class Outcome(StrEnum):
    """What a client knows of an operation."""

    ACKNOWLEDGED = "acknowledged"
    """It happened: the client was told so."""
    REFUSED = "refused"
    """It did not happen: every attempt was refused."""
    UNKNOWN = "unknown"
    """It may have happened: the answer to an attempt did not come, or was a 5xx, and no later one was a success."""
    BROKEN = "broken"
    """The client was told that it happened, and got something else."""


@dataclass(frozen=True)
class Operation:
    """The action *what*, such as ``add todo``, on a *subject* of its own, with *count* effects.

    *began* and *ended* are seconds since 1970; *ended* is None if the client was ended before it knew.
    """

    id: str
    what: str
    subject: str
    count: int
    began: float
    ended: float | None = None
    outcome: Outcome = Outcome.UNKNOWN
    attempts: int = 0


class Journal:
    """The journal in *file*, to which one process appends."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", buffering=1)  # each line is written at once

    def begin(self, what: str, subject: str, count: int = 1) -> Operation:
        """Write that an operation begins."""
        operation = Operation(uuid.uuid4().hex, what, subject, count, time.time())
        self._write(
            id=operation.id,
            began=operation.began,
            what=operation.what,
            subject=operation.subject,
            count=operation.count,
        )
        return operation

    def end(self, operation: Operation, outcome: Outcome, attempts: int = 1) -> None:
        """Write what the client was told in the end, after so many attempts."""
        self._write(id=operation.id, ended=time.time(), outcome=outcome, attempts=attempts)

    def _write(self, **line: Any) -> None:
        self._file.write(json.dumps(line) + "\n")


def read(file: Path) -> list[Operation]:
    """Return the operations in the order in which they began. A last line that was cut off is left out."""
    operations: dict[str, Operation] = {}
    for line in _lines(file):
        if "began" in line:
            operations[line["id"]] = Operation(**line)
        else:
            operations[line["id"]] = replace(
                operations[line["id"]],
                ended=line["ended"],
                outcome=Outcome(line["outcome"]),
                attempts=line["attempts"],
            )
    return list(operations.values())


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    for text in file.read_text().splitlines(keepends=True):
        if text.endswith("\n"):
            yield json.loads(text)
