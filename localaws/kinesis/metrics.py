"""Gap: streams have no metrics, so no alarm on the writes to a stream changes its state.

Each PutRecord and PutRecords adds to IncomingRecords, IncomingBytes and WriteProvisionedThroughputExceeded.
AWS: https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
No longer needed when PutRecord adds one to the metric IncomingRecords of its stream.
"""

import json
from typing import Any

from ministack.services import kinesis

from localaws.cloudwatch.service_metrics import record
from localaws.kinesis.throughput import EXCEEDED, size

type Json = dict[str, Any]


def with_metrics(put: Any) -> Any:
    """Wrap PutRecord and PutRecords, as `throughput` has them."""

    def run(data: Json) -> Any:
        status, headers, body = put(data)
        name, stream = kinesis._resolve_stream(data)
        if stream:
            record_writes(name, data.get("Records") or [data], status, json.loads(body))
        return status, headers, body

    return run


def record_writes(name: str, records: list[Json], status: int, answer: Json) -> None:
    """Record what became of the records of a request."""
    results = answer.get("Records") or [{}] * len(records)
    if status >= 400:
        results = [{"ErrorCode": answer.get("__type", "")}] * len(records)
    taken = [record for record, result in zip(records, results, strict=True) if "ErrorCode" not in result]
    exceeded = sum(EXCEEDED in result.get("ErrorCode", "") for result in results)
    dimensions = {"StreamName": name}
    if taken:
        record("AWS/Kinesis", "IncomingRecords", float(len(taken)), "Count", dimensions)
        record("AWS/Kinesis", "IncomingBytes", float(sum(map(size, taken))), "Bytes", dimensions)
    record("AWS/Kinesis", "WriteProvisionedThroughputExceeded", float(exceeded), "Count", dimensions)


def apply() -> None:
    kinesis._put_record = with_metrics(kinesis._put_record)
    kinesis._put_records = with_metrics(kinesis._put_records)
