"""The item cache and the query cache of Amazon DAX in front of a boto3 DynamoDB client.

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
type Response = dict[str, Any]
type Path = tuple[str | int, ...]

FIVE_MINUTES = 300_000


class Cluster:
    """A DAX cluster of one node, with the methods of the boto3 `dynamodb` client that it calls.

    The item cache stores complete items by primary key. The query cache stores complete results by request. Entries
    with a TTL of 0 never expire. Replication delay between nodes is not simulated.
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
        """Change the TTLs of a running cluster, as a change of its parameter group does.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/dax-config-considerations.html
        """
        self._items.ttl_millis, self._results.ttl_millis = record_ttl_millis, query_ttl_millis

    def metrics(self) -> dict[str, int]:
        """Return the totals of the cache metrics by their CloudWatch names.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/dax-metrics-dimensions-dax.html
        """
        with self._metrics_lock:
            return dict(self._metrics)

    def key_schema(self, table: str) -> list[dict[str, str]]:
        """Return the definitions of the table's key attributes, partition key first."""
        if table not in self._key_schemas:
            described = self._call("describe_table", {"TableName": table})["Table"]
            types = {each["AttributeName"]: each for each in described["AttributeDefinitions"]}
            partition_key_first = sorted(described["KeySchema"], key=lambda each: str(each["KeyType"]))
            self._key_schemas[table] = [types[each["AttributeName"]] for each in partition_key_first]
        return self._key_schemas[table]

    def get_item(self, **request: Any) -> Response:
        """Return an item from the item cache, and cache it after a miss. The absence of an item is cached, too.

        Strongly consistent reads pass through and are not cached. See "Negative caching" and "Strongly consistent and
        transactional reads": https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        if request.get("ConsistentRead"):
            return self._call("get_item", request)
        identity = _identity(request["TableName"], request["Key"])
        response = self._cached_item(identity)
        if response is None:
            unprojected_request = {name: request[name] for name in _UNPROJECTED if name in request}
            with self._locked([identity]):
                response = self._call("get_item", unprojected_request)
                self._items.put(identity, _item_only(response))
        if "Item" in response:
            response["Item"] = _project(response["Item"], request)
        return response

    def batch_get_item(self, **request: Any) -> Response:
        """Return items from the item cache, and request the other keys from DynamoDB.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.concepts.html
        """
        hits: dict[str, list[Item]] = {}
        uncached: dict[str, Any] = {}
        for table, requested in request["RequestItems"].items():
            if requested.get("ConsistentRead"):
                uncached[table] = requested
                continue
            found = [(key, self._cached_item(_identity(table, key))) for key in requested["Keys"]]
            hits[table] = [response["Item"] for _, response in found if response]
            if missing := [key for key, response in found if response is None]:
                uncached[table] = {"Keys": missing}
        response = self._fetch(request, uncached) if uncached else {"Responses": {}, "UnprocessedKeys": {}}
        for table, items in hits.items():
            requested, items = request["RequestItems"][table], items + response["Responses"].get(table, [])
            response["Responses"][table] = [_project(item, requested) for item in items]
            if table in response["UnprocessedKeys"]:
                response["UnprocessedKeys"][table] = requested | response["UnprocessedKeys"][table]
        return response

    def query(self, **request: Any) -> Response:
        """Return a result from the query cache, and cache it after a miss. Writes do not change the query cache.

        The cache key is the complete request. See "DAX query cache behavior":
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        return self._cached_result("query", "Query", request)

    def scan(self, **request: Any) -> Response:
        """Return a result from the query cache, as `query` does.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.concepts.html
        """
        return self._cached_result("scan", "Scan", request)

    def put_item(self, **request: Any) -> Response:
        """Write an item to DynamoDB and, if that succeeds, to the item cache.

        See "Strategies for writes":
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        identity = _identity(request["TableName"], self._key(request["TableName"], request["Item"]))
        with self._locked([identity]):
            response = self._call("put_item", request)
            self._items.put(identity, {"Item": request["Item"]})
        return response

    def update_item(self, **request: Any) -> Response:
        """Update an item in DynamoDB, then read the complete item and cache it.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        key = request["TableName"], request["Key"]
        with self._locked([_identity(*key)]):
            response = self._call("update_item", request)
            self._refresh([key])
        return response

    def delete_item(self, **request: Any) -> Response:
        """Delete an item in DynamoDB, then remove its entry from the item cache.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        identity = _identity(request["TableName"], request["Key"])
        with self._locked([identity]):
            response = self._call("delete_item", request)
            self._items.evict(identity)
        return response

    def batch_write_item(self, **request: Any) -> Response:
        """Write to DynamoDB, and update the item cache for every write that DynamoDB processed.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        writes = dict(self._writes(request["RequestItems"]))
        with self._locked(writes):
            response = self._call("batch_write_item", request)
            unprocessed = dict(self._writes(response.get("UnprocessedItems", {})))
            for identity in writes.keys() - unprocessed.keys():
                self._items.evict(identity)
                if writes[identity] is not None:
                    self._items.put(identity, {"Item": writes[identity]})
        return response

    def transact_get_items(self, **request: Any) -> Response:
        """Pass the request through without caching.

        See "Strongly consistent and transactional reads":
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
        """
        return self._call("transact_get_items", request)

    def transact_write_items(self, **request: Any) -> Response:
        """Pass the request through and, if it succeeds, refresh its items in the item cache with TransactGetItems.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
        """
        operations = [operation for entry in request["TransactItems"] for operation in entry.values()]
        targets = [(each["TableName"], each.get("Key") or each["Item"]) for each in operations]
        keys = [(table, self._key(table, item)) for table, item in targets]
        with self._locked(_identity(*key) for key in keys):
            response = self._call("transact_write_items", request)
            self._refresh(keys)
        return response

    def _call(self, operation: str, request: dict[str, Any]) -> Response:
        response: Response = getattr(self._dynamodb, operation)(**request)
        return response

    def _count(self, cache: str, *, hit: bool) -> None:
        with self._metrics_lock:
            self._metrics[f"{cache}Cache{'Hits' if hit else 'Misses'}"] += 1

    def _cached_item(self, identity: Hashable) -> Response | None:
        response = self._items.get(identity)
        self._count("Item", hit=response is not None)
        return response

    def _cached_result(self, operation: str, metric: str, request: dict[str, Any]) -> Response:
        if request.get("ConsistentRead"):
            return self._call(operation, request)
        key = operation, json.dumps(request, sort_keys=True, default=repr)
        response = self._results.get(key)
        self._count(metric, hit=response is not None)
        if response is None:
            response = self._call(operation, request)
            # A cache hit consumes no capacity and has no HTTP response.
            not_cached = ("ConsumedCapacity", "ResponseMetadata")
            self._results.put(key, {name: value for name, value in response.items() if name not in not_cached})
        return response

    def _fetch(self, request: dict[str, Any], uncached: dict[str, Any]) -> Response:
        cacheable = {
            _identity(table, key): table
            for table, requested in uncached.items()
            if not requested.get("ConsistentRead")
            for key in requested["Keys"]
        }
        with self._locked(cacheable):
            response = self._call("batch_get_item", request | {"RequestItems": uncached})
            found = {
                _identity(table, self._key(table, item)): item
                for table in set(cacheable.values())
                for item in response["Responses"].get(table, [])
            }
            unprocessed_keys = response["UnprocessedKeys"].items()
            unprocessed = {_identity(table, key) for table, requested in unprocessed_keys for key in requested["Keys"]}
            for identity in cacheable.keys() - unprocessed:
                self._items.put(identity, {"Item": found[identity]} if identity in found else {})
        return response

    def _refresh(self, keys: list[tuple[str, Item]]) -> None:
        identities = [_identity(*key) for key in keys]
        for identity in identities:
            self._items.evict(identity)
        # The write has succeeded. If the read fails, the item is not cached, so the next read is a miss.
        with suppress(ClientError, BotoCoreError):
            gets = [{"Get": {"TableName": table, "Key": key}} for table, key in keys]
            responses = self._call("transact_get_items", {"TransactItems": gets})["Responses"]
            for identity, response in zip(identities, responses, strict=True):
                self._items.put(identity, _item_only(response))

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
    def _locked(self, identities: Iterable[Hashable]) -> Iterator[None]:
        """Lock the items. Otherwise a read that started before a write could cache the old item after the write."""
        with ExitStack() as locks:
            for stripe in sorted({hash(identity) % len(self._stripes) for identity in identities}):
                locks.enter_context(self._stripes[stripe])
            yield


