"""The Kinesis stream that a delivery stream reads, every shard in a thread of its own.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/writing-with-kinesis-streams.html
Reading begins where the delivery stream was made, and where it has come to is known as long as this process lives:
a sandbox that kept its streams delivers them once more. Shards are read in no order, for none is promised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

from botocore.exceptions import ClientError

from localaws.firehose.records import Record
from localaws.lambda_.clients import Clients
from localaws.lambda_.consumers import AwsError

log = logging.getLogger(__name__)

RESHARDING_INTERVAL = 10  # seconds between two looks for new shards
PAUSE = 0.2  # seconds between two reads of an emulator that does not wait for records


class Source:
    """Reads a stream and hands on what comes, waiting while *full* says so."""

    def __init__(
        self,
        clients: Clients,
        arn: str,
        start: float,
        take: Callable[[list[Record], int], None],
        full: Callable[[], bool],
    ) -> None:
        self._clients, self._arn, self._start = clients, arn, datetime.fromtimestamp(start, UTC)
        self._take, self._full = take, full
        self._stopped = Event()
        self._shards: set[str] = set()

    def start(self) -> None:
        self._spawn(self._find_shards)

    def stop(self) -> None:
        self._stopped.set()

    def _spawn(self, work: Callable[..., None], *arguments: Any) -> None:
        Thread(target=work, args=arguments, name=f"firehose-{self._arn}", daemon=True).start()

    def _find_shards(self) -> None:
        while not self._stopped.is_set():
            try:
                pages = self._clients("kinesis").get_paginator("list_shards").paginate(StreamARN=self._arn)
                listed = {shard["ShardId"] for page in pages for shard in page["Shards"]}
            except AwsError as error:
                log.warning("%s cannot be read: %s", self._arn, error)
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
            if self._full():
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
                self._say(shard_id, error)
                continue
            records = [_record(shard_id, each) for each in answer["Records"]]
            self._take(records, answer.get("MillisBehindLatest", 0))
            if records:
                last = records[-1].sequence_number
                position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last}
            iterator = answer.get("NextShardIterator")
            if iterator is None:
                return  # the end of a closed shard

    def _say(self, shard_id: str, error: Exception) -> None:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code != "ExpiredIteratorException":
            log.warning("%s of %s cannot be read: %s", shard_id, self._arn, error)
            self._stopped.wait(1)


def _record(shard_id: str, described: dict[str, Any]) -> Record:
    return Record(
        data=described["Data"],
        arrived=described["ApproximateArrivalTimestamp"].timestamp(),
        shard_id=shard_id,
        sequence_number=described["SequenceNumber"],
        partition_key=described["PartitionKey"],
    )
