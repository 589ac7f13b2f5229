"""One delivery stream at work: records come in, wait, are transformed, wait, and go to the bucket as objects.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html
https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html
One thread has all that waits; the others read, invoke and deliver, and tell it by its inbox what came of it. Nothing
is given up: a record leaves a buffer for the function, the function for a buffer, and that for an object in the
bucket, which is put until it is there. What waits when the sandbox ends is read again with the stream, if that stays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from botocore.exceptions import ClientError

from localaws.firehose import errors, parquet, prefixes, transform
from localaws.firehose.buffers import Buffers
from localaws.firehose.compression import EXTENSIONS, compressed
from localaws.firehose.deployed import DeliveryStream
from localaws.firehose.metrics import Metrics
from localaws.firehose.records import (
    CONVERSION_FAILED,
    PROCESSING_FAILED,
    TOO_MANY_PARTITIONS,
    Failed,
    Record,
    Transformed,
)
from localaws.firehose.roles import Roles
from localaws.firehose.source import Source
from localaws.lambda_.batches import Backoff
from localaws.lambda_.consumers import AwsError

log = logging.getLogger(__name__)

INVOCATIONS, DELIVERIES = 3, 2  # at a time
MOST_HELD = 256 * 1024 * 1024  # bytes of records, beyond which nothing is read
MOST_PARTITIONS = 500  # https://docs.aws.amazon.com/firehose/latest/dev/limits.html
METRICS_INTERVAL = 5  # seconds

BAD_KEYS = ("DynamicPartitioning.MetadataExtractionFailed", "partitionKeys values must not be null or empty")
PARTITIONS = ("DynamicPartitioning.ActivePartitionsLimitExceeded", "The limit of active partitions is exceeded")
NO_TABLE = ("DataFormatConversion.EntityNotFound", "The specified table/database could not be found.")

with_keys = lru_cache(10_000)(lambda prefix, keys: prefixes.with_keys(prefix, dict(keys)))


class Stopped(Exception):
    """The stream or the sandbox has come to its end."""


class Delivery:
    def __init__(self, stream: DeliveryStream, roles: Roles, backoff: Backoff) -> None:
        self.stream, self._roles, self._backoff = stream, roles, backoff
        self._metrics = Metrics()
        self._stopped = Event()
        self._inbox: SimpleQueue[tuple[Callable[[Any], None], Any]] = SimpleQueue()
        self._batches = Buffers[None, Record]()
        self._objects = Buffers[str, Transformed]()
        self._errors = Buffers[str, Failed]()
        self._invocations: SimpleQueue[list[Record]] = SimpleQueue()
        self._deliveries: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._held = 0
        self._source = Source(
            roles(stream.source_role_arn), stream.source_arn, stream.start, self._read, lambda: self._held > MOST_HELD
        )

    def start(self) -> None:
        work = [self._decide, self._publish, *[self._invoke] * INVOCATIONS, *[self._deliver] * DELIVERIES]
        for each in work:
            Thread(target=each, name=f"firehose-{self.stream.name}", daemon=True).start()
        self._source.start()

    def update(self, stream: DeliveryStream) -> None:
        """Go on with the stream's new settings."""
        self.stream = stream

    def stop(self) -> None:
        """Start nothing more; nothing is delivered by half."""
        self._stopped.set()
        self._source.stop()

    # What the thread of decisions does, and no other.

    def _decide(self) -> None:
        while not self._stopped.is_set():
            try:
                handle, argument = self._inbox.get(timeout=self._until_due())
                handle(argument)
            except Empty:
                pass
            self._close_aged()

    def _until_due(self) -> float:
        seconds = self.stream.hint.seconds
        due = min(
            self._objects.next_due(seconds),
            self._errors.next_due(seconds),
            self._batches.next_due(self._batch_seconds()),
        )
        return min(max(due - time.monotonic(), 0), 1)

    def _batch_seconds(self) -> float:
        return self.stream.transform.hint.seconds if self.stream.transform else 0

    def _close_aged(self) -> None:
        now, seconds = time.monotonic(), self.stream.hint.seconds
        for _, batch in self._batches.aged(self._batch_seconds(), now):
            self._invocations.put(batch)
        for prefix, items in self._objects.aged(seconds, now):
            self._deliver_object(prefix, items)
        for output_type, failed in self._errors.aged(seconds, now):
            self._deliver_errors(output_type, failed)

    def _take_in(self, records: list[Record]) -> None:
        self._held += sum(len(record.data) for record in records)
        settings, now = self.stream.transform, time.monotonic()
        if settings is None:
            self._take_outcomes([Transformed(record, record.data, {}) for record in records])
            return
        for record in records:
            if batch := self._batches.add(None, record, transform.share(settings, record), now):
                self._invocations.put(batch)

    def _take_transformed(self, done: tuple[Sequence[Record], list[Transformed | Failed]]) -> None:
        records, outcomes = done
        self._held += sum(map(_size, outcomes)) - sum(len(record.data) for record in records)
        self._take_outcomes(outcomes)

    def _take_outcomes(self, outcomes: Sequence[Transformed | Failed]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Transformed):
                self._sort_in(outcome)
            else:
                self._keep(outcome)

    def _sort_in(self, item: Transformed) -> None:
        """Put the item where its partition waits, if it has one."""
        try:
            prefix = with_keys(self.stream.prefix, tuple(item.keys.items()))
        except KeyError:
            self._keep(Failed(item.record, PROCESSING_FAILED, *BAD_KEYS))
            return
        if prefix not in self._objects and len(self._objects) >= MOST_PARTITIONS:
            self._metrics.add(PartitionCountExceeded=1)
            self._keep(Failed(item.record, TOO_MANY_PARTITIONS, *PARTITIONS))
            return
        share = len(item.data) / self.stream.hint.size
        if full := self._objects.add(prefix, item, share, time.monotonic()):
            self._deliver_object(prefix, full)

    def _keep(self, failed: Failed) -> None:
        share = len(failed.record.data) * 1.5 / self.stream.hint.size  # its line is larger
        if full := self._errors.add(failed.output_type, failed, share, time.monotonic()):
            self._deliver_errors(failed.output_type, full)

    def _deliver_object(self, prefix: str, items: list[Transformed]) -> None:
        self._deliveries.put(lambda: self._write_object(prefix, items))

    def _deliver_errors(self, output_type: str, failed: list[Failed]) -> None:
        self._deliveries.put(lambda: self._write_errors(output_type, failed))

    def _let_go(self, size: int) -> None:
        self._held -= size

    # What the other threads do.

    def _read(self, records: list[Record], milliseconds_behind: int) -> None:
        if records:
            size = sum(len(record.data) for record in records)
            self._metrics.add(DataReadFromKinesisStream__Records=len(records), DataReadFromKinesisStream__Bytes=size)
            self._inbox.put((self._take_in, records))
        self._metrics.add(KinesisMillisBehindLatest=milliseconds_behind)

    def _invoke(self) -> None:
        for batch in self._tasks(self._invocations):
            self._inbox.put((self._take_transformed, (batch, self._transformed(batch))))

    def _deliver(self) -> None:
        for write in self._tasks(self._deliveries):
            while not self._stopped.is_set():
                try:
                    write()
                    break
                except Stopped:
                    return
                except Exception:  # what it is about stays, and is tried again, whatever it was
                    log.exception("%s cannot deliver", self.stream.name)
                    self._stopped.wait(self._backoff.maximum)

    def _publish(self) -> None:
        while not self._stopped.wait(METRICS_INTERVAL):
            self._metrics.add(PartitionCount=len(self._objects))
            try:
                self._metrics.publish(self._roles.service("cloudwatch"), self.stream.name)
            except AwsError as error:
                log.warning("metrics of %s are lost: %s", self.stream.name, error)

    def _tasks[T](self, queue: SimpleQueue[T]) -> Any:
        while not self._stopped.is_set():
            try:
                yield queue.get(timeout=1)
            except Empty:
                continue

    def _transformed(self, batch: Sequence[Record]) -> list[Transformed | Failed]:
        """Return what the function makes of the batch, called again while the call fails and tries are left."""
        stream = self.stream
        settings = stream.transform
        if settings is None:  # since a moment ago
            return [Transformed(record, record.data, {}) for record in batch]
        error, attempts = transform.FUNCTION_ERROR, 0
        while attempts <= settings.retries and not self._stopped.is_set():
            attempts += 1
            started = time.monotonic()
            try:
                answer = self._roles(settings.role_arn)("lambda").invoke(
                    FunctionName=settings.function_arn, Payload=transform.event(stream, batch)
                )
                payload = answer["Payload"].read()
                error = transform.FUNCTION_ERROR
                succeeded = "FunctionError" not in answer and len(payload) <= transform.PAYLOAD_LIMIT
            except AwsError as failure:
                log.warning("%s was not invoked: %s", settings.function_arn, failure)
                error, succeeded = transform.refusal(failure), False
            duration = (time.monotonic() - started) * 1000
            self._metrics.add(ExecuteProcessing__Duration=duration, ExecuteProcessing__Success=float(succeeded))
            if succeeded:
                return self._counted(transform.outcome(payload, batch, attempts))
            self._stopped.wait(self._backoff.after(attempts))
        log.warning("%s failed %d records of %s: %s", settings.function_arn, len(batch), stream.name, error[0])
        return transform.failed(batch, error, attempts)

    def _counted(self, outcomes: list[Transformed | Failed]) -> list[Transformed | Failed]:
        sizes = [len(outcome.record.data) for outcome in outcomes if isinstance(outcome, Transformed)]
        self._metrics.add(SucceedProcessing__Records=len(sizes), SucceedProcessing__Bytes=sum(sizes))
        return outcomes

    def _write_object(self, prefix: str, items: Sequence[Transformed]) -> None:
        stream = self.stream
        body: bytes | None
        if stream.conversion:
            (body, failed), extension = self._converted(items), ".parquet"
        else:
            body, failed = b"".join(item.data + stream.delimiter for item in items), list[Failed]()
            extension = EXTENSIONS[stream.compression]
        moment = self._moment(item.record for item in items)
        if body is not None:
            suffix = prefixes.suffix(stream.name, stream.version, moment, stream.extension or extension)
            if not stream.conversion:
                body = compressed(body, stream.compression, suffix.removesuffix(extension))
            self._put(prefixes.evaluated(prefix, moment) + suffix, body)
            self._tell_delivered([item.record for item in items], len(failed), len(body))
        self._inbox.put((self._let_go, sum(map(_size, items)) - sum(map(_size, failed))))
        self._inbox.put((self._take_outcomes, failed))

    def _converted(self, items: Sequence[Transformed]) -> tuple[bytes | None, list[Failed]]:
        conversion = self.stream.conversion
        assert conversion is not None
        glue = self._roles(conversion.role_arn)("glue")
        table = {"DatabaseName": conversion.table["DatabaseName"], "Name": conversion.table["TableName"]}
        try:
            described = self._until_done(lambda: glue.get_table(**table))["Table"]
        except glue.exceptions.EntityNotFoundException:
            return None, [Failed(item.record, CONVERSION_FAILED, *NO_TABLE) for item in items]
        columns = parquet.columns(described["StorageDescriptor"]["Columns"], conversion)
        return parquet.Converter(columns, conversion).convert(items)

    def _write_errors(self, output_type: str, failed: Sequence[Failed]) -> None:
        stream = self.stream
        moment = self._moment(each.record for each in failed)
        prefix = prefixes.evaluated(prefixes.error_prefix(stream.prefix, stream.error_prefix), moment, output_type)
        body = b"".join(errors.line(stream, each, time.time()) for each in failed)
        self._put(prefix + prefixes.suffix(stream.name, stream.version, moment, ""), body)
        self._inbox.put((self._let_go, sum(map(_size, failed))))

    def _moment(self, records: Any) -> datetime:
        """Return when the first of the records came, in the time zone of the stream."""
        return datetime.fromtimestamp(min(record.arrived for record in records), self.stream.zone)

    def _put(self, key: str, body: bytes) -> None:
        stream = self.stream
        s3 = self._roles(stream.role_arn)("s3")
        self._until_done(lambda: s3.put_object(Bucket=stream.bucket, Key=key, Body=body))

    def _tell_delivered(self, records: Sequence[Record], failed: int, size: int) -> None:
        self._metrics.add(
            DeliveryToS3__Success=1,
            DeliveryToS3__ObjectCount=1,
            DeliveryToS3__Records=len(records) - failed,
            DeliveryToS3__Bytes=size,
            DeliveryToS3__DataFreshness=time.time() - min(record.arrived for record in records),
        )

    def _until_done(self, call: Callable[[], Any]) -> Any:
        """Return what the call returns when it succeeds at last; what is not there will not come by waiting."""
        failures = 0
        while not self._stopped.is_set():
            try:
                return call()
            except AwsError as error:
                if isinstance(error, ClientError) and error.response["Error"]["Code"] == "EntityNotFoundException":
                    raise
                failures += 1
                self._metrics.add(DeliveryToS3__Success=0)
                log.warning("%s cannot deliver: %s", self.stream.name, error)
                self._stopped.wait(self._backoff.after(failures))
        raise Stopped


def _size(outcome: Transformed | Failed) -> int:
    return len(outcome.record.data)
