"""DynamoDB for table modules: the client, which is DAX's where the stage has DAX, batches, and items as values."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any

import msgspec
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from common import aws
from common.errors import ServiceUnavailable

_TRIES = 5


@functools.cache
def client(dax_endpoint: str = "") -> Any:
    """Return a low-level client: the DAX cluster's where the stage has one, else DynamoDB's.

    Both have the same requests and responses. DAX runs in a VPC, and only functions inside the VPC can reach it:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.client.html
    """
    if not dax_endpoint:
        return aws.client("dynamodb")
    from amazondax import AmazonDaxClient  # slow to import, so only a stage with DAX imports it

    return AmazonDaxClient(endpoint_url=dax_endpoint)


def get_all(
    client: Any, table: str, keys: Collection[dict[str, Any]], consistent: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the values of the items of *table* at *keys*, at most 100, in any order. Raises ServiceUnavailable.

    DynamoDB may return some keys of a batch unprocessed, any number of times:
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
    """
    requested = {table: {"Keys": [item(key) for key in keys], "ConsistentRead": consistent}} if keys else {}
    tries = _tries()
    while requested:
        next(tries)
        with aws.translated():
            answer = client.batch_get_item(RequestItems=requested)
        yield from map(values, answer["Responses"].get(table, []))
        requested = answer.get("UnprocessedKeys", {})


def put_all(client: Any, table: str, items: Collection[dict[str, Any]]) -> None:
    """Store at most 25 *items* in *table*, in any order. Raises ServiceUnavailable; some may then be stored.

    DynamoDB may return some items of a batch unprocessed, too:
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
    """
    requested = {table: [{"PutRequest": {"Item": item(each)}} for each in items]} if items else {}
    tries = _tries()
    while requested:
        next(tries)
        with aws.translated():
            answer = client.batch_write_item(RequestItems=requested)
        requested = answer.get("UnprocessedItems", {})


def _tries() -> Iterator[None]:
    """Yield before each of `_TRIES` attempts, after a growing pause. Raises ServiceUnavailable after the last."""
    yield
    for attempt in range(1, _TRIES):
        time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311  # jitter, not a secret
        yield
    raise ServiceUnavailable("the database is busy, please try again")


def item(values: dict[str, Any]) -> dict[str, Any]:
    """Return *values* as a DynamoDB item, for example ``{"name": {"S": "x"}}``."""
    return {name: _serializer.serialize(value) for name, value in values.items()}


def values(item: dict[str, Any]) -> dict[str, Any]:
    """Return the values in a DynamoDB *item*; its numbers are ints, or floats if they have a fraction."""
    return {name: _plain.deserialize(value) for name, value in item.items()}


def read[T](item: dict[str, Any], cls: type[T]) -> T:
    """Return a DynamoDB *item* as *cls*, whichever release of the app wrote the item.

    A missing attribute gets the default of its field, and an attribute without a field is ignored. So every field that
    is added after an item was first stored needs a default. A number becomes the type of its field: int, float or
    Decimal, which keeps all its digits. Raises msgspec.ValidationError for anything else.
    """
    return msgspec.convert({name: _exact.deserialize(value) for name, value in item.items()}, cls)


def version_condition(key: str, versions: Collection[str] | None) -> tuple[str, dict[str, Any]]:
    """Return the condition that an item exists at one of *versions* (None: any), and the condition's values.

    It uses the names ``#<key>``, an attribute that every item has, and ``#version``. A version that is not a number
    matches no item.
    """
    exists = f"attribute_exists(#{key})"
    if versions is None:
        return exists, {}
    numbers = [int(version) if version.isdecimal() and len(version) < 16 else -1 for version in versions] or [-1]
    values = {f":version{n}": number for n, number in enumerate(numbers)}
    return f"{exists} AND #version IN ({', '.join(values)})", values


class _Serializer(TypeSerializer):  # type: ignore[misc]
    """The one of boto3 refuses floats, which JSON numbers are. Their shortest form has at most 17 of the 38 digits."""

    def serialize(self, value: Any) -> dict[str, Any]:
        serialized: dict[str, Any] = super().serialize(Decimal(repr(value)) if isinstance(value, float) else value)
        return serialized


class _Exact(TypeDeserializer):  # type: ignore[misc]
    def _deserialize_n(self, value: str) -> int | Decimal:
        number = Decimal(value)
        return int(number) if number == number.to_integral_value() else number

    def _deserialize_b(self, value: Any) -> bytes:
        return bytes(super()._deserialize_b(value).value)


class _Plain(_Exact):
    def _deserialize_n(self, value: str) -> int | float:  # type: ignore[override]
        number = super()._deserialize_n(value)
        return number if isinstance(number, int) else float(number)


_serializer = _Serializer()
_exact = _Exact()
_plain = _Plain()
