"""A Query with query_cost returns the same pages as the emulator's own Query, after any sequence of writes."""

import json
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ministack.services import dynamodb

from localaws.dynamodb import query_cost

type Json = dict[str, Any]
type Query = Callable[[Json], tuple[int, Json, bytes]]

PATCHED = ("_query", "_index_item", "_add_consumed_capacity", "_paginate_evaluated_items")
# The hash key and the optional sort key of each index. None is the table.
SCHEMAS: dict[str | None, tuple[str, ...]] = {None: ("p", "s"), "lsi": ("p", "l"), "gsi": ("g", "l"), "hash": ("g",)}
VALUES = {
    "S": ("a", "aa", "ab", "b", "é", "\uffff", "\U0001f600"),
    "N": ("-1", "0", "2", "10", "1000", "0.5"),
    "B": ("AA==", "AAE=", "fw==", "/w==", "//8="),
}


@pytest.fixture(scope="module")
def queries() -> Iterator[tuple[Query, Query]]:
    """The emulator's own Query and the patched Query, which read the same tables."""
    original = {name: getattr(dynamodb, name) for name in PATCHED}
    query_cost.apply()
    yield original["_query"], dynamodb._query
    for name, function in original.items():
        setattr(dynamodb, name, function)
    dynamodb.reset()


class Table:
    """A table with one local and two global indexes, and random requests to it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.types = {"p": "S", "g": "S", "s": random.choice("SNB"), "l": random.choice("SNB")}

    def create(self) -> None:
        dynamodb.reset()
        ok(
            dynamodb._create_table,
            AttributeDefinitions=self.attributes(),
            KeySchema=key_schema(None),
            BillingMode="PAY_PER_REQUEST",
            LocalSecondaryIndexes=[index_schema("lsi", "ALL")],
            GlobalSecondaryIndexes=[index_schema("gsi", "KEYS_ONLY"), index_schema("hash", "ALL")],
        )

    def attributes(self) -> list[dict[str, str]]:
        return [{"AttributeName": name, "AttributeType": kind} for name, kind in self.types.items()]

    def value(self, name: str) -> Json:
        kind = self.types[name]
        return {kind: self.random.choice(("a", "b") if name in "pg" else VALUES[kind])}

    def key(self) -> Json:
        return {name: self.value(name) for name in "ps"}

    def item(self) -> Json:
        optional = {name: self.value(name) for name in "lg" if self.random.random() < 0.8}
        return self.key() | optional | {"size": {"S": "x" * self.random.randrange(100)}}

    def write(self) -> None:
        key, item = self.key(), self.item()
        keys = {repr(key): key for key in (self.key() for _ in range(3))}.values()
        items = [self.item() | key for key in keys]
        update: Json = {"Key": key, "UpdateExpression": "REMOVE l"}
        if self.random.random() < 0.8:
            update |= {"UpdateExpression": "SET l = :l", "ExpressionAttributeValues": {":l": self.value("l")}}
        writes: list[Callable[[], Any]] = [
            lambda: ok(dynamodb._put_item, Item=item),
            lambda: ok(dynamodb._update_item, **update),
            lambda: ok(dynamodb._delete_item, Key=key),
            lambda: write_batch({"PutRequest": {"Item": item}} for item in items),
            lambda: write_batch({"DeleteRequest": {"Key": key}} for key in keys),
            lambda: write_transaction({"Put": {"Item": item}} for item in items),
            lambda: write_transaction([{"Update": update}]),
            lambda: write_transaction([{"Delete": {"Key": key}}]),
            lambda: self.expire(key),
            lambda: self.roll_back(key),
            lambda: self.recreate_index("hash"),
        ]
        self.random.choice(writes)()

    def expire(self, key: Json) -> None:
        """Delete an item in the same way as the emulator's TTL thread."""
        dynamodb._remove_item(dynamodb._tables["todos"], *(value for typed in key.values() for value in typed.values()))

    def roll_back(self, key: Json) -> None:
        """Fail a transaction, after which the emulator restores all items of the table from a copy."""
        insert = {"Statement": "INSERT INTO todos VALUE {'p': ?, 's': ?}", "Parameters": list(key.values())}
        status, *_ = dynamodb._execute_transaction({"TransactStatements": [insert, insert]})
        assert status == 400

    def recreate_index(self, name: str) -> None:
        for change in ({"Delete": {"IndexName": name}}, {"Create": index_schema(name, "ALL")}):
            changes = {"AttributeDefinitions": self.attributes(), "GlobalSecondaryIndexUpdates": [change]}
            ok(dynamodb._update_table, **changes)

    def query(self) -> Json:
        random = self.random
        index = random.choice(list(SCHEMAS))
        hash_key, *sort_key = SCHEMAS[index]
        query: Json = {
            "TableName": "todos",
            "KeyConditionExpression": "#hash = :hash",
            "ExpressionAttributeNames": {"#hash": hash_key},
            "ExpressionAttributeValues": {":hash": self.value(hash_key)},
            "ScanIndexForward": random.random() < 0.5,
            "ReturnConsumedCapacity": "INDEXES",
        }
        for name in sort_key:
            self.add_condition(query, name)
        if index:
            query["IndexName"] = index
        if random.random() < 0.8:
            query["Limit"] = random.randint(1, 4)
        if random.random() < 0.3:
            query |= {"FilterExpression": "attribute_exists(g)"}
        if random.random() < 0.3:
            start = {name: self.value(name) for name in {"p", "s", *sort_key}}
            query["ExclusiveStartKey"] = start | {hash_key: query["ExpressionAttributeValues"][":hash"]}
        return query

    def add_condition(self, query: Json, name: str) -> None:
        comparisons = [f"#sort {operator} :low" for operator in ("=", "<", "<=", ">", ">=")]
        forms = ["", *comparisons, ":low < #sort", "#sort BETWEEN :low AND :high"]
        if self.types[name] != "N":
            forms.append("begins_with(#sort, :low)")
        if form := self.random.choice(forms):
            conditions = [query["KeyConditionExpression"], form]
            self.random.shuffle(conditions)
            query["KeyConditionExpression"] = "({}) AND ({})".format(*conditions)
            query["ExpressionAttributeNames"]["#sort"] = name
            low, high = sorted((self.value(name), self.value(name)), key=dynamodb._ddb_comparable)
            query["ExpressionAttributeValues"] |= {":low": low} | ({":high": high} if ":high" in form else {})


