"""What goes to the function and what its answer means.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html
https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html
The pages leave open what fails with a wrong answer. What others measured holds here: a record that is not answered,
or twice, fails alone; an answer that is not understood fails the batch, and only a call that failed is made again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal
from uuid import uuid4

import msgspec
from botocore.exceptions import ClientError

from localaws.firehose.deployed import DeliveryStream, Transform
from localaws.firehose.records import PROCESSING_FAILED, Failed, Record, Transformed

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
REFUSALS = {
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


class _AnswerMetadata(msgspec.Struct, rename="camel"):
    partition_keys: dict[str, str] = {}


class _AnswerRecord(msgspec.Struct, rename="camel"):
    record_id: str
    result: Literal["Ok", "Dropped", "ProcessingFailed"]
    data: bytes | None = None
    metadata: _AnswerMetadata | None = None


class _Answer(msgspec.Struct):
    records: list[_AnswerRecord]


_decode = msgspec.json.Decoder(_Answer).decode
EVENT_SIZE = 600  # at most, of an event without records
METADATA_SIZE = 420  # at most, of a record in it without data and partition key


def share(transform: Transform, record: Record) -> float:
    """Return how much of a batch the record fills: its size by the hint, or by what one invocation may carry."""
    request = METADATA_SIZE + len(record.data) * 4 / 3 + len(record.partition_key) * 6
    return max(len(record.data) / transform.hint.size, request / (PAYLOAD_LIMIT - EVENT_SIZE))


def event(stream: DeliveryStream, records: Sequence[Record]) -> bytes:
    """Return the event of one invocation; each has an identifier of its own."""
    return msgspec.json.encode(
        _Event(
            invocation_id=str(uuid4()),
            source_kinesis_stream_arn=stream.source_arn,
            delivery_stream_arn=stream.arn,
            region=stream.region,
            records=[_event_record(record) for record in records],
        )
    )


def _event_record(record: Record) -> _EventRecord:
    arrived = round(record.arrived * 1000)
    metadata = _Metadata(record.sequence_number, 0, record.partition_key, record.shard_id, arrived)
    return _EventRecord(_identifier(record), arrived, record.data, metadata)


def _identifier(record: Record) -> str:
    return record.sequence_number + "000000"


def outcome(answer: bytes, records: Sequence[Record], attempts: int) -> list[Transformed | Failed]:
    """Return what becomes of each record by the function's answer; those that it dropped are not among them."""
    try:
        answered = _decode(answer).records
    except msgspec.DecodeError:
        return failed(records, FUNCTION_ERROR, attempts)
    results = {each.record_id: each for each in answered}
    twice = {identifier for identifier, count in Counter(each.record_id for each in answered).items() if count > 1}
    outcomes: list[Transformed | Failed] = []
    for record in records:
        result = results.get(_identifier(record))
        if result is None:
            outcomes += failed([record], MISSING, attempts)
        elif result.record_id in twice:
            outcomes += failed([record], DUPLICATED, attempts)
        elif result.result != "Dropped":
            outcomes.append(_outcome(record, result, attempts))
    return outcomes


def _outcome(record: Record, result: _AnswerRecord, attempts: int) -> Transformed | Failed:
    if result.result == "ProcessingFailed":
        return Failed(record, PROCESSING_FAILED, *PROCESSING_FAILED_STATUS, attempts)
    if result.data is None:
        return Failed(record, PROCESSING_FAILED, *NO_DATA, attempts)
    return Transformed(record, result.data, result.metadata.partition_keys if result.metadata else {})


def failed(records: Sequence[Record], error: tuple[str, str], attempts: int) -> list[Transformed | Failed]:
    """Return the records as failed for that reason."""
    return [Failed(record, PROCESSING_FAILED, *error, attempts) for record in records]


def refusal(error: Exception) -> tuple[str, str]:
    """Return what a call that reached no function is called in an error record."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    return REFUSALS.get(code, "Lambda.FunctionError"), str(error)
