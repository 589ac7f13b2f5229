"""Gap: an item that expires by its time to live leaves no record in the stream, and stays in the other replicas.

The record names the service that deleted the item. The records of the other replicas do not, as on AWS.
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
No longer needed when the stream of a table has a REMOVE record of an expired item.
"""

import threading
from contextvars import ContextVar
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import dynamodb

DELETES = "dynamodb-ttl-reaper"
"""The name of the thread that deletes expired items."""
SERVICE = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}

_expiring: ContextVar[str | None] = ContextVar("expiring", default=None)
"""The ARN of the table whose item expires, while its record is written."""


def with_record(remove: Any) -> Any:
    def remove_item(table: dict[str, Any], pk: Any, sk: Any) -> Any:
        item = remove(table, pk, sk)
        if item is None or threading.current_thread().name != DELETES or _expiring.get():
            return item
        _, _, _, region, account, _ = table["TableArn"].split(":", 5)
        token = _expiring.set(table["TableArn"])
        try:
            with request_scope(account, region):
                dynamodb._emit_stream_event(table["TableName"], "REMOVE", item, None)
        finally:
            _expiring.reset(token)
        return item

    return remove_item


def with_identity(build: Any) -> Any:
    def build_record(table: dict[str, Any], *change: Any) -> Any:
        identity = {"userIdentity": SERVICE} if _expiring.get() == table["TableArn"] else {}
        return build(table, *change) | identity

    return build_record


def apply() -> None:
    dynamodb._remove_item = with_record(dynamodb._remove_item)
    dynamodb._build_change_record = with_identity(dynamodb._build_change_record)
