"""The error records that Firehose writes to S3 for failed records.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html
https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion-error-handling.html
"""

from __future__ import annotations

import base64
import json
from typing import Any

from localaws.firehose.deployed import DeliveryStream
from localaws.firehose.records import CONVERSION_FAILED, FailedRecord


def line(stream: DeliveryStream, failed: FailedRecord, now: float) -> bytes:
    """Return the error record as a JSON line. *now* is in epoch seconds, times in the line are in milliseconds."""
    document: dict[str, Any] = {
        "attemptsMade": failed.attempts,
        "arrivalTimestamp": int(failed.record.arrived * 1000),
        "attemptEndingTimestamp": int(now * 1000),
        "rawData": base64.b64encode(failed.record.data).decode(),
    }
    if failed.output_type == CONVERSION_FAILED and stream.conversion:
        document |= {
            "ErrorCode": failed.code,
            "ErrorMessage": failed.message,
            "sequenceNumber": failed.record.sequence_number,
            "subSequenceNumber": 0,
            "dataCatalogTable": {name[0].lower() + name[1:]: v for name, v in stream.conversion.table.items()}
            | {"region": stream.region},
        }
    else:
        document |= {
            "errorCode": failed.code,
            "errorMessage": failed.message,
            "lambdaArn": stream.transform.function_arn if stream.transform else "",
        }
    return json.dumps(document).encode() + b"\n"
