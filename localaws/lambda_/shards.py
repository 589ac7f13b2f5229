"""The consumer of a stream: one reader for each shard, and one lane for each concurrent batch of a shard.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
ParallelizationFactor sets the number of lanes. A lane delivers its batches one after another, and all records of a
partition key go to the same lane. So the records of a key stay in order, and a slow or failing lane delays no other
lane, shard or mapping.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from threading import Condition, Event
from uuid import uuid4
from zlib import crc32

from botocore.exceptions import ClientError

from localaws.lambda_ import destinations
from localaws.lambda_.batches import (
    Backoff,
    Batch,
    Discarded,
    EventRecord,
    Outcome,
    fate,
    next_batch,
    next_batches,
    without_expired,
)
from localaws.lambda_.clients import Clients
from localaws.lambda_.consumers import AwsError, Consumer
from localaws.lambda_.journal import Fate, Journal
from localaws.lambda_.mappings import EventSourceMapping
from localaws.lambda_.streams import stream_reader

log = logging.getLogger(__name__)

MAX_WAITING_RECORDS = 10_000  # in each shard; reading pauses at this number
RESHARDING_INTERVAL = 30  # seconds between checks for new shards; the end of a shard is a reason to check at once
PAUSE = 0.2  # seconds between reads if the emulator does not support long polling

Lane = deque[EventRecord]


class StreamConsumer(Consumer):
    """A reader for every shard of a stream. A child shard is read after its parents are finished."""

    def __init__(self, mapping: EventSourceMapping, clients: Clients, backoff: Backoff, journal: Journal) -> None:
        super().__init__(mapping, clients, backoff, journal)
        self.reader = stream_reader(mapping, clients)
        self.resharded = Event()
        self._shards: dict[str, Shard] = {}

    def start(self) -> None:
        self.spawn(self._find_shards)

    def stop(self) -> None:
        super().stop()
        self.resharded.set()
        for shard in list(self._shards.values()):
            shard.wake()

    def _find_shards(self) -> None:
        while self.wait_until_enabled():
            self.resharded.clear()
            try:
                listed = self.reader.shards()
            except AwsError as error:
                log.warning("cannot list the shards of %s: %s", self.mapping.source_arn, error)
                self.stopped.wait(1)
                continue
            known = listed.keys() | self._shards.keys()
            for shard_id, parents in listed.items():
                if shard_id not in self._shards and all(self._is_finished(parent) for parent in parents & known):
                    self._shards[shard_id] = Shard(self, shard_id)
            self.resharded.wait(RESHARDING_INTERVAL)

    def _is_finished(self, shard_id: str) -> bool:
        return shard_id in self._shards and self._shards[shard_id].finished


class Shard:
    """The reader and the lanes of one shard."""

    def __init__(self, consumer: StreamConsumer, shard_id: str) -> None:
        self.id, self.consumer = shard_id, consumer
        self.finished = False
        self._lanes: list[Lane] = []
        self._changed = Condition()
        self._last_read: str | None = None
        consumer.spawn(self._read)

    def wake(self) -> None:
        """Wake all waiting threads."""
        with self._changed:
            self._changed.notify_all()

    def _read(self) -> None:
        iterator: str | None = None
        while self.consumer.wait_until_enabled():
            started = time.monotonic()
            try:
                iterator = iterator or self.consumer.reader.iterator(self.id, self._last_read)
                records, iterator = self.consumer.reader.read(self.id, iterator)
            except AwsError as error:
                if self._is_deleted(error):
                    break
                iterator = None
                continue
            self._distribute(records)
            if iterator is None:
                break
            if not records and time.monotonic() - started < PAUSE:
                self.consumer.stopped.wait(PAUSE)
        self._finish()

    def _is_deleted(self, error: Exception) -> bool:
        """Return whether the shard no longer exists, after a failed read. Other errors are retried."""
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code == "TrimmedDataAccessException":
            self._last_read = None
        if code != "ExpiredIteratorException":
            log.warning("cannot read %s of %s: %s", self.id, self.consumer.mapping.source_arn, error)
            self.consumer.stopped.wait(1)
        try:
            return code == "ResourceNotFoundException" and self.id not in self.consumer.reader.shards()
        except AwsError:
            return False

    def _distribute(self, records: list[EventRecord]) -> None:
        """Put the records into the lanes, and wait while too many are waiting."""
        mapping = self.consumer.mapping
        with self._changed:
            if len(self._lanes) != mapping.parallelization:
                self._changed.wait_for(lambda: self._is_stopped() or not any(self._lanes))
                self._lanes = [Lane() for _ in range(mapping.parallelization)]
                for lane in self._lanes:
                    self.consumer.spawn(self._deliver_lane, lane)
            for record in records:
                if mapping.filters.accept(record.event):
                    self._lanes[crc32(record.key.encode()) % len(self._lanes)].append(record)
                self._last_read = record.identifier
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_stopped() or sum(map(len, self._lanes)) < MAX_WAITING_RECORDS)

    def _finish(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped() or not any(self._lanes))
            self._lanes = []
            self.finished = True
            self._changed.notify_all()
        self.consumer.resharded.set()

    def _is_stopped(self) -> bool:
        return self.consumer.stopped.is_set()

    def _deliver_lane(self, lane: Lane) -> None:
        """Deliver the lane's records. A record stays in the lane until it is delivered or discarded."""
        while records := self._gather(lane):
            self._deliver(Batch(records))
            with self._changed:
                for _ in records:
                    lane.popleft()
                self._changed.notify_all()

    def _gather(self, lane: Lane) -> tuple[EventRecord, ...]:
        """Wait until the lane's next batch is full or its batching window ends. Return () if the lane is closed."""

        def closed() -> bool:
            return self._is_stopped() or not any(lane is each for each in self._lanes)

        def full() -> bool:
            return closed() or next_batch(lane, self.consumer.mapping.batch_size)[1]

        with self._changed:
            self._changed.wait_for(lambda: lane or closed())
            self._changed.wait_for(full, timeout=self.consumer.mapping.batching_window)
            return () if closed() else next_batch(lane, self.consumer.mapping.batch_size)[0]

    def _deliver(self, batch: Batch) -> None:
        batches, failures, whole = deque([batch]), 0, uuid4().hex
        while batches and self.consumer.wait_until_enabled():
            mapping = self.consumer.mapping
            batch, expired = without_expired(batches.popleft(), mapping.maximum_age, time.time())
            if expired:
                self._note(whole, expired.batch, self._discard(expired))
            if not batch.records:
                continue
            outcome = self.consumer.invoke(batch.records)
            remaining, exhausted = next_batches(batch, outcome, mapping)
            follows = self._discard(exhausted) if exhausted else fate(batch, outcome, remaining)
            self._note(whole, batch, follows, outcome)
            batches.extendleft(reversed(remaining))
            failures = failures + 1 if remaining else 0
            if remaining:
                self.consumer.stopped.wait(self.consumer.backoff.after(failures))

    def _note(self, whole: str, batch: Batch, follows: Fate, outcome: Outcome | None = None) -> None:
        most = self.consumer.mapping.maximum_retries
        attempts = None if most == -1 else most + 1
        outcome = outcome or Outcome(invoked=False)
        self.consumer.note(whole, batch.records, follows, outcome, batch.retries + 1, attempts, self.id)

    def _discard(self, discarded: Discarded) -> Fate:
        """Send the invocation record to the destination, and return what became of the batch."""
        mapping = self.consumer.mapping
        log.warning("mapping %s to %s discards a batch: %s", mapping.uuid, mapping.function_arn, discarded.condition)
        try:
            destinations.send(self.consumer.clients, mapping, self.id, discarded)
        except AwsError as error:
            log.error("cannot send the invocation record to %s: %s", mapping.on_failure, error)
            return Fate("unsent", condition=discarded.condition, destination=mapping.on_failure)
        outcome = "sent" if mapping.on_failure else "discarded"
        return Fate(outcome, condition=discarded.condition, destination=mapping.on_failure)
