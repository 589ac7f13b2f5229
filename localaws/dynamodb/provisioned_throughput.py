"""Gap: a table with provisioned throughput takes any number of reads and writes a second.

What a table does not use in five minutes is kept for a burst. When that is used up, GetItem, Query, Scan, PutItem,
UpdateItem and DeleteItem are refused until units are there again, and count in ReadThrottleEvents or
WriteThrottleEvents. Batches, transactions and indexes do not count. Tables on demand take everything.
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/provisioned-capacity-mode.html
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
No longer needed when a table with one read capacity unit refuses one of 400 consistent reads in a second.
"""

import json
import time
from typing import Any, Literal

from ministack.core.responses import error_response_json
from ministack.services import dynamodb

from localaws.cloudwatch.service_metrics import record

type Json = dict[str, Any]
type Kind = Literal["Read", "Write"]

BURST = 300
"""Seconds of unused capacity that a table keeps."""
EXCEEDED = (
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning "
    "level with the UpdateTable API."
)
OPERATIONS: dict[str, Kind] = {
    "_get_item": "Read",
    "_query": "Read",
    "_scan": "Read",
    "_put_item": "Write",
    "_update_item": "Write",
    "_delete_item": "Write",
}

_left: dict[tuple[str, Kind], tuple[float, float]] = {}
"""By the id of a table the units that are left to it, and when these were counted, epoch seconds."""


def rate(table: Json, kind: Kind) -> float:
    """Return the units that a table has in a second, or 0 for one on demand."""
    return float((table.get("ProvisionedThroughput") or {}).get(f"{kind}CapacityUnits") or 0)


def left(table: Json, kind: Kind) -> float:
    """Return the units that are left to a table. They are negative after a request that needed more."""
    most, key, now = BURST * rate(table, kind), (table["TableId"], kind), time.time()
    units, counted = _left.get(key, (most, now))
    units = min(most, units + (now - counted) * rate(table, kind))
    _left[key] = units, now
    return units


def limited(run: Any, kind: Kind) -> Any:
    """Wrap an operation on items."""

    def operation(request: Json) -> Any:
        table = dynamodb._tables.get(dynamodb._normalize_table_name(request.get("TableName")))
        if not (table and rate(table, kind)):
            return run(request)
        if left(table, kind) <= 0:
            record("AWS/DynamoDB", f"{kind}ThrottleEvents", 1.0, "Count", {"TableName": table["TableName"]})
            return error_response_json("ProvisionedThroughputExceededException", EXCEEDED, 400)
        asked = request.get("ReturnConsumedCapacity", "NONE")
        status, headers, body = run(request | ({"ReturnConsumedCapacity": "TOTAL"} if asked == "NONE" else {}))
        answer = json.loads(body)
        if consumed := answer.get("ConsumedCapacity"):
            units, counted = _left[table["TableId"], kind]
            _left[table["TableId"], kind] = units - consumed["CapacityUnits"], counted
        if asked == "NONE" and answer.pop("ConsumedCapacity", None):
            body = json.dumps(answer).encode()
        return status, headers, body

    return operation


def apply() -> None:
    for name, kind in OPERATIONS.items():
        setattr(dynamodb, name, limited(getattr(dynamodb, name), kind))
