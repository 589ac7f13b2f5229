"""Data transformation: the event for the Lambda function, and the meaning of its response.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html
https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html
AWS does not document which records fail with an incorrect response. This module follows published measurements: a
record that is missing or duplicated in the response fails alone, a malformed response fails the batch, and only a
failed call is retried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal
from uuid import uuid4

import msgspec
from botocore.exceptions import ClientError

from localaws.firehose.deployed import DeliveryStream, Transform
from localaws.firehose.records import PROCESSING_FAILED, FailedRecord, ProcessedRecord, SourceRecord, TransformedRecord

PAYLOAD_LIMIT = 6 * 1024 * 1024

FUNCTION_ERROR = (
    "Lambda.FunctionError",
    "The Lambda function was successfully invoked but it returned an error result.",
)
MISSING = (
    "Lambda.MissingRecordId",
    "One or more record Ids were not returned. Ensure that the Lambda function returns all received record Ids.",
)
DUPLICATED = (
    "Lambda.DuplicatedRecordId",
    "Multiple records were returned with the same record Id. "
    "Ensure that the Lambda function returns a unique record Id for each record.",
)
NO_DATA = ("Lambda.InvalidReturnFormat", "The data field cannot be null when the processing result is Ok.")
# https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-logs.html
INVOCATION_ERRORS = {
    "AccessDenied": "Lambda.AssumeRoleAccessDenied",
    "AccessDeniedException": "Lambda.InvokeAccessDenied",
    "ResourceNotFoundException": "Lambda.ResourceNotFound",
    "TooManyRequestsException": "Lambda.InvokeLimitExceeded",
}
PROCESSING_FAILED_STATUS = ("Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record")


class _Metadata(msgspec.Struct, rename="camel"):
    sequence_number: str
    subsequence_number: int
    partition_key: str
    shard_id: str
    approximate_arrival_timestamp: int


class _EventRecord(msgspec.Struct, rename="camel"):
    record_id: str
    approximate_arrival_timestamp: int
    data: bytes
    kinesis_record_metadata: _Metadata


class _Event(msgspec.Struct, rename="camel"):
    invocation_id: str
    source_kinesis_stream_arn: str
    delivery_stream_arn: str
    region: str
    records: list[_EventRecord]


class _ResponseMetadata(msgspec.Struct, rename="camel"):
    partition_keys: dict[str, str] = {}


class _ResponseRecord(msgspec.Struct, rename="camel"):
    record_id: str
    result: Literal["Ok", "Dropped", "ProcessingFailed"]
    data: bytes | None = None
    metadata: _ResponseMetadata | None = None


class _Response(msgspec.Struct):
    records: list[_ResponseRecord]


_decode = msgspec.json.Decoder(_Response).decode
EVENT_SIZE = 600  # bytes; the maximum for an event without records
METADATA_SIZE = 420  # bytes; the maximum for a record without its data and partition key


def share(transform: Transform, record: SourceRecord) -> float:
    """Return the record's share of a full batch, by the buffering hint or by Lambda's payload limit."""
    request = METADATA_SIZE + len(record.data) * 4 / 3 + len(record.partition_key) * 6
    return max(len(record.data) / transform.hint.size, request / (PAYLOAD_LIMIT - EVENT_SIZE))


def event(stream: DeliveryStream, records: Sequence[SourceRecord]) -> bytes:
    """Return the event of one invocation, with a new invocationId."""
    return msgspec.json.encode(
        _Event(
            invocation_id=str(uuid4()),
            source_kinesis_stream_arn=stream.source_arn,
            delivery_stream_arn=stream.arn,
            region=stream.region,
            records=[_event_record(record) for record in records],
        )
    )


def _event_record(record: SourceRecord) -> _EventRecord:
    arrived = round(record.arrived * 1000)
    metadata = _Metadata(
        record.sequence_number, record.subsequence_number, record.partition_key, record.shard_id, arrived
    )
    return _EventRecord(_identifier(record), arrived, record.data, metadata)


def _identifier(record: SourceRecord) -> str:
    return f"{record.sequence_number}{record.subsequence_number:06d}"


def outcome(response: bytes, records: Sequence[SourceRecord], attempts: int) -> list[ProcessedRecord]:
    """Return the records of the function's response, transformed or failed, without the dropped ones."""
    try:
        returned = _decode(response).records
    except msgspec.DecodeError:
        return failed(records, FUNCTION_ERROR, attempts)
    results = {each.record_id: each for each in returned}
    duplicates = {identifier for identifier, count in Counter(each.record_id for each in returned).items() if count > 1}
    outcomes: list[ProcessedRecord] = []
    for record in records:
        result = results.get(_identifier(record))
        if result is None:
            outcomes += failed([record], MISSING, attempts)
        elif result.record_id in duplicates:
            outcomes += failed([record], DUPLICATED, attempts)
        elif result.result != "Dropped":
            outcomes.append(_outcome(record, result, attempts))
    return outcomes


def _outcome(record: SourceRecord, result: _ResponseRecord, attempts: int) -> ProcessedRecord:
    if result.result == "ProcessingFailed":
        return FailedRecord(record, PROCESSING_FAILED, *PROCESSING_FAILED_STATUS, attempts)
    if result.data is None:
        return FailedRecord(record, PROCESSING_FAILED, *NO_DATA, attempts)
    return TransformedRecord(record, result.data, result.metadata.partition_keys if result.metadata else {})


def failed(records: Sequence[SourceRecord], error: tuple[str, str], attempts: int) -> list[ProcessedRecord]:
    """Return all records as failed with *error*, a code and a message."""
    return [FailedRecord(record, PROCESSING_FAILED, *error, attempts) for record in records]


def invocation_error(error: Exception) -> tuple[str, str]:
    """Return the error code and message of an invocation that did not reach the function."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    return INVOCATION_ERRORS.get(code, "Lambda.FunctionError"), str(error)
