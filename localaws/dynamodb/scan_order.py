"""Gap: a Scan returns the items in the order of their keys, where DynamoDB orders partitions by a hash of the key.

An application that relies on the order of a Scan works here and fails on AWS. This module orders partitions by MD5,
and the items of a partition by their sort key, with numbers as numbers. AWS documents no hash function.
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.Partitions.html
No longer needed when a Scan of the hash keys 1, 2 and 3 does not return them in this order.
"""

import hashlib
from types import FunctionType, SimpleNamespace
from typing import Any

from ministack.services import dynamodb

from localaws.dynamodb import index_consistency
from localaws.dynamodb.query_cost import key_schemas, sort_value

type Json = dict[str, Any]


def position(table: Json, hashes: list[str], ranges: list[str], item: Json) -> tuple[Any, ...]:
    """Return the value by which a Scan of the table or of an index orders the item."""
    values = [dynamodb._extract_key_val(item[name]) for name in hashes]
    digest = hashlib.md5("\0".join(map(str, values)).encode(), usedforsecurity=False).digest()
    return (digest, *sort_value(table, ranges, item))


def apply() -> None:
    scan = dynamodb._scan

    def scan_by_hash(request: Json) -> Any:
        index = request.get("IndexName") or None

        def schema(table: Json) -> tuple[list[str], list[str]]:
            return key_schemas(table).get(index, ([], []))

        def lookup_table(name: Any) -> Any:
            table = index_consistency.table_for(name, index)
            if not table:
                return None
            hashes, ranges = schema(table)
            items = [
                item
                for partition in table["items"].values()
                for item in partition.values()
                if all(key in item for key in (*hashes, *ranges))
            ]
            items.sort(key=lambda item: position(table, hashes, ranges, item))
            return table | {"items": {"": dict(enumerate(items))}}  # the emulator sorts by these keys

        def after(
            items: list[Json], start: Json, *arguments: Any, table: Json | None = None, **named: Any
        ) -> list[Json]:
            owner = table or arguments[-1]
            start_position = position(owner, *schema(owner), start)
            return [item for item in items if position(owner, *schema(owner), item) > start_position]

        names = vars(dynamodb) | {
            "_tables": SimpleNamespace(get=lookup_table),
            "_index_order_keys": lambda table, ranges: [],
            "_apply_exclusive_start_key": after,
            "_apply_exclusive_start_key_scan": after,
        }
        return FunctionType(scan.__code__, names)(request)

    dynamodb._scan = scan_by_hash
