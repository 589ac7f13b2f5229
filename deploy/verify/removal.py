"""Removal of objects and items that a journey has made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def delete_objects(s3: Any, bucket: str, prefix: str) -> None:
    """Delete every object whose key begins with *prefix*, with all its versions."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    """Return the keys that begin with *prefix*."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def items_of(dynamodb: Any, table: str, attribute: str, value: str) -> Iterator[dict[str, Any]]:
    """Yield the items whose partition key *attribute* is *value*, by a consistent read."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="#key = :value",
        ExpressionAttributeNames={"#key": attribute},
        ExpressionAttributeValues={":value": {"S": value}},
        ConsistentRead=True,
    )
    for page in pages:
        yield from page["Items"]


def delete_items(dynamodb: Any, table: str, attribute: str, value: str, sort: str) -> None:
    """Delete the items whose partition key *attribute* is *value*; *sort* is the sort key."""
    for item in items_of(dynamodb, table, attribute, value):
        dynamodb.delete_item(TableName=table, Key={attribute: item[attribute], sort: item[sort]})


def delete_item(dynamodb: Any, table: str, **key: str) -> None:
    """Delete the item with a key of strings, if it is there."""
    dynamodb.delete_item(TableName=table, Key={name: {"S": value} for name, value in key.items()})
