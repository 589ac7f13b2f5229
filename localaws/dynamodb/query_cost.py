"""Gap: a Query reads, sorts and checks its whole partition, and says, as each read, that it consumed one unit.

AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html#read-operation-consumption
Here the keys of each partition, of the table and of its indexes, are kept in order, and the emulator's own Query
sees of a partition only the items that its page reads; all of them if its key condition is not understood here.
No longer needed when a page of 100 000 items takes as long as one of 10, and consumes the size of what it read.
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

type Json = dict[str, Any]
# The name of an index, or None for the table itself, and the hash key's value.
type Partition = tuple[str | None, Any]
# What sorts an item in its partition, then the two keys under which the table holds it.
type Entry = tuple[Any, ...]
type Ordered = dict[Partition, list[Entry]]

# Among the emulator's members of indexes, because it drops those when it replaces items or indexes.
ORDERED = "\0ordered"
COMPARISONS = ("=", "<", "<=", ">", ">=")
READ_UNIT = 4096

read_page = dynamodb._paginate_evaluated_items
last_page: ContextVar[tuple[list[Json], Json, str | None]] = ContextVar("last_page")
lock = threading.Lock()  # items expire in a thread of their own


def key_schemas(table: Json) -> dict[str | None, tuple[list[str], list[str]]]:
    """Names of the hash and the range keys of the table and of each of its indexes."""
    own = ([table["pk_name"]], [table["sk_name"]] if table["sk_name"] else [])
    return {None: own} | {index: (hashes, ranges) for index, hashes, ranges in dynamodb._index_key_schemas(table)}


def sorting(table: Json, ranges: list[str], item: Json) -> Entry:
    keys = dynamodb._index_order_keys(table, ranges)
    return tuple(dynamodb._index_order_value(item, name, kind) for name, kind in keys)


def entries_of(table: Json, pk: Any, sk: Any, item: Json) -> Iterator[tuple[Partition, Entry]]:
    for index, (hashes, ranges) in key_schemas(table).items():
        value = dynamodb._index_partition(item, hashes, ranges)
        if value is not None:
            yield (index, value), (*sorting(table, ranges, item), pk, sk)


def ordered(table: Json) -> Ordered:
    members = dynamodb._index_members(table)
    if ORDERED not in members:
        members[ORDERED] = defaultdict(list)
        for pk, items in table["items"].items():
            for sk, item in items.items():
                for partition, entry in entries_of(table, pk, sk, item):
                    members[ORDERED][partition].append(entry)
        for entries in members[ORDERED].values():
            entries.sort()
    partitions: Ordered = members[ORDERED]
    return partitions


def keep_in_order(partitions: Ordered, table: Json, pk: Any, sk: Any, item: Json, add: bool) -> None:
    """Right also for partitions that were only now made, and know the change already."""
    for partition, entry in entries_of(table, pk, sk, item):
        entries = partitions[partition]
        position = bisect_left(entries, entry)
        there = entries[position : position + 1] == [entry]
        if add and not there:
            entries.insert(position, entry)
        elif there and not add:
            del entries[position]
        if not entries:
            del partitions[partition]


def conditions(table: Json, query: Json, hashes: list[str], sort_key: list[str]) -> list[tuple[str, Any]] | None:
    """With what the query compares the sort key and how, or None if that is not understood."""
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
    """From where to where the sort key compares so with the value."""
    sort_key, end = itemgetter(0), len(entries)
    left, right = bisect_left(entries, value, key=sort_key), bisect_right(entries, value, key=sort_key)
    if operator == "begins_with":
        return left, bisect_right(entries, value, key=lambda entry: entry[0][: len(value)])
    return {"=": (left, right), "<": (0, left), "<=": (0, right), ">": (right, end), ">=": (left, end)}[operator]


def readable(table: Json, query: Json, hash_value: Any, default: Any) -> Any:
    """The items of the partition that the page reads."""
    index = query.get("IndexName") or None
    hashes, ranges = key_schemas(table)[index]
    asked = conditions(table, query, hashes, ranges[:1])
    if asked is None:
        return (dynamodb._index_members(table)[index] if index else table["items"]).get(hash_value, default)
    with lock:
        entries = ordered(table).get((index, hash_value), [])
        spans = [(0, len(entries)), *(span(entries, *condition) for condition in asked)]
        forward = query.get("ScanIndexForward", True)
        if after := query.get("ExclusiveStartKey"):
            bisect = bisect_right if forward else bisect_left
            position = bisect(entries, sorting(table, ranges, after), key=itemgetter(slice(-2)))
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


def remember_page(items: Iterable[Json], limit: Any, table: Json, index: str | None = None) -> Any:
    page, more = read_page(items, limit, table, index)
    last_page.set((page, table, index))
    return page, more


def bytes_read(request: Json, table_name: str) -> int:
    if "Key" in request:
        items = [dynamodb._get_item_by_key(dynamodb._tables[table_name], request["Key"])]
    else:
        page, table, index = last_page.get()
        items = [dynamodb._apply_index_projection(item, table, index) for item in page]
    return sum(dynamodb._item_size_bytes(item) for item in items)


def times(number: int, capacity: Json) -> Json:
    """The capacity of as many reads, of the table and of each index."""
    return {
        name: times(number, value) if isinstance(value, dict) else value * number if name == "CapacityUnits" else value
        for name, value in capacity.items()
    }


def apply() -> None:
    query, index_item, consume = dynamodb._query, dynamodb._index_item, dynamodb._add_consumed_capacity

    def query_page(request: Json) -> Any:
        def seen(name: Any) -> Any:
            table = dynamodb._tables.get(name)
            if not table:
                return None
            # Asked for when the emulator has found the request valid.
            partitions = SimpleNamespace(get=lambda value, default: readable(table, request, value, default))
            index = request.get("IndexName")
            return table | ({dynamodb._INDEX_MEMBERS: {index: partitions}} if index else {"items": partitions})

        return FunctionType(query.__code__, vars(dynamodb) | {"_tables": SimpleNamespace(get=seen)})(request)

    def index_item_in_order(table: Json, pk: Any, sk: Any, item: Json, add: bool) -> None:
        with lock:
            # Made before the emulator's own change, which would not know members that are made after it.
            partitions = ordered(table)
            index_item(table, pk, sk, item, add)
            keep_in_order(partitions, table, pk, sk, item, add)

    def consume_bytes(result: Json, request: Json, table_name: str, write: bool = False, **more: Any) -> None:
        consume(result, request, table_name, write, **more)
        if "ConsumedCapacity" in result and not write:
            units = max(1, -(-bytes_read(request, table_name) // READ_UNIT))
            result["ConsumedCapacity"] = times(units, result["ConsumedCapacity"])

    dynamodb._query = query_page
    dynamodb._index_item = index_item_in_order
    dynamodb._add_consumed_capacity = consume_bytes
    dynamodb._paginate_evaluated_items = remember_page
