"""A record on its way, and one that cannot go on."""

from __future__ import annotations

from dataclasses import dataclass

PROCESSING_FAILED = "processing-failed"
CONVERSION_FAILED = "format-conversion-failed"
TOO_MANY_PARTITIONS = "activePartitionExceeded"


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the source, as it came."""

    data: bytes
    arrived: float
    shard_id: str
    sequence_number: str
    partition_key: str


@dataclass(frozen=True, slots=True)
class Transformed:
    """What goes on for a record: its data, and the partition keys that the function gave it."""

    record: Record
    data: bytes
    keys: dict[str, str]


@dataclass(frozen=True, slots=True)
class Failed:
    """A record that goes to the errors, under their type, with the reason."""

    record: Record
    output_type: str
    code: str
    message: str
    attempts: int = 1
