"""The source of a delivery stream: a Kinesis stream, read by one thread for each shard.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/writing-with-kinesis-streams.html
Reading starts at the DeliveryStartTimestamp. Positions are only in memory: after a restart, records that the stream
still has are delivered again. Firehose does not guarantee an order, so child shards do not wait for their parents.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

from botocore.exceptions import ClientError

from localaws.firehose.aggregation import user_records
from localaws.firehose.records import SourceRecord
from localaws.lambda_.clients import Clients
from localaws.lambda_.consumers import AwsError

log = logging.getLogger(__name__)

RESHARDING_INTERVAL = 10  # seconds between checks for new shards
PAUSE = 0.2  # seconds between checks whether the delivery has room again


class Source:
    """The threads that read a stream. They pass records to *on_records*, and pause while *is_full* returns True.

    *on_records* also gets MillisBehindLatest.
    """

    def __init__(
        self,
        clients: Clients,
        arn: str,
        start: float,
        on_records: Callable[[list[SourceRecord], int], None],
        is_full: Callable[[], bool],
    ) -> None:
        self._clients, self._arn, self._start = clients, arn, datetime.fromtimestamp(start, UTC)
        self._on_records, self._is_full = on_records, is_full
        self._stopped = Event()
        self._shards: set[str] = set()

    def start(self) -> None:
        """Start the threads."""
        self._spawn(self._find_shards)

    def stop(self) -> None:
        """Start no new read."""
        self._stopped.set()

    def _spawn(self, work: Callable[..., None], *arguments: Any) -> None:
        Thread(target=work, args=arguments, name=f"firehose-{self._arn}", daemon=True).start()

    def _find_shards(self) -> None:
        while not self._stopped.is_set():
            try:
                pages = self._clients("kinesis").get_paginator("list_shards").paginate(StreamARN=self._arn)
                listed = {shard["ShardId"] for page in pages for shard in page["Shards"]}
            except AwsError as error:
                log.warning("cannot list the shards of %s: %s", self._arn, error)
                self._stopped.wait(1)
                continue
            new, self._shards = listed - self._shards, listed
            for shard_id in new:
                self._spawn(self._read_shard, shard_id)
            self._stopped.wait(RESHARDING_INTERVAL)

    def _read_shard(self, shard_id: str) -> None:
        kinesis = self._clients("kinesis")
        iterator: str | None = None
        position: dict[str, Any] = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": self._start}
        while not self._stopped.is_set() and shard_id in self._shards:
            if self._is_full():
                self._stopped.wait(PAUSE)
                continue
            try:
                iterator = (
                    iterator
                    or kinesis.get_shard_iterator(StreamARN=self._arn, ShardId=shard_id, **position)["ShardIterator"]
                )
                answer = kinesis.get_records(StreamARN=self._arn, ShardIterator=iterator)
            except AwsError as error:
                iterator = None
                self._log_error(shard_id, error)
                continue
            records = [user for each in answer["Records"] for user in user_records(_record(shard_id, each))]
            self._on_records(records, answer.get("MillisBehindLatest", 0))
            if records:
                last = records[-1].sequence_number
                position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last}
            iterator = answer.get("NextShardIterator")
            if iterator is None:
                return  # the end of a closed shard

    def _log_error(self, shard_id: str, error: Exception) -> None:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code != "ExpiredIteratorException":
            log.warning("cannot read %s of %s: %s", shard_id, self._arn, error)
            self._stopped.wait(1)


def _record(shard_id: str, described: dict[str, Any]) -> SourceRecord:
    return SourceRecord(
        data=described["Data"],
        arrived=described["ApproximateArrivalTimestamp"].timestamp(),
        shard_id=shard_id,
        sequence_number=described["SequenceNumber"],
        partition_key=described["PartitionKey"],
    )
