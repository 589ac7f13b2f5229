"""DynamoDB as a table module needs it: a client, with DAX where the stage has it, and items from and to values."""

from __future__ import annotations

import functools
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from common import aws


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


def item(values: dict[str, Any]) -> dict[str, Any]:
    """Return *values* in DynamoDB's own notation, ``{"name": {"S": "x"}}``."""
    return {name: _serializer.serialize(value) for name, value in values.items()}


def values(item: dict[str, Any]) -> dict[str, Any]:
    """Return what an *item* holds; its numbers are Decimals."""
    return {name: _deserializer.deserialize(value) for name, value in item.items()}


_serializer = TypeSerializer()
_deserializer = TypeDeserializer()
