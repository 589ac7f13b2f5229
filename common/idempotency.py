"""Idempotent creation: the Idempotency-Key is stored in one transaction with the thing that was created.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import random
import time
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from msgspec import Struct

from common import aws, dynamodb
from common.errors import Conflict, IdempotencyKeyReused

_LIFE = 24 * 3600
"""Seconds for which a key is kept."""


def put_once[T: Struct](client: Any, put: dict[str, Any], key: dict[str, str], fingerprint: str, value: T) -> T:
    """Execute *put*, a DynamoDB Put, and return *value*; if *key* was used before, return the value of that call.

    The record of the key is an item of the same table, which DynamoDB removes by its ``expires_at``. One transaction
    writes both, so a crash leaves both or neither, and one of many concurrent callers succeeds. Raises
    IdempotencyKeyReused when the key was used with another *fingerprint*, and Conflict while other calls are running.
    """
    record = {
        **key,
        "fingerprint": fingerprint,
        "value": msgspec.json.encode(value).decode(),
        "expires_at": int(time.time()) + _LIFE,
    }
    put_record = {
        "TableName": put["TableName"],
        "Item": dynamodb.item(record),
        # An expired record may stay for days before DynamoDB removes it.
        "ConditionExpression": "attribute_not_exists(fingerprint) OR expires_at < :now",
        "ExpressionAttributeValues": dynamodb.item({":now": int(time.time())}),
    }
    for attempt in range(6):
        try:
            with aws.translated():
                client.transact_write_items(TransactItems=[{"Put": put_record}, {"Put": put}])
            return value
        except ClientError as error:
            if aws.code(error) not in ("TransactionCanceledException", "TransactionInProgressException"):
                raise
        if stored := _stored(client, put["TableName"], key):
            if stored["fingerprint"] != fingerprint:
                raise IdempotencyKeyReused("this Idempotency-Key was used with another body")
            return msgspec.json.decode(stored["value"], type=type(value))
        time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311  # jitter, not a secret
    raise Conflict("another request with this Idempotency-Key is running")


def _stored(client: Any, table: str, key: dict[str, str]) -> dict[str, Any] | None:
    with aws.translated():
        answer = client.get_item(TableName=table, Key=dynamodb.item(key), ConsistentRead=True)
    return dynamodb.values(answer["Item"]) if answer.get("Item") else None
