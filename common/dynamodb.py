"""DynamoDB as a table module needs it: a client, with DAX where the stage has it, and items from and to values."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Collection, Iterator
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from common import aws
from common.errors import ServiceUnavailable

_TRIES = 5


@functools.cache
def client(dax_endpoint: str = "") -> Any:
    """Return a low-level client: the DAX cluster's where the stage has one, else DynamoDB's own.

    Both take and answer the same values. DAX lives in a VPC and is reached by functions inside it only:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.client.html
    """
    if not dax_endpoint:
        return aws.client("dynamodb")
    from amazondax import AmazonDaxClient  # heavy: only a stage with DAX pays for it

    return AmazonDaxClient(endpoint_url=dax_endpoint)


def get_all(
    client: Any, table: str, keys: Collection[dict[str, Any]], consistent: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the values of those of at most 100 *keys* that *table* has, in no order. Raises ServiceUnavailable.

    DynamoDB may leave keys of a batch for another try, as often as it likes:
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
    """
    asked = {table: {"Keys": [item(key) for key in keys], "ConsistentRead": consistent}} if keys else {}
    tries = _tries()
    while asked:
        next(tries)
        with aws.translated():
            answer = client.batch_get_item(RequestItems=asked)
        yield from map(values, answer["Responses"].get(table, []))
        asked = answer.get("UnprocessedKeys", {})


def put_all(client: Any, table: str, items: Collection[dict[str, Any]]) -> None:
    """Store at most 25 *items* in *table*, in no order. Raises ServiceUnavailable; some may be stored then.

    DynamoDB may leave items of a batch for another try too:
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
    """
    asked = {table: [{"PutRequest": {"Item": item(each)}} for each in items]} if items else {}
    tries = _tries()
    while asked:
        next(tries)
        with aws.translated():
            answer = client.batch_write_item(RequestItems=asked)
        asked = answer.get("UnprocessedItems", {})


def _tries() -> Iterator[None]:
    """Yield before each try, after a pause that gets longer. Raises ServiceUnavailable when there were enough."""
    yield
    for attempt in range(1, _TRIES):
        time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311  # a jitter, no secret
        yield
    raise ServiceUnavailable("the database is busy, please try again")


def item(values: dict[str, Any]) -> dict[str, Any]:
    """Return *values* in DynamoDB's own notation, ``{"name": {"S": "x"}}``."""
    return {name: _serializer.serialize(value) for name, value in values.items()}


def values(item: dict[str, Any]) -> dict[str, Any]:
    """Return what an *item* holds; its numbers are Decimals."""
    return {name: _deserializer.deserialize(value) for name, value in item.items()}


_serializer = TypeSerializer()
_deserializer = TypeDeserializer()
