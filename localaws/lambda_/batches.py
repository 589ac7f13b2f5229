"""The rules of a batch: its size, and what to deliver after an invocation.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
Lambda retries a failed batch from its first failed record. That is the first record of the batch, unless the function
reported another one. It stops when the retries are exhausted or the records are too old. With
BisectBatchOnFunctionError, Lambda splits the batch at the reported record or in half; a split uses no retry.
AWS does not document two cases. Here, a report of the first record also splits the batch in half, and a report of a
later record uses a retry if bisecting is off.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from localaws.lambda_.journal import Fate, FunctionError
from localaws.lambda_.mappings import EventSourceMapping

PAYLOAD_LIMIT = 6 * 1024 * 1024
EXHAUSTED, EXPIRED = "RetryAttemptsExhausted", "RecordAgeExceeded"
"""The conditions that end the retries of a batch."""


@dataclass(frozen=True)
class EventRecord:
    """A record or message as the function receives it.

    *identifier* is its `itemIdentifier` in a partial batch response. Records with the same *key* stay in order.
    *arrived* is in epoch seconds, *size* in bytes of JSON.
    """

    identifier: str
    key: str
    arrived: float
    event: dict[str, Any]
    size: int


@dataclass(frozen=True)
class Outcome:
    """The result of an invocation, which took *seconds*. *invoked* is False if Lambda rejected the request."""

    invoked: bool
    failed: frozenset[str] = frozenset()
    function_error: str | None = None
    executed_version: str = "$LATEST"
    request_id: str = ""
    error: FunctionError | None = None
    seconds: float = 0


@dataclass(frozen=True)
class Batch:
    """Records that are delivered together, with the counts so far and the outcome of the last invocation."""

    records: tuple[EventRecord, ...]
    retries: int = 0
    invocations: int = 0
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Discarded:
    """A batch that is no longer retried, and the condition that ended the retries."""

    batch: Batch
    condition: str


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off between retries, in seconds. AWS does not document its own values, which are longer."""

    initial: float = 0.25
    maximum: float = 10

    def after(self, failures: int) -> float:
        """Return the seconds to wait after *failures* consecutive failures."""
        return min(self.initial * 2.0 ** min(failures - 1, 16), self.maximum)


def next_batch(records: Collection[EventRecord], batch_size: int) -> tuple[tuple[EventRecord, ...], bool]:
    """Return the records of the next batch, and whether the batch is full by count or by payload size."""
    batch: list[EventRecord] = []
    size = 0
    for record in islice(records, batch_size):
        size += record.size
        if batch and size > PAYLOAD_LIMIT:
            return tuple(batch), True
        batch.append(record)
    return tuple(batch), len(batch) == batch_size


def without_expired(batch: Batch, maximum_age: int, now: float) -> tuple[Batch, Discarded | None]:
    """Split off the records that are older than *maximum_age* seconds; they are discarded."""
    young = tuple(record for record in batch.records if now - record.arrived <= maximum_age)
    expired = tuple(record for record in batch.records if now - record.arrived > maximum_age)
    return replace(batch, records=young), Discarded(replace(batch, records=expired), EXPIRED) if expired else None


def next_batches(batch: Batch, outcome: Outcome, mapping: EventSourceMapping) -> tuple[list[Batch], Discarded | None]:
    """Return the batches to deliver after an invocation with *batch*, in order, and the batch to discard, if any."""
    if not outcome.invoked:
        return [batch], None
    if not outcome.failed:
        return [], None
    first = next(i for i, record in enumerate(batch.records) if record.identifier in outcome.failed)
    rest = Batch(batch.records[first:], batch.retries, batch.invocations + 1, outcome)
    if mapping.bisects and len(batch.records) > 1:
        return ([rest] if first else bisect(rest)), None
    return retry(rest, mapping)


def fate(batch: Batch, outcome: Outcome, remaining: Sequence[Batch]) -> Fate:
    """Return what follows an invocation with *batch*, of which *remaining* is to deliver again."""
    if not outcome.invoked:
        return Fate("throttled")
    if not outcome.failed:
        return Fate("succeeded")
    sizes = tuple(len(part.records) for part in remaining)
    if len(sizes) > 1:
        return Fate("bisected", sizes)
    if sum(sizes) < len(batch.records):
        return Fate("partial", (len(batch.records) - sum(sizes), *sizes))
    return Fate("retried")


def bisect(batch: Batch) -> list[Batch]:
    """Split the batch in half."""
    middle = len(batch.records) // 2
    return [replace(batch, records=batch.records[:middle]), replace(batch, records=batch.records[middle:])]


def retry(batch: Batch, mapping: EventSourceMapping) -> tuple[list[Batch], Discarded | None]:
    """Return the batch to retry, or to discard if its retries are exhausted."""
    if mapping.maximum_retries == -1 or batch.retries < mapping.maximum_retries:
        return [replace(batch, retries=batch.retries + 1)], None
    return [], Discarded(batch, EXHAUSTED)


def reported_failures(response: bytes, identifiers: Sequence[str]) -> frozenset[str]:
    """Return the identifiers that the function reports as failed.

    An empty response reports none. A malformed response, or an unknown identifier, fails all records.
    """
    everything = frozenset(identifiers)
    try:
        answer = json.loads(response or "null") or {}
        failures = answer.get("batchItemFailures") or []
        failed = frozenset(failure["itemIdentifier"] for failure in failures)
    except (ValueError, AttributeError, TypeError, KeyError):
        return everything
    return failed if failed <= everything else everything
