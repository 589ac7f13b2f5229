"""Gap: a Query reads and sorts its entire partition, and every read reports a consumed capacity of one unit.

This module keeps the keys of each partition sorted, for the table and its indexes. The emulator's own Query then gets
only the items of the requested page. It gets the entire partition if this module cannot parse the key condition.
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html#read-operation-consumption
No longer needed when a Query for one page takes as long in a partition of 100,000 items as in one of 10, and reports
a consumed capacity that depends on the size of the items read.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from operator import itemgetter
from types import FunctionType, SimpleNamespace
from typing import Any

from ministack.services import dynamodb

from localaws.dynamodb import index_consistency

type Json = dict[str, Any]
# An index name, or None for the table, and the value of the hash key.
type Partition = tuple[str | None, Any]
# The sort value of an item, followed by the hash key and range key that identify it in the table.
type Entry = tuple[Any, ...]
type SortedKeys = dict[Partition, list[Entry]]

# Stored beside the emulator's index members, because the emulator discards them when it replaces items or indexes.
SORTED_KEYS = "\0sorted"
COMPARISONS = ("=", "<", "<=", ">", ">=")
READ_UNIT = 4096

read_page = dynamodb._paginate_evaluated_items
last_page: ContextVar[tuple[list[Json], Json, str | None]] = ContextVar("last_page")
lock = threading.Lock()  # a separate thread deletes expired items


def key_schemas(table: Json) -> dict[str | None, tuple[list[str], list[str]]]:
    """Return the names of the hash keys and range keys of the table (None) and of each index."""
    table_keys = ([table["pk_name"]], [table["sk_name"]] if table["sk_name"] else [])
    return {None: table_keys} | {
        index: (hashes, ranges) for index, hashes, ranges in dynamodb._index_key_schemas(table)
    }


def sort_value(table: Json, ranges: list[str], item: Json) -> Entry:
    keys = dynamodb._index_order_keys(table, ranges)
    return tuple(dynamodb._index_order_value(item, name, kind) for name, kind in keys)


def entries_of(table: Json, pk: Any, sk: Any, item: Json) -> Iterator[tuple[Partition, Entry]]:
    for index, (hashes, ranges) in key_schemas(table).items():
        value = dynamodb._index_partition(item, hashes, ranges)
        if value is not None:
            yield (index, value), (*sort_value(table, ranges, item), pk, sk)


def sorted_keys(table: Json) -> SortedKeys:
    members = dynamodb._index_members(table)
    if SORTED_KEYS not in members:
        members[SORTED_KEYS] = defaultdict(list)
        for pk, items in table["items"].items():
            for sk, item in items.items():
                for partition, entry in entries_of(table, pk, sk, item):
                    members[SORTED_KEYS][partition].append(entry)
        for entries in members[SORTED_KEYS].values():
            entries.sort()
    partitions: SortedKeys = members[SORTED_KEYS]
    return partitions


def update_sorted_keys(partitions: SortedKeys, table: Json, pk: Any, sk: Any, item: Json, add: bool) -> None:
    """Apply a change of one item. Has no effect if *partitions* already include the change."""
    for partition, entry in entries_of(table, pk, sk, item):
        entries = partitions[partition]
        position = bisect_left(entries, entry)
        exists = entries[position : position + 1] == [entry]
        if add and not exists:
            entries.insert(position, entry)
        elif exists and not add:
            del entries[position]
        if not entries:
            del partitions[partition]


def sort_key_conditions(
    table: Json, query: Json, hashes: list[str], sort_key: list[str]
) -> list[tuple[str, Any]] | None:
    """Return the operators and values of the sort key condition, or None if it cannot be parsed."""
    if not query.get("KeyConditionExpression"):
        return None
    names, values = (query.get(f"ExpressionAttribute{kind}") or {} for kind in ("Names", "Values"))
    tokens = dynamodb._tokenize(query["KeyConditionExpression"])
    found: list[tuple[str, Any]] = []
    for clause in dynamodb._key_condition_clauses([token for token in tokens if token[1] not in ("(", ")")]):
        match [names.get(text, text) for _, text in clause]:
            case [name, "=", _] if name in hashes:
                pass
            case [name, operator, value] if name in sort_key and operator in COMPARISONS:
                found.append((operator, value))
            case ["begins_with", name, ",", value] if name in sort_key:
                found.append(("begins_with", value))
            case [name, "BETWEEN", low, "AND", high] if name in sort_key:
                found += [(">=", low), ("<=", high)]
            case _:
                return None
    kinds = [dynamodb._get_attr_type(table, name) for name in sort_key]
    if any(list(values.get(value, ())) != kinds for _, value in found):
        return None
    return [(operator, dynamodb._sort_key_value(values[value], *kinds)) for operator, value in found]


def span(entries: list[Entry], operator: str, value: Any) -> tuple[int, int]:
    """Return the start and end positions of the entries whose sort key satisfies the condition."""
    sort_key, end = itemgetter(0), len(entries)
    left, right = bisect_left(entries, value, key=sort_key), bisect_right(entries, value, key=sort_key)
    if operator == "begins_with":
        return left, bisect_right(entries, value, key=lambda entry: entry[0][: len(value)])
    return {"=": (left, right), "<": (0, left), "<=": (0, right), ">": (right, end), ">=": (left, end)}[operator]


def page_items(table: Json, query: Json, hash_value: Any, default: Any) -> Any:
    """Return the items of the partition that the requested page reads."""
    index = query.get("IndexName") or None
    hashes, ranges = key_schemas(table)[index]
    conditions = sort_key_conditions(table, query, hashes, ranges[:1])
    if conditions is None:
        return (dynamodb._index_members(table)[index] if index else table["items"]).get(hash_value, default)
    with lock:
        entries = sorted_keys(table).get((index, hash_value), [])
        spans = [(0, len(entries)), *(span(entries, *condition) for condition in conditions)]
        forward = query.get("ScanIndexForward", True)
        if start_key := query.get("ExclusiveStartKey"):
            bisect = bisect_right if forward else bisect_left
            position = bisect(entries, sort_value(table, ranges, start_key), key=itemgetter(slice(-2)))
            spans.append((position, len(entries)) if forward else (0, position))
        positions = range(max(start for start, _ in spans), min(end for _, end in spans))
        found: dict[tuple[Any, Any], Json] = {}

        def items() -> Iterator[Json]:
            for position in positions if forward else reversed(positions):
                pk, sk = entries[position][-2:]
                if sk in table["items"].get(pk, ()):
                    yield found.setdefault((pk, sk), table["items"][pk][sk])

        read_page(items(), query.get("Limit"), table, index)
        return found


def record_page(items: Iterable[Json], limit: Any, table: Json, index: str | None = None) -> Any:
    page, next_page = read_page(items, limit, table, index)
    last_page.set((page, table, index))
    return page, next_page


def bytes_read(request: Json, table_name: str) -> int:
    if "Key" in request:
        items = [dynamodb._get_item_by_key(dynamodb._tables[table_name], request["Key"])]
    else:
        page, table, index = last_page.get()
        items = [dynamodb._apply_index_projection(item, table, index) for item in page]
    return sum(dynamodb._item_size_bytes(item) for item in items)


def multiply(number: int, capacity: Json) -> Json:
    """Return the capacity of *number* reads, for the table and each index."""
    return {
        name: multiply(number, value)
        if isinstance(value, dict)
        else value * number
        if name == "CapacityUnits"
        else value
        for name, value in capacity.items()
    }


def apply() -> None:
    query, index_item, consume = dynamodb._query, dynamodb._index_item, dynamodb._add_consumed_capacity

    def query_page(request: Json) -> Any:
        def lookup_table(name: Any) -> Any:
            table = index_consistency.table_for(name, request.get("IndexName"))
            if not table:
                return None
            # The emulator calls `get` after it has validated the request.
            partitions = SimpleNamespace(get=lambda value, default: page_items(table, request, value, default))
            index = request.get("IndexName")
            return table | ({dynamodb._INDEX_MEMBERS: {index: partitions}} if index else {"items": partitions})

        return FunctionType(query.__code__, vars(dynamodb) | {"_tables": SimpleNamespace(get=lookup_table)})(request)

    def index_item_sorted(table: Json, pk: Any, sk: Any, item: Json, add: bool) -> None:
        with lock:
            # Create the index members first. The emulator's own function updates only members that exist.
            partitions = sorted_keys(table)
            index_item(table, pk, sk, item, add)
            update_sorted_keys(partitions, table, pk, sk, item, add)

    def consume_bytes(result: Json, request: Json, table_name: str, write: bool = False, **options: Any) -> None:
        consume(result, request, table_name, write, **options)
        if "ConsumedCapacity" in result and not write:
            units = max(1, -(-bytes_read(request, table_name) // READ_UNIT))
            result["ConsumedCapacity"] = multiply(units, result["ConsumedCapacity"])

    dynamodb._query = query_page
    dynamodb._index_item = index_item_sorted
    dynamodb._add_consumed_capacity = consume_bytes
    dynamodb._paginate_evaluated_items = record_page
