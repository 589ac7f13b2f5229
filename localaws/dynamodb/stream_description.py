"""Gap: the shard of a new stream has no StartingSequenceNumber, and a missing stream is reported in other words.

AWS: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_DescribeStream.html
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_SequenceNumberRange.html
No longer needed when DescribeStream of a new stream returns a shard with a StartingSequenceNumber.
"""

import json
from typing import Any

from ministack.core.responses import json_response
from ministack.services import dynamodb_streams

FIRST = "0" * 30
"""A sequence number before all that the emulator gives out."""
MISSING = "Stream not found: "


def apply() -> None:
    describe = dynamodb_streams._describe_stream

    def describe_stream(data: dict[str, Any]) -> Any:
        status, headers, body = describe(data)
        answer = json.loads(body)
        if status >= 400:
            message = answer.get("message", "")
            if message.startswith(MISSING):
                arn = message.removeprefix(MISSING)
                answer["message"] = f"Requested resource not found: Stream: {arn} not found"
            return status, headers, json.dumps(answer).encode()
        for shard in answer["StreamDescription"]["Shards"]:
            shard["SequenceNumberRange"].setdefault("StartingSequenceNumber", FIRST)
        return json_response(answer)

    dynamodb_streams._describe_stream = describe_stream
