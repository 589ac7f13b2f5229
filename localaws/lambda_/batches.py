"""What becomes of a batch: how large it is, and what follows its delivery.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
A failed batch is tried again from its first failed record on, which is its first unless the function reported
another, until the retries are used up or the records are too old. Bisected instead, it is cut at the reported
record or in half, which uses no retry. That a report of the first record halves the batch too, and that one of a
later record uses a retry when nothing is bisected, is how we read what AWS leaves open.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from localaws.lambda_.mappings import Mapping

PAYLOAD_LIMIT = 6 * 1024 * 1024


@dataclass(frozen=True)
class Record:
    """A record or message as its function gets it, with its identifier in reports of failures."""

    identifier: str
    key: str
    arrived: float
    event: dict[str, Any]
    size: int


@dataclass(frozen=True)
class Outcome:
    """What came of an invocation; one that Lambda refused was none."""

    invoked: bool
    failed: frozenset[str] = frozenset()
    function_error: str | None = None
    executed_version: str = "$LATEST"


@dataclass(frozen=True)
class Batch:
    """Records delivered together, with what it took so far and what came of it last."""

    records: tuple[Record, ...]
    retries: int = 0
    invocations: int = 0
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Discarded:
    """Records given up, and why."""

    batch: Batch
    condition: str


@dataclass(frozen=True)
class Backoff:
    """Seconds to wait after so many failures in a row; AWS does not say its own, which are longer."""

    first: float = 0.25
    most: float = 10

    def after(self, failures: int) -> float:
        """Return the wait after the latest of *failures*."""
        return min(self.first * 2.0 ** min(failures - 1, 16), self.most)


def next_batch(records: Collection[Record], batch_size: int) -> tuple[tuple[Record, ...], bool]:
    """Return what of the waiting records goes into one batch, and whether it is full."""
    batch: list[Record] = []
    size = 0
    for record in islice(records, batch_size):
        size += record.size
        if batch and size > PAYLOAD_LIMIT:
            return tuple(batch), True
        batch.append(record)
    return tuple(batch), len(batch) == batch_size


def without_aged(batch: Batch, maximum_age: int, now: float) -> tuple[Batch, Discarded | None]:
    """Return what of the batch is still young enough to deliver, and what is not."""
    young = tuple(record for record in batch.records if now - record.arrived <= maximum_age)
    aged = tuple(record for record in batch.records if now - record.arrived > maximum_age)
    return replace(batch, records=young), Discarded(replace(batch, records=aged), "RecordAgeExceeded") if aged else None


def following(batch: Batch, outcome: Outcome, mapping: Mapping) -> tuple[list[Batch], Discarded | None]:
    """Return the batches to deliver next after an invocation with this one, in order, and what is given up."""
    if not outcome.invoked:
        return [batch], None
    if not outcome.failed:
        return [], None
    first = next(i for i, record in enumerate(batch.records) if record.identifier in outcome.failed)
    rest = Batch(batch.records[first:], batch.retries, batch.invocations + 1, outcome)
    if mapping.bisects and len(batch.records) > 1:
        return ([rest] if first else halves(rest)), None
    return retry(rest, mapping)


def halves(batch: Batch) -> list[Batch]:
    """Return the batch as two."""
    middle = len(batch.records) // 2
    return [replace(batch, records=batch.records[:middle]), replace(batch, records=batch.records[middle:])]


def retry(batch: Batch, mapping: Mapping) -> tuple[list[Batch], Discarded | None]:
    """Return the batch to try again, or to give up when its retries are used up."""
    if mapping.maximum_retries == -1 or batch.retries < mapping.maximum_retries:
        return [replace(batch, retries=batch.retries + 1)], None
    return [], Discarded(batch, "RetryAttemptsExhausted")


def reported_failures(response: bytes, identifiers: Sequence[str]) -> frozenset[str]:
    """Return which records the function says have failed: all of them if it is not understood, none if it is silent."""
    everything = frozenset(identifiers)
    try:
        answer = json.loads(response or "null") or {}
        failures = answer.get("batchItemFailures") or []
        failed = frozenset(failure["itemIdentifier"] for failure in failures)
    except (ValueError, AttributeError, TypeError, KeyError):
        return everything
    return failed if failed <= everything else everything
