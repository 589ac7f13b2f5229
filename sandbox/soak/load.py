"""What locust measured: how many requests there were and failed, and how long their answers took."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HISTORY = "load_stats_history.csv"
"""The file in which locust writes lines each second. https://docs.locust.io/en/stable/retrieving-stats.html"""


@dataclass(frozen=True)
class Second:
    """The counts since the beginning, *at* seconds since 1970, and the milliseconds of the newest answers.

    Half of the answers took at most *median*, and 95 of 100 at most *slow*.
    """

    at: float
    requests: int
    failures: int
    median: float
    slow: float


def read(file: Path) -> list[Second]:
    """Return the lines of a history."""
    with file.open() as lines:
        return list(_seconds(csv.DictReader(lines)))


def _seconds(rows: csv.DictReader[str]) -> Iterator[Second]:
    for row in rows:
        if row["Name"] == "Aggregated" and None not in row.values():  # the last line may be cut off
            yield Second(
                float(row["Timestamp"]),
                int(row["Total Request Count"]),
                int(row["Total Failure Count"]),
                _milliseconds(row["50%"]),
                _milliseconds(row["95%"]),
            )


def _milliseconds(text: str) -> float:
    """Return a time; 0 while there is no answer."""
    return 0 if text == "N/A" else float(text)
