"""The consumer of a stream: each shard has a reader, and a lane for each of the mapping's parallel batches.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
A lane delivers one batch after the other, and all records of a key are in one lane; so the records of a key stay
in order, and a lane that is slow or stuck holds up no other lane, shard or mapping.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from threading import Condition, Event
from zlib import crc32

from botocore.exceptions import ClientError

from localaws.lambda_ import destinations
from localaws.lambda_.batches import Backoff, Batch, Discarded, Record, following, next_batch, without_aged
from localaws.lambda_.clients import Clients
from localaws.lambda_.consumers import AwsError, Consumer
from localaws.lambda_.mappings import Mapping
from localaws.lambda_.streams import stream_of

log = logging.getLogger(__name__)

MOST_WAITING = 10_000  # records of a shard, beyond which nothing is read
RESHARDING_INTERVAL = 10  # seconds between two looks for new shards
PAUSE = 0.2  # seconds between two reads of an emulator that does not wait for records

Lane = deque[Record]


class StreamConsumer(Consumer):
    """Reads every shard of a stream, children after their parents."""

    def __init__(self, mapping: Mapping, clients: Clients, backoff: Backoff) -> None:
        super().__init__(mapping, clients, backoff)
        self.stream = stream_of(mapping, clients)
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
        while self.active():
            self.resharded.clear()
            try:
                listed = self.stream.shards()
            except AwsError as error:
                log.warning("%s cannot be read: %s", self.mapping.source_arn, error)
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
    """Reads one shard into its lanes, and delivers these."""

    def __init__(self, consumer: StreamConsumer, shard_id: str) -> None:
        self.id, self.consumer = shard_id, consumer
        self.finished = False
        self._lanes: list[Lane] = []
        self._changed = Condition()
        self._last_read: str | None = None
        consumer.spawn(self._read)

    def wake(self) -> None:
        """Let those who wait look again."""
        with self._changed:
            self._changed.notify_all()

    def _read(self) -> None:
        iterator: str | None = None
        while self.consumer.active():
            started = time.monotonic()
            try:
                iterator = iterator or self.consumer.stream.iterator(self.id, self._last_read)
                records, iterator = self.consumer.stream.read(self.id, iterator)
            except AwsError as error:
                if self._is_gone(error):
                    break
                iterator = None
                continue
            self._share_out(records)
            if iterator is None:
                break
            if not records and time.monotonic() - started < PAUSE:
                self.consumer.stopped.wait(PAUSE)
        self._finish()

    def _is_gone(self, error: Exception) -> bool:
        """Tell whether the shard is no more, after an error of reading it; most errors pass."""
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code == "TrimmedDataAccessException":
            self._last_read = None
        if code != "ExpiredIteratorException":
            log.warning("%s of %s cannot be read: %s", self.id, self.consumer.mapping.source_arn, error)
            self.consumer.stopped.wait(1)
        try:
            return code == "ResourceNotFoundException" and self.id not in self.consumer.stream.shards()
        except AwsError:
            return False

    def _share_out(self, records: list[Record]) -> None:
        """Give the records to the lanes when there is room."""
        mapping = self.consumer.mapping
        with self._changed:
            if len(self._lanes) != mapping.parallelization:
                self._changed.wait_for(lambda: self._over() or not any(self._lanes))
                self._lanes = [Lane() for _ in range(mapping.parallelization)]
                for lane in self._lanes:
                    self.consumer.spawn(self._deliver_lane, lane)
            for record in records:
                if mapping.filters.accept(record.event):
                    self._lanes[crc32(record.key.encode()) % len(self._lanes)].append(record)
                self._last_read = record.identifier
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._over() or sum(map(len, self._lanes)) < MOST_WAITING)

    def _finish(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._over() or not any(self._lanes))
            self._lanes = []
            self.finished = True
            self._changed.notify_all()
        self.consumer.resharded.set()

    def _over(self) -> bool:
        return self.consumer.stopped.is_set()

    def _deliver_lane(self, lane: Lane) -> None:
        """Deliver what comes into the lane; a record leaves it when it is done with."""
        while records := self._gather(lane):
            self._deliver(Batch(records))
            with self._changed:
                for _ in records:
                    lane.popleft()
                self._changed.notify_all()

    def _gather(self, lane: Lane) -> tuple[Record, ...]:
        """Return the lane's next batch, as soon as it is full or its window is over; none when the lane is no more."""

        def closed() -> bool:
            return self._over() or not any(lane is each for each in self._lanes)

        def full() -> bool:
            return closed() or next_batch(lane, self.consumer.mapping.batch_size)[1]

        with self._changed:
            self._changed.wait_for(lambda: lane or closed())
            self._changed.wait_for(full, timeout=self.consumer.mapping.batching_window)
            return () if closed() else next_batch(lane, self.consumer.mapping.batch_size)[0]

    def _deliver(self, batch: Batch) -> None:
        batches, failures = deque([batch]), 0
        while batches and self.consumer.active():
            mapping = self.consumer.mapping
            batch, aged = without_aged(batches.popleft(), mapping.maximum_age, time.time())
            self._discard(aged)
            if not batch.records:
                continue
            outcome = self.consumer.invoke(batch.records)
            again, exhausted = following(batch, outcome, mapping)
            self._discard(exhausted)
            batches.extendleft(reversed(again))
            failures = failures + 1 if again else 0
            if again:
                self.consumer.stopped.wait(self.consumer.backoff.after(failures))

    def _discard(self, discarded: Discarded | None) -> None:
        if discarded is None:
            return
        log.warning("%s: %s, %s", self.consumer.mapping.function_arn, discarded.condition, self.consumer.mapping.uuid)
        try:
            destinations.send(self.consumer.clients, self.consumer.mapping, self.id, discarded)
        except AwsError as error:
            log.error("%s is not reached: %s", self.consumer.mapping.on_failure, error)
