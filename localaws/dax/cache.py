"""Amazon DAX's item cache and query cache in front of a boto3 DynamoDB client, with DAX's consistency.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
"""

import copy
import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

type AttributeValue = dict[str, Any]
type Item = dict[str, AttributeValue]
type Answer = dict[str, Any]
type Path = tuple[str | int, ...]

FIVE_MINUTES = 300_000


class Cluster:
    """A DAX cluster of one node, called like the boto3 `dynamodb` client it reads and writes through.

    The item cache holds whole items by primary key, the query cache whole results by request; with a TTL of 0
    they never expire. The lag between the nodes of a cluster is not modelled.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.concepts.html
    """

    def __init__(
        self,
        dynamodb: Any,
        *,
        record_ttl_millis: int = FIVE_MINUTES,
        query_ttl_millis: int = FIVE_MINUTES,
        capacity: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dynamodb = dynamodb
        self._items = _Cache(record_ttl_millis, capacity, clock)
        self._results = _Cache(query_ttl_millis, capacity, clock)
        self._key_schemas: dict[str, list[dict[str, str]]] = {}
        self._stripes = [threading.Lock() for _ in range(64)]
        self._metrics_lock = threading.Lock()
        caches = ("ItemCache", "QueryCache", "ScanCache")
        self._metrics = {cache + outcome: 0 for cache in caches for outcome in ("Hits", "Misses")}

    def set_ttls(self, *, record_ttl_millis: int, query_ttl_millis: int) -> None:
        """What a changed parameter group does to a running cluster; both parameters are modifiable at once.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/dax-config-considerations.html
        """
        self._items.ttl_millis, self._results.ttl_millis = record_ttl_millis, query_ttl_millis

    def metrics(self) -> dict[str, int]:
        """The totals of the cache metrics, under their CloudWatch names.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/dax-metrics-dimensions-dax.html
        """
        with self._metrics_lock:
            return dict(self._metrics)

    def key_schema(self, table: str) -> list[dict[str, str]]:
        """The table's key attributes with their types, the partition key first."""
        if table not in self._key_schemas:
            described = self._ask("describe_table", {"TableName": table})["Table"]
            types = {each["AttributeName"]: each for each in described["AttributeDefinitions"]}
            partition_key_first = sorted(described["KeySchema"], key=lambda each: str(each["KeyType"]))
            self._key_schemas[table] = [types[each["AttributeName"]] for each in partition_key_first]
        return self._key_schemas[table]

    def get_item(self, **request: Any) -> Answer:
        """An eventually consistent read is answered and filled by the item cache, absent items included.

        "Negative caching" and "Strongly consistent and transactional reads" (these pass through and are not
        cached), https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        if request.get("ConsistentRead"):
            return self._ask("get_item", request)
        identity = _identity(request["TableName"], request["Key"])
        answer = self._cached_item(identity)
        if answer is None:
            whole = {name: request[name] for name in _WHOLE_ITEM if name in request}
            with self._exclusively([identity]):
                answer = self._ask("get_item", whole)
                self._items.put(identity, _only_item(answer))
        if "Item" in answer:
            answer["Item"] = _projected(answer["Item"], request)
        return answer

    def batch_get_item(self, **request: Any) -> Answer:
        """As `get_item`, key by key: only the missing keys are asked of DynamoDB.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.concepts.html
        """
        hits: dict[str, list[Item]] = {}
        ask: dict[str, Any] = {}
        for table, wanted in request["RequestItems"].items():
            if wanted.get("ConsistentRead"):
                ask[table] = wanted
                continue
            found = [(key, self._cached_item(_identity(table, key))) for key in wanted["Keys"]]
            hits[table] = [answer["Item"] for _, answer in found if answer]
            if missing := [key for key, answer in found if answer is None]:
                ask[table] = {"Keys": missing}
        answer = self._fetch(request, ask) if ask else {"Responses": {}, "UnprocessedKeys": {}}
        for table, items in hits.items():
            wanted, items = request["RequestItems"][table], items + answer["Responses"].get(table, [])
            answer["Responses"][table] = [_projected(item, wanted) for item in items]
            if table in answer["UnprocessedKeys"]:
                answer["UnprocessedKeys"][table] = wanted | answer["UnprocessedKeys"][table]
        return answer

    def query(self, **request: Any) -> Answer:
        """Answered and filled by the query cache, whose key is the whole request; no write touches it.

        "DAX query cache behavior",
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        return self._result("query", "Query", request)

    def scan(self, **request: Any) -> Answer:
        """As `query`; https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.concepts.html"""
        return self._result("scan", "Scan", request)

    def put_item(self, **request: Any) -> Answer:
        """Written to DynamoDB first and, when that succeeds, to the item cache.

        "Strategies for writes",
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        identity = _identity(request["TableName"], self._key(request["TableName"], request["Item"]))
        with self._exclusively([identity]):
            answer = self._ask("put_item", request)
            self._items.put(identity, {"Item": request["Item"]})
        return answer

    def update_item(self, **request: Any) -> Answer:
        """Written through; the new item is read back, because ReturnValues is the caller's to choose.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        key = request["TableName"], request["Key"]
        with self._exclusively([_identity(*key)]):
            answer = self._ask("update_item", request)
            self._refresh([key])
        return answer

    def delete_item(self, **request: Any) -> Answer:
        """Written through: the item leaves the cache, and so does a negative entry ("Negative caching").

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        identity = _identity(request["TableName"], request["Key"])
        with self._exclusively([identity]):
            answer = self._ask("delete_item", request)
            self._items.evict(identity)
        return answer

    def batch_write_item(self, **request: Any) -> Answer:
        """As `put_item` and `delete_item` for every write that DynamoDB processed.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        writes = dict(self._writes(request["RequestItems"]))
        with self._exclusively(writes):
            answer = self._ask("batch_write_item", request)
            unprocessed = dict(self._writes(answer.get("UnprocessedItems", {})))
            for identity in writes.keys() - unprocessed.keys():
                self._items.evict(identity)
                if writes[identity] is not None:
                    self._items.put(identity, {"Item": writes[identity]})
        return answer

    def transact_get_items(self, **request: Any) -> Answer:
        """Passes through and caches nothing ("Strongly consistent and transactional reads").

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        return self._ask("transact_get_items", request)

    def transact_write_items(self, **request: Any) -> Answer:
        """Passes through; when it succeeds, TransactGetItems refreshes the items in the item cache.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
        """
        operations = [operation for entry in request["TransactItems"] for operation in entry.values()]
        targets = [(each["TableName"], each.get("Key") or each["Item"]) for each in operations]
        keys = [(table, self._key(table, item)) for table, item in targets]
        with self._exclusively(_identity(*key) for key in keys):
            answer = self._ask("transact_write_items", request)
            self._refresh(keys)
        return answer

    def _ask(self, operation: str, request: dict[str, Any]) -> Answer:
        answer: Answer = getattr(self._dynamodb, operation)(**request)
        return answer

    def _count(self, cache: str, *, hit: bool) -> None:
        with self._metrics_lock:
            self._metrics[f"{cache}Cache{'Hits' if hit else 'Misses'}"] += 1

    def _cached_item(self, identity: Hashable) -> Answer | None:
        answer = self._items.get(identity)
        self._count("Item", hit=answer is not None)
        return answer

    def _result(self, operation: str, metric: str, request: dict[str, Any]) -> Answer:
        if request.get("ConsistentRead"):
            return self._ask(operation, request)
        key = operation, json.dumps(request, sort_keys=True, default=repr)
        answer = self._results.get(key)
        self._count(metric, hit=answer is not None)
        if answer is None:
            answer = self._ask(operation, request)
            # A hit consumes no capacity and has had no HTTP response of its own.
            spent = ("ConsumedCapacity", "ResponseMetadata")
            self._results.put(key, {name: value for name, value in answer.items() if name not in spent})
        return answer

    def _fetch(self, request: dict[str, Any], ask: dict[str, Any]) -> Answer:
        cacheable = {
            _identity(table, key): table
            for table, wanted in ask.items()
            if not wanted.get("ConsistentRead")
            for key in wanted["Keys"]
        }
        with self._exclusively(cacheable):
            answer = self._ask("batch_get_item", request | {"RequestItems": ask})
            found = {
                _identity(table, self._key(table, item)): item
                for table in set(cacheable.values())
                for item in answer["Responses"].get(table, [])
            }
            left = answer["UnprocessedKeys"].items()
            unprocessed = {_identity(table, key) for table, wanted in left for key in wanted["Keys"]}
            for identity in cacheable.keys() - unprocessed:
                self._items.put(identity, {"Item": found[identity]} if identity in found else {})
        return answer

    def _refresh(self, keys: list[tuple[str, Item]]) -> None:
        identities = [_identity(*key) for key in keys]
        for identity in identities:
            self._items.evict(identity)
        # The write has succeeded: a read that fails leaves a miss behind, never an error or a stale item.
        with suppress(ClientError, BotoCoreError):
            gets = [{"Get": {"TableName": table, "Key": key}} for table, key in keys]
            responses = self._ask("transact_get_items", {"TransactItems": gets})["Responses"]
            for identity, response in zip(identities, responses, strict=True):
                self._items.put(identity, _only_item(response))

    def _writes(self, request_items: dict[str, Any]) -> Iterator[tuple[Hashable, Item | None]]:
        for table, writes in request_items.items():
            for write in writes:
                if "PutRequest" in write:
                    item = write["PutRequest"]["Item"]
                    yield _identity(table, self._key(table, item)), item
                else:
                    yield _identity(table, write["DeleteRequest"]["Key"]), None

    def _key(self, table: str, item: Item) -> Item:
        names = [each["AttributeName"] for each in self.key_schema(table)]
        return {name: item[name] for name in names if name in item}

    @contextmanager
    def _exclusively(self, identities: Iterable[Hashable]) -> Iterator[None]:
        """Without it a read that began before a write could fill the cache after it, with the old item."""
        with ExitStack() as held:
            for stripe in sorted({hash(identity) % len(self._stripes) for identity in identities}):
                held.enter_context(self._stripes[stripe])
            yield


class _Cache:
    """Answers by key. The TTL runs from the write; when full, the least recently used leaves first.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/dax-config-considerations.html
    """

    def __init__(self, ttl_millis: int, capacity: int, clock: Callable[[], float]) -> None:
        self.ttl_millis = ttl_millis
        self._capacity = capacity
        self._clock = clock
        self._entries: OrderedDict[Hashable, tuple[float, Answer]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Answer | None:
        with self._lock:
            if key not in self._entries:
                return None
            written, answer = self._entries[key]
            if 0 < self.ttl_millis <= (self._clock() - written) * 1000:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
        return copy.deepcopy(answer)

    def put(self, key: Hashable, answer: Answer) -> None:
        with self._lock:
            self._entries[key] = self._clock(), copy.deepcopy(answer)
            self._entries.move_to_end(key)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def evict(self, key: Hashable) -> None:
        with self._lock:
            self._entries.pop(key, None)


_WHOLE_ITEM = ("TableName", "Key", "ReturnConsumedCapacity")


def _identity(table: str, key: Item) -> Hashable:
    return table, frozenset(
        (name, kind, Decimal(value) if kind == "N" else value)
        for name, typed in key.items()
        for kind, value in typed.items()
    )


def _only_item(answer: Answer) -> Answer:
    return {"Item": answer["Item"]} if "Item" in answer else {}


def _projected(item: Item, request: dict[str, Any]) -> Item:
    expression = request.get("ProjectionExpression")
    if not expression:
        return item
    tree: dict[str | int, Any] = {}
    for path in _paths(expression, request.get("ExpressionAttributeNames", {})):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    kept: Item = (_picked({"M": item}, tree) or {"M": {}})["M"]
    return kept


def _paths(expression: str, names: dict[str, str]) -> Iterator[Path]:
    for path in expression.split(","):
        elements = re.findall(r"\[\d+\]|[^\s.\[\]]+", path)
        yield tuple(int(each[1:-1]) if each[0] == "[" else names.get(each, each) for each in elements)


def _picked(value: AttributeValue, tree: dict[str | int, Any]) -> AttributeValue | None:
    """The part of a document that the paths of `tree` reach; lists close up, as DynamoDB's do."""
    if not tree:
        return value
    if "M" in value:
        parts = {name: _picked(value["M"][name], tree[name]) for name in tree if name in value["M"]}
        kept = {name: part for name, part in parts.items() if part is not None}
        return {"M": kept} if kept else None
    if "L" in value:
        indexes = sorted(index for index in tree if isinstance(index, int) and index < len(value["L"]))
        elements = [_picked(value["L"][index], tree[index]) for index in indexes]
        present = [element for element in elements if element is not None]
        return {"L": present} if present else None
    return None
