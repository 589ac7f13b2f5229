"""The delivery of one stream: buffer records, transform them, buffer them again, and write objects to S3.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html
https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html
One thread owns all buffers. The other threads read, invoke the function and write objects, and send their results to
its inbox. No record is dropped: PutObject is retried until it succeeds. Buffers are only in memory. After a restart,
the records are read from the Kinesis stream again, if the local AWS kept it.
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
    FailedRecord,
    ProcessedRecord,
    SourceRecord,
    TransformedRecord,
)
from localaws.firehose.roles import Roles
from localaws.firehose.source import Source
from localaws.lambda_.batches import Backoff
from localaws.lambda_.consumers import AwsError

log = logging.getLogger(__name__)

INVOCATIONS, DELIVERIES = 3, 2  # concurrent
MAX_HELD_BYTES = 256 * 1024 * 1024  # of records in memory; reading pauses above it
MAX_ACTIVE_PARTITIONS = 500  # https://docs.aws.amazon.com/firehose/latest/dev/limits.html
METRICS_INTERVAL = 5  # seconds

MISSING_KEYS = ("DynamicPartitioning.MetadataExtractionFailed", "partitionKeys values must not be null or empty")
PARTITION_LIMIT = ("DynamicPartitioning.ActivePartitionsLimitExceeded", "The limit of active partitions is exceeded")
NO_TABLE = ("DataFormatConversion.EntityNotFound", "The specified table/database could not be found.")

with_partition_keys = lru_cache(10_000)(lambda prefix, keys: prefixes.with_partition_keys(prefix, dict(keys)))


class Stopped(Exception):
    """The delivery was stopped while a call was retried."""


class Delivery:
    """The threads of one delivery stream."""

    def __init__(self, stream: DeliveryStream, roles: Roles, backoff: Backoff) -> None:
        self.stream, self._roles, self._backoff = stream, roles, backoff
        self._metrics = Metrics()
        self._stopped = Event()
        self._inbox: SimpleQueue[tuple[Callable[[Any], None], Any]] = SimpleQueue()
        self._batches = Buffers[None, SourceRecord]()
        self._objects = Buffers[str, TransformedRecord]()
        self._errors = Buffers[str, FailedRecord]()
        self._invocations: SimpleQueue[list[SourceRecord]] = SimpleQueue()
        self._deliveries: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._held_bytes = 0
        self._source = Source(roles(stream.source_role_arn), stream.source_arn, stream.start, self._read, self._is_full)

    def start(self) -> None:
        work = [self._run_buffers, self._publish, *[self._invoke] * INVOCATIONS, *[self._deliver] * DELIVERIES]
        for each in work:
            Thread(target=each, name=f"firehose-{self.stream.name}", daemon=True).start()
        self._source.start()

    def update(self, stream: DeliveryStream) -> None:
        """Apply the stream's new settings to the records that follow."""
        self.stream = stream

    def stop(self) -> None:
        """Start no new call. Running calls complete."""
        self._stopped.set()
        self._source.stop()

    # The methods of the thread that owns the buffers.

    def _run_buffers(self) -> None:
        while not self._stopped.is_set():
            try:
                handle, argument = self._inbox.get(timeout=self._until_due())
                handle(argument)
            except Empty:
                pass
            self._close_due()

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

    def _close_due(self) -> None:
        now, seconds = time.monotonic(), self.stream.hint.seconds
        for _, batch in self._batches.pop_due(self._batch_seconds(), now):
            self._invocations.put(batch)
        for prefix, items in self._objects.pop_due(seconds, now):
            self._deliver_object(prefix, items)
        for output_type, failed in self._errors.pop_due(seconds, now):
            self._deliver_errors(output_type, failed)

    def _buffer_records(self, records: list[SourceRecord]) -> None:
        self._held_bytes += sum(len(record.data) for record in records)
        settings, now = self.stream.transform, time.monotonic()
        if settings is None:
            self._buffer_outcomes([TransformedRecord(record, record.data, {}) for record in records])
            return
        for record in records:
            if batch := self._batches.add(None, record, transform.share(settings, record), now):
                self._invocations.put(batch)

    def _buffer_transformed(self, done: tuple[Sequence[SourceRecord], list[ProcessedRecord]]) -> None:
        records, outcomes = done
        self._held_bytes += sum(map(_size, outcomes)) - sum(len(record.data) for record in records)
        self._buffer_outcomes(outcomes)

    def _buffer_outcomes(self, outcomes: Sequence[ProcessedRecord]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, TransformedRecord):
                self._buffer_for_object(outcome)
            else:
                self._buffer_error(outcome)

    def _buffer_for_object(self, item: TransformedRecord) -> None:
        """Add the item to the buffer of its partition, or to the errors if its partition keys are missing."""
        try:
            prefix = with_partition_keys(self.stream.prefix, tuple(item.keys.items()))
        except KeyError:
            self._buffer_error(FailedRecord(item.record, PROCESSING_FAILED, *MISSING_KEYS))
            return
        if prefix not in self._objects and len(self._objects) >= MAX_ACTIVE_PARTITIONS:
            self._metrics.add(PartitionCountExceeded=1)
            self._buffer_error(FailedRecord(item.record, TOO_MANY_PARTITIONS, *PARTITION_LIMIT))
            return
        share = len(item.data) / self.stream.hint.size
        if full := self._objects.add(prefix, item, share, time.monotonic()):
            self._deliver_object(prefix, full)

    def _buffer_error(self, failed: FailedRecord) -> None:
        share = len(failed.record.data) * 1.5 / self.stream.hint.size  # Base64 makes its line larger
        if full := self._errors.add(failed.output_type, failed, share, time.monotonic()):
            self._deliver_errors(failed.output_type, full)

    def _deliver_object(self, prefix: str, items: list[TransformedRecord]) -> None:
        self._deliveries.put(lambda: self._write_object(prefix, items))

    def _deliver_errors(self, output_type: str, failed: list[FailedRecord]) -> None:
        self._deliveries.put(lambda: self._write_errors(output_type, failed))

    def _release(self, size: int) -> None:
        self._held_bytes -= size

    # The methods of the other threads.

    def _is_full(self) -> bool:
        return self._held_bytes > MAX_HELD_BYTES

    def _read(self, records: list[SourceRecord], milliseconds_behind: int) -> None:
        if records:
            size = sum(len(record.data) for record in records)
            self._metrics.add(DataReadFromKinesisStream__Records=len(records), DataReadFromKinesisStream__Bytes=size)
            self._inbox.put((self._buffer_records, records))
        self._metrics.add(KinesisMillisBehindLatest=milliseconds_behind)

    def _invoke(self) -> None:
        for batch in self._tasks(self._invocations):
            self._inbox.put((self._buffer_transformed, (batch, self._transform(batch))))

    def _deliver(self) -> None:
        for write in self._tasks(self._deliveries):
            while not self._stopped.is_set():
                try:
                    write()
                    break
                except Stopped:
                    return
                except Exception:  # keep the records and retry
                    log.exception("%s cannot write an object; retrying", self.stream.name)
                    self._stopped.wait(self._backoff.maximum)

    def _publish(self) -> None:
        while not self._stopped.wait(METRICS_INTERVAL):
            self._metrics.add(PartitionCount=len(self._objects))
            try:
                self._metrics.publish(self._roles.service("cloudwatch"), self.stream.name)
            except AwsError as error:
                log.warning("cannot publish the metrics of %s: %s", self.stream.name, error)

    def _tasks[T](self, queue: SimpleQueue[T]) -> Any:
        while not self._stopped.is_set():
            try:
                yield queue.get(timeout=1)
            except Empty:
                continue

    def _transform(self, batch: Sequence[SourceRecord]) -> list[ProcessedRecord]:
        """Return the function's results for the batch. Retry a failed call up to the stream's NumberOfRetries."""
        stream = self.stream
        settings = stream.transform
        if settings is None:  # removed by an update since the batch was buffered
            return [TransformedRecord(record, record.data, {}) for record in batch]
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
                error, succeeded = transform.invocation_error(failure), False
            duration = (time.monotonic() - started) * 1000
            self._metrics.add(ExecuteProcessing__Duration=duration, ExecuteProcessing__Success=float(succeeded))
            if succeeded:
                return self._count_processed(transform.outcome(payload, batch, attempts))
            self._stopped.wait(self._backoff.after(attempts))
        log.warning("%s failed for %d records of %s: %s", settings.function_arn, len(batch), stream.name, error[0])
        return transform.failed(batch, error, attempts)

    def _count_processed(self, outcomes: list[ProcessedRecord]) -> list[ProcessedRecord]:
        sizes = [len(outcome.record.data) for outcome in outcomes if isinstance(outcome, TransformedRecord)]
        self._metrics.add(SucceedProcessing__Records=len(sizes), SucceedProcessing__Bytes=sum(sizes))
        return outcomes

    def _write_object(self, prefix: str, items: Sequence[TransformedRecord]) -> None:
        stream = self.stream
        body: bytes | None
        if stream.conversion:
            (body, failed), extension = self._convert(items), ".parquet"
        else:
            body, failed = b"".join(item.data + stream.delimiter for item in items), list[FailedRecord]()
            extension = EXTENSIONS[stream.compression]
        moment = self._arrival(item.record for item in items)
        if body is not None:
            suffix = prefixes.suffix(stream.name, stream.version, moment, stream.extension or extension)
            if not stream.conversion:
                body = compressed(body, stream.compression, suffix.removesuffix(extension))
            self._put(prefixes.evaluate(prefix, moment) + suffix, body, moment)
            self._count_delivered([item.record for item in items], len(failed), len(body))
        self._inbox.put((self._release, sum(map(_size, items)) - sum(map(_size, failed))))
        self._inbox.put((self._buffer_outcomes, failed))

    def _convert(self, items: Sequence[TransformedRecord]) -> tuple[bytes | None, list[FailedRecord]]:
        conversion = self.stream.conversion
        assert conversion is not None
        glue = self._roles(conversion.role_arn)("glue")
        table = {"DatabaseName": conversion.table["DatabaseName"], "Name": conversion.table["TableName"]}
        try:
            described = self._retry(lambda: glue.get_table(**table))["Table"]
        except glue.exceptions.EntityNotFoundException:
            return None, [FailedRecord(item.record, CONVERSION_FAILED, *NO_TABLE) for item in items]
        columns = parquet.columns(described["StorageDescriptor"]["Columns"], conversion)
        return parquet.Converter(columns, conversion).convert(items)

    def _write_errors(self, output_type: str, failed: Sequence[FailedRecord]) -> None:
        stream = self.stream
        moment = self._arrival(each.record for each in failed)
        prefix = prefixes.evaluate(prefixes.error_prefix(stream.prefix, stream.error_prefix), moment, output_type)
        body = b"".join(errors.line(stream, each, time.time()) for each in failed)
        self._put(prefix + prefixes.suffix(stream.name, stream.version, moment, ""), body, moment)
        self._inbox.put((self._release, sum(map(_size, failed))))

    def _arrival(self, records: Any) -> datetime:
        """Return the arrival time of the first record, in the stream's time zone."""
        return datetime.fromtimestamp(min(record.arrived for record in records), self.stream.zone)

    def _put(self, key: str, body: bytes, oldest: datetime) -> None:
        stream = self.stream
        s3 = self._roles(stream.role_arn)("s3")

        def put() -> None:
            try:
                s3.put_object(Bucket=stream.bucket, Key=key, Body=body)
            except AwsError:
                self._metrics.add(DeliveryToS3__DataFreshness=time.time() - oldest.timestamp())
                raise

        self._retry(put)

    def _count_delivered(self, records: Sequence[SourceRecord], failed: int, size: int) -> None:
        self._metrics.add(
            DeliveryToS3__Success=1,
            DeliveryToS3__ObjectCount=1,
            DeliveryToS3__Records=len(records) - failed,
            DeliveryToS3__Bytes=size,
            DeliveryToS3__DataFreshness=time.time() - min(record.arrived for record in records),
        )

    def _retry(self, call: Callable[[], Any]) -> Any:
        """Retry *call* until it succeeds, and return its result.

        Raises EntityNotFoundException of Glue at once, and Stopped when the delivery is stopped.
        """
        failures = 0
        while not self._stopped.is_set():
            try:
                return call()
            except AwsError as error:
                if isinstance(error, ClientError) and error.response["Error"]["Code"] == "EntityNotFoundException":
                    raise
                failures += 1
                self._metrics.add(DeliveryToS3__Success=0)
                log.warning("%s cannot deliver; retrying: %s", self.stream.name, error)
                self._stopped.wait(self._backoff.after(failures))
        raise Stopped


def _size(outcome: ProcessedRecord) -> int:
    return len(outcome.record.data)
