"""Records of a delivery stream: from the source, transformed, and failed."""

from __future__ import annotations

from dataclasses import dataclass

PROCESSING_FAILED = "processing-failed"
CONVERSION_FAILED = "format-conversion-failed"
TOO_MANY_PARTITIONS = "activePartitionExceeded"


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record of the Kinesis stream, or a user record of an aggregated one. *arrived* is in epoch seconds."""

    data: bytes
    arrived: float
    shard_id: str
    sequence_number: str
    partition_key: str
    subsequence_number: int = 0


@dataclass(frozen=True, slots=True)
class TransformedRecord:
    """The data to deliver for a record, and its partition keys."""

    record: SourceRecord
    data: bytes
    keys: dict[str, str]


@dataclass(frozen=True, slots=True)
class FailedRecord:
    """A record for the error output: its error-output-type, and the code and message of the error."""

    record: SourceRecord
    output_type: str
    code: str
    message: str
    attempts: int = 1


type ProcessedRecord = TransformedRecord | FailedRecord
"""The result of a transformation."""