class _Cache:
    """Responses by key. The TTL starts at the write. A full cache evicts the least recently used entry.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/dax-config-considerations.html
    """

    def __init__(self, ttl_millis: int, capacity: int, clock: Callable[[], float]) -> None:
        self.ttl_millis = ttl_millis
        self._capacity = capacity
        self._clock = clock
        self._entries: OrderedDict[Hashable, tuple[float, Response]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Response | None:
        with self._lock:
            if key not in self._entries:
                return None
            written, response = self._entries[key]
            if 0 < self.ttl_millis <= (self._clock() - written) * 1000:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
        return copy.deepcopy(response)

    def put(self, key: Hashable, response: Response) -> None:
        with self._lock:
            self._entries[key] = self._clock(), copy.deepcopy(response)
            self._entries.move_to_end(key)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def evict(self, key: Hashable) -> None:
        with self._lock:
            self._entries.pop(key, None)


_UNPROJECTED = ("TableName", "Key", "ReturnConsumedCapacity")


def _identity(table: str, key: Item) -> Hashable:
    return table, frozenset(
        (name, kind, Decimal(value) if kind == "N" else value)
        for name, typed in key.items()
        for kind, value in typed.items()
    )


def _item_only(response: Response) -> Response:
    return {"Item": response["Item"]} if "Item" in response else {}


def _project(item: Item, request: dict[str, Any]) -> Item:
    expression = request.get("ProjectionExpression")
    if not expression:
        return item
    tree: dict[str | int, Any] = {}
    for path in _paths(expression, request.get("ExpressionAttributeNames", {})):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    projected: Item = (_select_paths({"M": item}, tree) or {"M": {}})["M"]
    return projected


def _paths(expression: str, names: dict[str, str]) -> Iterator[Path]:
    for path in expression.split(","):
        elements = re.findall(r"\[\d+\]|[^\s.\[\]]+", path)
        yield tuple(int(each[1:-1]) if each[0] == "[" else names.get(each, each) for each in elements)


def _select_paths(value: AttributeValue, tree: dict[str | int, Any]) -> AttributeValue | None:
    """Return the part of a document that the paths in `tree` select, or None. Lists have no gaps, as in DynamoDB."""
    if not tree:
        return value
    if "M" in value:
        parts = {name: _select_paths(value["M"][name], tree[name]) for name in tree if name in value["M"]}
        projected = {name: part for name, part in parts.items() if part is not None}
        return {"M": projected} if projected else None
    if "L" in value:
        indexes = sorted(index for index in tree if isinstance(index, int) and index < len(value["L"]))
        elements = [_select_paths(value["L"][index], tree[index]) for index in indexes]
        present = [element for element in elements if element is not None]
        return {"L": present} if present else None
    return None
