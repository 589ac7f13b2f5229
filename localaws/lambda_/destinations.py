"""On-failure destinations: the invocation record of a discarded batch.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
A queue or topic gets the metadata only; a bucket also gets the event. The record of a batch that is too old has no
`responseContext`, even if the function was invoked, and counts the attempt that AWS no longer made.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from localaws.lambda_.batches import EXPIRED, Discarded, Outcome
from localaws.lambda_.clients import Clients
from localaws.lambda_.mappings import EventSourceMapping
from localaws.times import iso

BATCH_INFO = {"dynamodb": ("DDBStreamBatchInfo", "seconds"), "kinesis": ("KinesisBatchInfo", "milliseconds")}


def send(clients: Clients, mapping: EventSourceMapping, shard_id: str, discarded: Discarded) -> None:
    """Send the invocation record to the mapping's on-failure destination, if it has one."""
    if mapping.on_failure is None:
        return
    now = datetime.now(UTC)
    record = invocation_record(mapping, shard_id, discarded, now)
    service, name = mapping.on_failure.split(":")[2], mapping.on_failure.split(":")[-1]
    if service == "sqs":
        sqs = clients("sqs")
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody=json.dumps(record))
    elif service == "sns":
        clients("sns").publish(TopicArn=mapping.on_failure, Message=json.dumps(record))
    else:
        payload = json.dumps({"Records": [each.event for each in discarded.batch.records]})
        key = f"aws/lambda/{mapping.uuid}/{shard_id}/{now:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid4()}"
        clients("s3").put_object(Bucket=name, Key=key, Body=json.dumps(record | {"payload": payload}))


def invocation_record(
    mapping: EventSourceMapping, shard_id: str, discarded: Discarded, now: datetime
) -> dict[str, Any]:
    """Return the invocation record of a discarded batch."""
    info, precision = BATCH_INFO[mapping.service]
    batch, records = discarded.batch, discarded.batch.records
    expired = discarded.condition == EXPIRED
    return {
        "requestContext": {
            "requestId": batch.outcome.request_id if batch.outcome else str(uuid4()),
            "functionArn": mapping.function_arn,
            "condition": discarded.condition,
            "approximateInvokeCount": batch.invocations + expired,
        },
        **({} if expired or batch.outcome is None else {"responseContext": _response(batch.outcome)}),
        "version": "1.0",
        "timestamp": iso(now),
        info: {
            "shardId": shard_id,
            "startSequenceNumber": records[0].identifier,
            "endSequenceNumber": records[-1].identifier,
            "approximateArrivalOfFirstRecord": iso(datetime.fromtimestamp(records[0].arrived, UTC), precision),
            "approximateArrivalOfLastRecord": iso(datetime.fromtimestamp(records[-1].arrived, UTC), precision),
            "batchSize": len(records),
            "streamArn": mapping.source_arn,
        },
    }


def _response(outcome: Outcome) -> dict[str, Any]:
    """Return the `responseContext`. Its `functionError` is null if the function reported failed records."""
    return {
        "statusCode": 200,
        "executedVersion": outcome.executed_version,
        "functionError": outcome.function_error,
    }