def index_schema(name: str, projection: str) -> Json:
    return {"IndexName": name, "KeySchema": key_schema(name), "Projection": {"ProjectionType": projection}}


def key_schema(index: str | None) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": k} for name, k in zip(SCHEMAS[index], ("HASH", "RANGE"), strict=False)]


def write_batch(requests: Iterable[Json]) -> None:
    ok(dynamodb._batch_write_item, RequestItems={"todos": list(requests)})


def write_transaction(writes: Iterable[Json]) -> None:
    named = [{kind: {"TableName": "todos"} | write} for one in writes for kind, write in one.items()]
    ok(dynamodb._transact_write_items, TransactItems=named)


def ok(operation: Callable[[Json], tuple[int, Json, bytes]], **request: Any) -> None:
    status, _, body = operation({"TableName": "todos"} | request)
    assert status == 200, body


class CountedItems(dict[str, Json]):
    """The items of a partition, which count how often an item is read."""

    read = 0

    def __getitem__(self, key: str) -> Json:
        self.read += 1
        return super().__getitem__(key)

    def _all(self) -> dict[str, Json]:
        self.read += len(self)
        return dict(super().items())

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def items(self) -> Any:
        return self._all().items()

    def values(self) -> Any:
        return self._all().values()


def test_a_page_reads_only_its_own_items(queries: tuple[Query, Query]) -> None:
    original, patched = queries
    table = Table(Random(1))
    table.types["s"] = "S"
    table.create()
    for number in range(500):
        ok(dynamodb._put_item, Item={"p": {"S": "a"}, "s": {"S": f"{number:03}"}, "l": {table.types["l"]: "AA=="}})
    partitions = dynamodb._tables["todos"]["items"]
    partitions["a"] = CountedItems(partitions["a"])
    query = {
        "TableName": "todos",
        "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": {":p": {"S": "a"}},
        "ScanIndexForward": False,
        "Limit": 20,
    }

    def reads(run: Query, **index: str) -> int:
        partitions["a"].read = 0
        status, _, body = run(query | index)
        assert (status, len(json.loads(body)["Items"])) == (200, 20), body
        return int(partitions["a"].read)

    assert reads(original) >= 500, "ministack no longer needs localaws/dynamodb/query_cost.py for a Query"
    assert reads(patched) <= 40
    assert reads(patched, IndexName="lsi") <= 40


@given(random=st.randoms(use_true_random=True), page_size=st.sampled_from((150, 1_048_576)))
@settings(max_examples=100)
def test_pages_equal_those_of_the_emulator(queries: tuple[Query, Query], random: Random, page_size: int) -> None:
    original, patched = queries
    table = Table(random)
    table.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamodb, "_DDB_PAGE_SIZE_BYTES", page_size)
        for _ in range(10):
            for _ in range(5):
                table.write()
            query: Json | None = table.query()
            while query:
                status, _, body = original(query)
                assert (status, body) == patched(query)[::2]
                start = json.loads(body).get("LastEvaluatedKey")
                query = query | {"ExclusiveStartKey": start} if start else None
