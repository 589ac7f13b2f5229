"""DAX: caching in process and through the unmodified `amazondax` client, CloudFormation and IAM."""

import itertools
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from amazondax import AmazonDaxClient
from amazondax.Constants import DaxMethodIds
from amazondax.SigV4Gen import generate_signature
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localaws import control_client
from localaws.dax.cache import Cluster
from localaws.dax.server import Server
from localaws.dax.wire import cbor, values
from localaws.testing import eventually, is_listening

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
ARN = "arn:aws:dax:us-east-1:000000000000:cache/notes"
ROOT_KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
SETTINGS = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0"}
STOCK = "from ministack import app; app.main()"
WITH_DAX = "from ministack import app; from localaws.dax import clusters as dax; dax.apply(); app.main()"
numbers = itertools.count(1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(program: str, folder: Path, **settings: str) -> Iterator[str]:
    port = free_port()
    paths = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder),
    }
    environment = paths | SETTINGS | settings | {"GATEWAY_PORT": str(port), "LOG_LEVEL": "ERROR"}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, cwd=folder)
    assert eventually(lambda: is_listening(port)), "the emulator does not listen"
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(90)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from started(STOCK, tmp_path_factory.mktemp("stock"))


def client_of(endpoint: str, service: str, **keys: str) -> Any:
    config = Config(retries={"max_attempts": 0})
    keys = keys or ROOT_KEYS
    return boto3.Session().client(service, endpoint_url=endpoint, region_name=REGION, config=config, **keys)


def dax_client(endpoint_url: str, **keys: str) -> AmazonDaxClient:
    settings = {"region_name": REGION, "config": Config(retries={"max_attempts": 0}, connect_timeout=60)}
    return AmazonDaxClient(endpoint_url=endpoint_url, **settings, **(keys or ROOT_KEYS))


@pytest.fixture(scope="module")
def dynamodb(stock: str) -> Any:
    return client_of(stock, "dynamodb")


@pytest.fixture
def table(dynamodb: Any) -> str:
    return create_table(dynamodb, f"notes-{next(numbers)}")


def create_table(dynamodb: Any, name: str) -> str:
    kinds = {"owner": "S", "id": "N", "state": "S"}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": kind} for n, kind in kinds.items()],
        KeySchema=[
            {"AttributeName": "owner", "KeyType": "HASH"},
            {"AttributeName": "id", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-state",
                "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return name


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Dax:
    """A cluster with TTLs of 60 s (items) and 30 s (queries), the client under test, and a DynamoDB client."""

    def __init__(self, client: Any, cluster: Cluster, clock: Clock, dynamodb: Any, table: str) -> None:
        self.client, self.cluster, self.clock, self.dynamodb, self.table = (
            client,
            cluster,
            clock,
            dynamodb,
            table,
        )

    def get(self, number: int = 1, **options: Any) -> Any:
        return self.client.get_item(TableName=self.table, Key=key(number), **options).get("Item")

    def query(self, **options: Any) -> Any:
        return self.client.query(**owned(self.table), **options)["Items"]

    def put_directly(self, title: str, number: int = 1) -> None:
        self.dynamodb.put_item(TableName=self.table, Item=note(title, number))

    def nonzero_metrics(self) -> dict[str, int]:
        return {name: count for name, count in self.cluster.metrics().items() if count}


def key(number: int = 1) -> dict[str, Any]:
    return {"owner": {"S": "ann"}, "id": {"N": str(number)}}


def note(title: str, number: int = 1) -> dict[str, Any]:
    return key(number) | {"title": {"S": title}, "state": {"S": "open"}}


def owned(table: str) -> dict[str, Any]:
    return {
        "TableName": table,
        "KeyConditionExpression": "#o = :o",
        "ExpressionAttributeNames": {"#o": "owner"},
        "ExpressionAttributeValues": {":o": {"S": "ann"}},
    }


def new_cluster(dynamodb: Any, **settings: Any) -> Cluster:
    return Cluster(dynamodb, record_ttl_millis=60_000, query_ttl_millis=30_000, **settings)


def allow(*_: Any, **__: Any) -> None:
    pass


@pytest.fixture(params=["in process", "over the wire"])
def make_dax(request: pytest.FixtureRequest, dynamodb: Any, table: str) -> Iterator[Callable[..., Dax]]:
    ends: list[Callable[[], None]] = []

    def make(**settings: int) -> Dax:
        clock = Clock()
        cluster = new_cluster(dynamodb, clock=clock, **settings)
        client: Any = cluster
        if request.param == "over the wire":
            server = Server(cluster, arn=ARN, authorize=allow)
            server.start()
            client = dax_client(server.endpoint_url)
            ends.extend((server.stop, client.close))
        return Dax(client, cluster, clock, dynamodb, table)

    yield make
    for end in reversed(ends):
        end()


@pytest.fixture
def dax(make_dax: Callable[..., Dax]) -> Dax:
    return make_dax()


# The item cache.


def test_a_cached_item_is_returned_until_its_ttl_even_if_the_table_has_changed(dax: Dax) -> None:
    dax.put_directly("old")
    assert dax.get() == note("old")
    dax.put_directly("new")
    dax.clock.now += 59.9
    assert dax.get() == note("old")
    dax.clock.now += 0.1
    assert dax.get() == note("new")


def test_a_ttl_of_zero_never_expires(dax: Dax) -> None:
    dax.cluster.set_ttls(record_ttl_millis=0, query_ttl_millis=0)
    dax.put_directly("old")
    dax.get()
    dax.put_directly("new")
    dax.clock.now += 1e9
    assert dax.get() == note("old")


def test_a_hit_does_not_extend_the_ttl(dax: Dax) -> None:
    dax.put_directly("old")
    dax.get()
    dax.put_directly("new")
    for _ in range(3):
        dax.clock.now += 20
        last = dax.get()
    assert last == note("new")


def test_a_missing_item_is_cached_as_missing(dax: Dax) -> None:
    assert dax.get() is None
    dax.put_directly("new")
    assert dax.get() is None
    dax.clock.now += 60
    assert dax.get() == note("new")


def test_a_put_replaces_an_item_cached_as_missing(dax: Dax) -> None:
    assert dax.get() is None
    dax.client.put_item(TableName=dax.table, Item=note("new"))
    assert dax.get() == note("new")


def test_a_put_caches_the_item(dax: Dax) -> None:
    dax.client.put_item(TableName=dax.table, Item=note("written"))
    dax.put_directly("unseen")
    assert dax.get() == note("written")
    assert dax.nonzero_metrics() == {"ItemCacheHits": 1}


@pytest.mark.parametrize("values", ["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"])
def test_an_update_responds_like_dynamodb_and_caches_the_complete_item(dax: Dax, values: str) -> None:
    dax.put_directly("old", 1)
    dax.put_directly("old", 2)
    dax.get(1)
    update: dict[str, Any] = {
        "UpdateExpression": "SET title = :t, #l = list_append(if_not_exists(#l, :none), :one) ADD visits :n",
        "ExpressionAttributeNames": {"#l": "log"},
        "ExpressionAttributeValues": {
            ":t": {"S": "new"},
            ":n": {"N": "2"},
            ":none": {"L": []},
            ":one": {"L": [{"S": "x"}]},
        },
        "ReturnValues": values,
    }
    expected = dax.dynamodb.update_item(TableName=dax.table, Key=key(2), **update).get("Attributes")
    answered = dax.client.update_item(TableName=dax.table, Key=key(1), **update).get("Attributes")
    if expected and "id" in expected:
        expected["id"] = {"N": "1"}
    assert answered == expected
    cached = note("new") | {"visits": {"N": "2"}, "log": {"L": [{"S": "x"}]}}
    dax.put_directly("unseen")
    assert dax.get(1) == cached


def test_a_delete_is_seen_by_the_next_read(dax: Dax) -> None:
    dax.put_directly("old")
    dax.get()
    answer = dax.client.delete_item(TableName=dax.table, Key=key(), ReturnValues="ALL_OLD")
    assert answer["Attributes"] == note("old")
    assert dax.get() is None


def test_a_batch_write_is_seen_by_the_next_reads(dax: Dax) -> None:
    for number in (1, 2):
        dax.put_directly("old", number)
        dax.get(number)
    writes = [{"PutRequest": {"Item": note("new", 1)}}, {"DeleteRequest": {"Key": key(2)}}]
    assert dax.client.batch_write_item(RequestItems={dax.table: writes})["UnprocessedItems"] == {}
    dax.put_directly("unseen", 1)
    assert (dax.get(1), dax.get(2)) == (note("new", 1), None)


@pytest.mark.parametrize(
    ("operation", "write"),
    [
        ("put_item", {"Item": note("refused")}),
        ("update_item", {"Key": key(), "UpdateExpression": "REMOVE title"}),
        ("delete_item", {"Key": key()}),
    ],
)
def test_a_write_whose_condition_fails_changes_nothing(dax: Dax, operation: str, write: Any) -> None:
    dax.put_directly("old")
    dax.get()
    dax.put_directly("unseen")
    condition = {"TableName": dax.table, "ConditionExpression": "attribute_not_exists(id)"}
    with pytest.raises(ClientError) as refused:
        getattr(dax.client, operation)(**condition, **write)
    assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert refused.value.response["Error"]["Message"] == "The conditional request failed"
    assert dax.get() == note("old")


def test_a_strongly_consistent_read_sees_the_table_and_caches_nothing(dax: Dax) -> None:
    dax.put_directly("old")
    dax.get()
    dax.put_directly("new")
    assert dax.get(ConsistentRead=True) == note("new")
    assert dax.get() == note("old")
    assert dax.nonzero_metrics() == {"ItemCacheHits": 1, "ItemCacheMisses": 1}


def test_a_full_cache_evicts_the_least_recently_used_item(make_dax: Callable[..., Dax]) -> None:
    dax = make_dax(capacity=2)
    for number in (1, 2):
        dax.put_directly("old", number)
        dax.get(number)
    dax.get(1)
    dax.put_directly("old", 3)
    dax.get(3)
    for number in (1, 2, 3):
        dax.put_directly("new", number)
    assert dax.get(1) == note("old", 1)
    assert dax.get(3) == note("old", 3)
    assert dax.get(2) == note("new", 2)


def test_all_notations_of_a_number_are_one_key(dax: Dax) -> None:
    dax.client.put_item(TableName=dax.table, Item=note("one"))
    for spelling in ("1.0", "1e0", "01"):
        same = {"owner": {"S": "ann"}, "id": {"N": spelling}}
        assert dax.client.get_item(TableName=dax.table, Key=same)["Item"]["title"] == {"S": "one"}


def test_a_batch_get_requests_only_missing_items_from_dynamodb(dax: Dax) -> None:
    for number in (1, 2):
        dax.put_directly("old", number)
    dax.get(1)
    for number in (1, 2):
        dax.put_directly("new", number)
    request = {dax.table: {"Keys": [key(1), key(2), key(3)]}}
    answer = dax.client.batch_get_item(RequestItems=request)
    assert by_id(answer["Responses"][dax.table]) == [note("old", 1), note("new", 2)]
    assert answer["UnprocessedKeys"] == {}
    dax.put_directly("unseen", 2)
    dax.put_directly("unseen", 3)
    assert (dax.get(2), dax.get(3)) == (note("new", 2), None)
    assert dax.nonzero_metrics() == {"ItemCacheHits": 3, "ItemCacheMisses": 3}


def test_a_strongly_consistent_batch_get_sees_the_table_and_caches_nothing(dax: Dax) -> None:
    dax.put_directly("old")
    dax.get()
    dax.put_directly("new")
    request = {dax.table: {"Keys": [key()], "ConsistentRead": True}}
    assert dax.client.batch_get_item(RequestItems=request)["Responses"][dax.table] == [note("new")]
    assert dax.get() == note("old")


def by_id(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: int(item["id"]["N"]))


def test_a_read_during_a_write_does_not_cache_the_old_item(dynamodb: Any, table: str) -> None:
    cluster = new_cluster(dynamodb)
    dynamodb.put_item(TableName=table, Item=note("old"))
    write = threading.Thread(target=lambda: cluster.put_item(TableName=table, Item=note("new")))

    def write_meanwhile(**_: Any) -> None:
        write.start()
        write.join(0.3)

    dynamodb.meta.events.register("after-call.dynamodb.GetItem", write_meanwhile)
    try:
        cluster.get_item(TableName=table, Key=key())
    finally:
        dynamodb.meta.events.unregister("after-call.dynamodb.GetItem", write_meanwhile)
    write.join()
    assert cluster.get_item(TableName=table, Key=key())["Item"] == note("new")


def test_a_write_succeeds_and_leaves_nothing_stale_if_its_refresh_fails(dynamodb: Any, table: str) -> None:
    cluster = new_cluster(dynamodb)
    cluster.put_item(TableName=table, Item=note("old"))

    def fail(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "TransactGetItems")

    dynamodb.meta.events.register("before-call.dynamodb.TransactGetItems", fail)
    try:
        cluster.update_item(TableName=table, Key=key(), UpdateExpression="REMOVE title")
    finally:
        dynamodb.meta.events.unregister("before-call.dynamodb.TransactGetItems", fail)
    assert "title" not in cluster.get_item(TableName=table, Key=key())["Item"]


def test_changing_a_response_does_not_change_the_cache(dynamodb: Any, table: str) -> None:
    cluster = new_cluster(dynamodb)
    item = note("old")
    cluster.put_item(TableName=table, Item=item)
    item["title"]["S"] = "changed"
    cluster.get_item(TableName=table, Key=key())["Item"]["title"]["S"] = "changed"
    assert cluster.get_item(TableName=table, Key=key())["Item"] == note("old")


def test_after_concurrent_writes_the_cache_equals_the_table(dax: Dax) -> None:
    def visit(_: int) -> None:
        update = {"UpdateExpression": "ADD visits :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
        dax.client.update_item(TableName=dax.table, Key=key(), **update)
        dax.get()

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(visit, range(80)))
    assert dax.get()["visits"] == {"N": "80"}


# The query cache.


@pytest.mark.parametrize("index", [{}, {"IndexName": "by-state"}])
def test_no_write_changes_a_cached_query_before_its_ttl(dax: Dax, index: dict[str, str]) -> None:
    request = owned(dax.table) | index
    if index:
        request |= {
            "ExpressionAttributeNames": {"#o": "state"},
            "ExpressionAttributeValues": {":o": {"S": "open"}},
        }
    dax.put_directly("old")
    assert dax.client.query(**request)["Items"] == [note("old")]
    dax.client.put_item(TableName=dax.table, Item=note("new"))
    dax.clock.now += 29.9
    assert dax.client.query(**request)["Items"] == [note("old")]
    assert dax.get() == note("new")
    dax.clock.now += 0.1
    assert dax.client.query(**request)["Items"] == [note("new")]
    assert dax.nonzero_metrics() == {"ItemCacheHits": 1, "QueryCacheHits": 1, "QueryCacheMisses": 2}


def test_another_request_is_another_entry_of_the_query_cache(dax: Dax) -> None:
    dax.put_directly("old")
    assert dax.query() == [note("old")]
    dax.put_directly("new")
    assert dax.query(Limit=10) == [note("new")]
    assert dax.query(ScanIndexForward=False) == [note("new")]
    assert dax.query() == [note("old")]


def test_a_strongly_consistent_query_sees_the_table_and_caches_nothing(dax: Dax) -> None:
    dax.put_directly("old")
    dax.query()
    dax.put_directly("new")
    assert dax.query(ConsistentRead=True) == [note("new")]
    dax.put_directly("newer")
    assert dax.query(ConsistentRead=True) == [note("newer")]
    assert dax.query() == [note("old")]
    assert dax.nonzero_metrics() == {"QueryCacheHits": 1, "QueryCacheMisses": 1}


def test_a_query_does_not_fill_the_item_cache(dax: Dax) -> None:
    dax.put_directly("old")
    dax.query()
    dax.put_directly("new")
    assert dax.get() == note("new")


def test_a_scan_is_cached_as_a_query_is(dax: Dax) -> None:
    dax.put_directly("old")
    assert dax.client.scan(TableName=dax.table)["Items"] == [note("old")]
    dax.client.put_item(TableName=dax.table, Item=note("new"))
    assert dax.client.scan(TableName=dax.table)["Items"] == [note("old")]
    assert dax.client.scan(TableName=dax.table, ConsistentRead=True)["Items"] == [note("new")]
    assert dax.nonzero_metrics() == {"ScanCacheHits": 1, "ScanCacheMisses": 1}


# Transactions.


def test_a_transactional_read_sees_the_table_and_caches_nothing(dax: Dax) -> None:
    dax.put_directly("old")
    dax.get()
    dax.put_directly("new")
    gets = [{"Get": {"TableName": dax.table, "Key": key(number)}} for number in (1, 2)]
    answer = dax.client.transact_get_items(TransactItems=gets)
    assert answer["Responses"] == [{"Item": note("new")}, {}]
    assert dax.get() == note("old")


def test_a_transactional_write_refreshes_its_items(dax: Dax) -> None:
    for number in (1, 2, 3, 4):
        dax.put_directly("old", number)
        dax.get(number)
    names = {"TableName": dax.table}
    update = {"UpdateExpression": "SET title = :t", "ExpressionAttributeValues": {":t": {"S": "new"}}}
    dax.client.transact_write_items(
        TransactItems=[
            {"Put": names | {"Item": note("new", 1)}},
            {"Update": names | {"Key": key(2)} | update},
            {"Delete": names | {"Key": key(3)}},
            {"ConditionCheck": names | {"Key": key(4), "ConditionExpression": "attribute_exists(id)"}},
        ]
    )
    for number in (1, 2, 3):
        dax.put_directly("unseen", number)
    assert [dax.get(number) for number in (1, 2, 3)] == [note("new", 1), note("new", 2), None]


def test_a_cancelled_transaction_changes_nothing_and_returns_its_reasons(dax: Dax) -> None:
    dax.put_directly("old")
    dax.get()
    dax.put_directly("unseen")
    taken = {"TableName": dax.table, "Item": note("new"), "ConditionExpression": "attribute_not_exists(id)"}
    free = {"TableName": dax.table, "Item": note("new", 2)}
    with pytest.raises(ClientError) as cancelled:
        dax.client.transact_write_items(TransactItems=[{"Put": taken}, {"Put": free}])
    assert cancelled.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert reasons(cancelled.value) == ["ConditionalCheckFailed", "None"]
    assert dax.get() == note("old")


def reasons(error: Any) -> list[str]:
    """Return the cancellation codes. The DAX client has a flat list of code, message and item in its own attribute."""
    if hasattr(error, "cancellation_reasons"):
        return list(error.cancellation_reasons[::3])
    return [reason["Code"] for reason in error.response["CancellationReasons"]]


# Requests and responses, compared with those of DynamoDB.

DOCUMENT = {
    "title": {"S": "naïve ☂"},
    "binary": {"B": b"\x00\xff"},
    "whole": {"N": "12345678901234567890123456789012345678"},
    "fraction": {"N": "-0.00012"},
    "large": {"N": "1e30"},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "names": {"SS": ["a", "b"]},
    "sizes": {"NS": ["1", "2.5"]},
    "blobs": {"BS": [b"a", b"b"]},
    "list": {"L": [{"S": "0"}, {"M": {"x": {"S": "1"}}}, {"L": []}, {"M": {"y": {"S": "3"}}}]},
    "map": {"M": {"deep": {"M": {"er": {"S": "treasure"}, "other": {"S": "not asked"}}}, "empty": {"M": {}}}},
    "state": {"S": "open"},
}
PROJECTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("title", {}),
    ("#o, title, absent", {"#o": "owner"}),
    ("#m.deep.er", {"#m": "map"}),
    ("#l[1].x, #l[3].y", {"#l": "list"}),
    ("#l[0], #l[2], #l[9]", {"#l": "list"}),
    ("#l[0].x, #l[3].y, #m.empty", {"#l": "list", "#m": "map"}),
    ("absent", {}),
)


def test_every_attribute_type_is_returned_as_by_dynamodb(dax: Dax) -> None:
    dax.client.put_item(TableName=dax.table, Item=key() | DOCUMENT)
    whole = dax.dynamodb.get_item(TableName=dax.table, Key=key())["Item"]
    assert comparable(dax.get(ConsistentRead=True)) == comparable(whole)
    assert [comparable(item) for item in dax.query()] == [comparable(whole)]
    dax.clock.now += 60
    assert comparable(dax.get()) == comparable(whole)


def comparable(item: dict[str, Any]) -> dict[str, Any]:
    """Return the item with sorted sets and numbers as float, because their wire format is not unique."""
    alike: dict[str, Callable[[Any], Any]] = {"N": float, "SS": sorted, "NS": sorted, "BS": sorted}
    return {
        name: {kind: alike.get(kind, lambda same: same)(each) for kind, each in value.items()}
        for name, value in item.items()
    }


@pytest.mark.parametrize(("expression", "names"), PROJECTIONS)
def test_a_projection_equals_that_of_dynamodb(dax: Dax, expression: str, names: dict[str, str]) -> None:
    dax.dynamodb.put_item(TableName=dax.table, Item=key() | DOCUMENT)
    asked: dict[str, Any] = {"ProjectionExpression": expression}
    if names:
        asked["ExpressionAttributeNames"] = names
    expected = dax.dynamodb.get_item(TableName=dax.table, Key=key(), **asked)["Item"]
    request = owned(dax.table)
    request |= asked | {"ExpressionAttributeNames": request["ExpressionAttributeNames"] | names}
    batch = {dax.table: {"Keys": [key()], **asked}}
    get = {"TableName": dax.table, "Key": key(), **asked}
    assert dax.get(**asked) == expected
    assert dax.get(**asked) == expected
    assert dax.get(ConsistentRead=True, **asked) == expected
    assert dax.client.query(**request)["Items"] == [expected]
    assert dax.client.scan(TableName=dax.table, **asked)["Items"] == [expected]
    assert dax.client.batch_get_item(RequestItems=batch)["Responses"][dax.table] == [expected]
    transaction = [{"Get": get}]
    behind = dax.dynamodb.transact_get_items(TransactItems=transaction)["Responses"]
    assert dax.client.transact_get_items(TransactItems=transaction)["Responses"] == behind
    assert dax.get()["title"] == DOCUMENT["title"]


VALUES = {":a": {"S": "a"}, ":b": {"S": "b"}, ":n": {"N": "3"}, ":type": {"S": "S"}}


@pytest.mark.parametrize(
    "condition",
    [
        "title = :a",
        "title <> :a",
        "id < :n",
        "id <= :n",
        "id > :n",
        "id >= :n",
        "title = :b AND id < :n",
        "title = :a OR id = :n",
        "NOT (title = :a OR id = :n) AND attribute_exists(title)",
        "title BETWEEN :a AND :b",
        "title IN (:a, :b)",
        "title IN (:a) OR NOT id IN (:n, :a)",
        "attribute_exists(tags)",
        "attribute_not_exists(tags)",
        "attribute_type(note, :type)",
        "begins_with(title, :a)",
        "contains(tags, :b)",
        "size(title) > :n",
        "tags[2] = :b",
        "extra.#deep.er = :b",
    ],
)
def test_a_filter_equals_that_of_dynamodb(dax: Dax, condition: str) -> None:
    titles = ["a", "b", "abc", "c", "a long one"]
    for number, title in enumerate(titles, 1):
        item = note(title, number) | {"extra": {"M": {"deep": {"M": {"er": {"S": title}}}}}}
        if number % 2:
            item |= {"tags": {"L": [{"S": "x"}, {"S": title}, {"S": "b"}]}, "note": {"S": "odd"}}
        dax.dynamodb.put_item(TableName=dax.table, Item=item)
    values = {mark: VALUES[mark] for mark in re.findall(r":\w+", condition)}
    request: dict[str, Any] = {"TableName": dax.table, "FilterExpression": condition}
    if values:
        request["ExpressionAttributeValues"] = values
    if "#deep" in condition:
        request["ExpressionAttributeNames"] = {"#deep": "deep"}
    expected = dax.dynamodb.scan(**request)
    answer = dax.client.scan(**request)
    assert by_id(answer["Items"]) == by_id(expected["Items"])
    assert (answer["Count"], answer["ScannedCount"]) == (expected["Count"], expected["ScannedCount"])
    assert 0 < answer["Count"] < 5


def test_an_update_can_set_add_delete_and_remove(dax: Dax) -> None:
    dax.put_directly("old")
    update = {
        "UpdateExpression": "SET #m.#x = :n - :one, title = :t REMOVE #l[0] ADD visits :n DELETE marks :gone",
        "ExpressionAttributeNames": {"#m": "map", "#x": "x", "#l": "list"},
        "ExpressionAttributeValues": {
            ":n": {"N": "3"},
            ":one": {"N": "1"},
            ":t": {"S": "new"},
            ":gone": {"SS": ["a"]},
        },
        "ConditionExpression": "title = :t OR attribute_exists(marks)",
    }
    item = key() | {"map": {"M": {}}, "list": {"L": [{"S": "0"}, {"S": "1"}]}, "marks": {"SS": ["a", "b"]}}
    dax.client.put_item(TableName=dax.table, Item=item)
    dax.client.update_item(TableName=dax.table, Key=key(), **update)
    expected = {
        "map": {"M": {"x": {"N": "2"}}},
        "title": {"S": "new"},
        "list": {"L": [{"S": "1"}]},
        "visits": {"N": "3"},
        "marks": {"SS": ["b"]},
    }
    assert dax.get() == key() | expected


@pytest.mark.parametrize("index", [False, True])
def test_a_query_can_be_paged(dax: Dax, index: bool) -> None:
    for number in range(1, 6):
        dax.put_directly("old", number)
    request = owned(dax.table)
    if index:
        request |= {"IndexName": "by-state", "ExpressionAttributeNames": {"#o": "state"}}
        request |= {"ExpressionAttributeValues": {":o": {"S": "open"}}}
    page = dax.client.query(**request, Limit=2)
    found = page["Items"]
    while "LastEvaluatedKey" in page:
        page = dax.client.query(**request, Limit=2, ExclusiveStartKey=page["LastEvaluatedKey"])
        found += page["Items"]
    assert by_id(found) == [note("old", number) for number in range(1, 6)]


def test_a_count_has_no_items(dax: Dax) -> None:
    dax.put_directly("old")
    answer = dax.client.query(**owned(dax.table), Select="COUNT")
    assert answer["Count"] == 1
    assert "Items" not in answer


@pytest.mark.parametrize("detail", ["TOTAL", "INDEXES"])
def test_the_consumed_capacity_is_dynamodbs(dax: Dax, detail: str) -> None:
    asked = {"ReturnConsumedCapacity": detail}
    on_table = {"TableName": dax.table}

    def capacities(client: Any, title: str) -> list[Any]:
        put = on_table | {"Item": note(title)}
        batch = {dax.table: [{"PutRequest": {"Item": note(title)}}]}
        answers = [
            client.put_item(**put, **asked),
            client.query(**owned(dax.table), **asked),
            client.transact_get_items(TransactItems=[{"Get": on_table | {"Key": key(2)}}], **asked),
            client.transact_write_items(TransactItems=[{"Put": put}], **asked),
            client.delete_item(**on_table, Key=key(), **asked),
            client.get_item(**on_table, Key=key(), **asked),
            client.batch_write_item(RequestItems=batch, **asked),
        ]
        return [answer["ConsumedCapacity"] for answer in answers]

    dax.put_directly("old")
    assert capacities(dax.client, "one") == capacities(dax.dynamodb, "two")


def test_a_hit_consumes_no_capacity(dax: Dax) -> None:
    asked = {"ReturnConsumedCapacity": "TOTAL"}
    get = {"TableName": dax.table, "Key": key()}
    assert "ConsumedCapacity" in dax.client.query(**owned(dax.table), **asked)
    assert "ConsumedCapacity" not in dax.client.query(**owned(dax.table), **asked)
    assert "ConsumedCapacity" in dax.client.get_item(**get, **asked)
    assert "ConsumedCapacity" not in dax.client.get_item(**get, **asked)


def test_dynamodbs_errors_reach_the_caller(dax: Dax) -> None:
    with pytest.raises(ClientError) as missing:
        dax.client.get_item(TableName="no-such-table", Key=key())
    assert missing.value.response["Error"]["Code"] == "ResourceNotFoundException"
    with pytest.raises(ClientError) as invalid:
        dax.client.update_item(
            TableName=dax.table,
            Key=key(),
            UpdateExpression="SET id = :n",
            ExpressionAttributeValues={":n": {"N": "2"}},
        )
    assert invalid.value.response["Error"]["Code"] == "ValidationException"
    assert dax.get() is None


def test_a_connection_that_was_not_authorized_is_refused(dynamodb: Any) -> None:
    server = Server(new_cluster(dynamodb), arn=ARN, authorize=allow)
    server.start()
    sent: list[Any] = ["J7yne5G", 0, None, {}, 0, 1, DaxMethodIds.endpoints_455855874_1_Id]
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"".join(map(cbor, sent)))
        codes, message, _ = values(connection.recv(4096))
    server.stop()
    assert codes == [4, 23, 31, 33]
    assert message == "The connection is not authorized."


def test_the_client_has_a_boto3_resource(dynamodb: Any, table: str) -> None:
    server = Server(new_cluster(dynamodb), arn=ARN, authorize=allow)
    server.start()
    url = server.endpoint_url
    with AmazonDaxClient.resource(endpoint_url=url, region_name=REGION, **ROOT_KEYS) as resource:
        notes = resource.Table(table)
        notes.put_item(Item={"owner": "ann", "id": 1, "title": "new"})
        assert notes.get_item(Key={"owner": "ann", "id": 1})["Item"] == {
            "owner": "ann",
            "id": 1,
            "title": "new",
        }
    server.stop()


# In the emulator: CloudFormation, IAM and CloudWatch.


@pytest.fixture(scope="module")
def with_dax(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from started(WITH_DAX, tmp_path_factory.mktemp("with-dax"))


def cluster_template(name: str, record_ttl: int) -> str:
    values = {"record-ttl-millis": record_ttl, "query-ttl-millis": 0}
    resources = {
        "Ttls": {"Type": "AWS::DAX::ParameterGroup", "Properties": {"ParameterNameValues": values}},
        "Dax": {
            "Type": "AWS::DAX::Cluster",
            "Properties": {
                "ClusterName": name,
                "IAMRoleARN": "arn:aws:iam::000000000000:role/dax",
                "NodeType": "dax.t3.small",
                "ReplicationFactor": 1,
                "ParameterGroupName": {"Ref": "Ttls"},
            },
        },
    }
    outputs = {
        "Name": {"Value": {"Ref": "Dax"}},
        "Arn": {"Value": {"Fn::GetAtt": ["Dax", "Arn"]}},
        "Endpoint": {"Value": {"Fn::GetAtt": ["Dax", "ClusterDiscoveryEndpoint"]}},
        "Url": {"Value": {"Fn::GetAtt": ["Dax", "ClusterDiscoveryEndpointURL"]}},
    }
    return json.dumps({"Resources": resources, "Outputs": outputs})


class Stack:
    """A stack with one DAX cluster, and a separate table."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.name = f"cluster-{next(numbers)}"
        self.cloudformation = client_of(endpoint, "cloudformation")
        self.dynamodb = client_of(endpoint, "dynamodb")
        self.table = create_table(self.dynamodb, f"notes-{next(numbers)}")
        template = cluster_template(self.name, 60_000)
        self.cloudformation.create_stack(StackName=self.name, TemplateBody=template)
        wait_for(self.cloudformation, "stack_create_complete", self.name)
        self.outputs = outputs_of(self.cloudformation, self.name)

    def with_record_ttl(self, millis: int) -> None:
        template = cluster_template(self.name, millis)
        self.cloudformation.update_stack(StackName=self.name, TemplateBody=template)
        wait_for(self.cloudformation, "stack_update_complete", self.name)

    def delete(self) -> None:
        self.cloudformation.delete_stack(StackName=self.name)
        wait_for(self.cloudformation, "stack_delete_complete", self.name)

    def keys_of(self, *actions: str, resource: str = "") -> dict[str, str]:
        iam = client_of(self.endpoint, "iam")
        user = f"user-{next(numbers)}"
        iam.create_user(UserName=user)
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource or self.outputs["Arn"]}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=user, PolicyName="dax", PolicyDocument=policy)
        made = iam.create_access_key(UserName=user)["AccessKey"]
        return {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}


def wait_for(cloudformation: Any, event: str, stack_name: str) -> None:
    cloudformation.get_waiter(event).wait(StackName=stack_name, WaiterConfig={"Delay": 1})


def outputs_of(cloudformation: Any, name: str) -> dict[str, str]:
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"].endswith("_COMPLETE"), stack
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


@pytest.fixture
def stack(with_dax: str) -> Iterator[Stack]:
    made = Stack(with_dax)
    yield made
    made.delete()


def test_the_stock_emulator_does_not_support_dax(stock: str) -> None:
    """If this test fails, the emulator supports DAX. Delete `localaws/dax/clusters.py`."""
    with pytest.raises(ClientError, match=r"Unrecognized resource types: .*AWS::DAX::Cluster"):
        client_of(stock, "cloudformation").create_stack(
            StackName="unknown", TemplateBody=cluster_template("unknown", 0)
        )


def test_a_stack_starts_a_cluster_and_returns_its_endpoint(stack: Stack) -> None:
    assert stack.outputs["Name"] == stack.name
    assert stack.outputs["Arn"] == f"arn:aws:dax:us-east-1:000000000000:cache/{stack.name}"
    assert stack.outputs["Url"] == f"dax://{stack.outputs['Endpoint']}"
    with dax_client(stack.outputs["Url"]) as dax:
        dax.put_item(TableName=stack.table, Item=note("new"))
        assert dax.get_item(TableName=stack.table, Key=key())["Item"] == note("new")
    assert stack.dynamodb.get_item(TableName=stack.table, Key=key())["Item"] == note("new")


def test_the_parameter_group_drives_the_ttl_of_a_running_cluster(stack: Stack) -> None:
    with dax_client(stack.outputs["Url"]) as dax:
        dax.put_item(TableName=stack.table, Item=note("old"))
        stack.dynamodb.put_item(TableName=stack.table, Item=note("new"))
        assert dax.get_item(TableName=stack.table, Key=key())["Item"] == note("old")
        stack.with_record_ttl(1)
        assert dax.get_item(TableName=stack.table, Key=key())["Item"] == note("new")
    assert outputs_of(stack.cloudformation, stack.name) == stack.outputs


def test_a_deleted_stack_stops_its_cluster(with_dax: str) -> None:
    stack = Stack(with_dax)
    host, port = stack.outputs["Endpoint"].split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        stack.delete()
        with suppress(ConnectionResetError):  # also closes the connection
            assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_a_name_belongs_to_one_region(stack: Stack) -> None:
    """The cluster and the parameter group of the other Region have the same names, as a standby has."""
    elsewhere = boto3.Session().client(
        "cloudformation", endpoint_url=stack.endpoint, region_name="eu-west-1", **ROOT_KEYS
    )
    elsewhere.create_stack(StackName=stack.name, TemplateBody=cluster_template(stack.name, 1))
    wait_for(elsewhere, "stack_create_complete", stack.name)
    outputs = outputs_of(elsewhere, stack.name)
    assert outputs["Arn"] == f"arn:aws:dax:eu-west-1:000000000000:cache/{stack.name}"
    assert outputs["Endpoint"] != stack.outputs["Endpoint"]
    elsewhere.delete_stack(StackName=stack.name)
    wait_for(elsewhere, "stack_delete_complete", stack.name)
    with dax_client(stack.outputs["Url"]) as dax:
        dax.put_item(TableName=stack.table, Item=note("new"))
        assert dax.get_item(TableName=stack.table, Key=key())["Item"] == note("new")


def test_a_reset_of_the_emulator_stops_its_clusters(with_dax: str) -> None:
    host, port = Stack(with_dax).outputs["Endpoint"].split(":")
    control_client.call(f"{with_dax}/_ministack/reset", b"")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_the_clusters_metrics_are_in_cloudwatch(stack: Stack) -> None:
    with dax_client(stack.outputs["Url"]) as dax:
        for _ in range(3):
            dax.get_item(TableName=stack.table, Key=key())
        dax.query(**owned(stack.table))
    expected = {"ItemCacheHits": 2.0, "ItemCacheMisses": 1.0, "QueryCacheMisses": 1.0}
    eventually(lambda: metrics_of(stack) == expected)
    assert metrics_of(stack) == expected


def metrics_of(stack: Stack) -> dict[str, float]:
    cloudwatch = client_of(stack.endpoint, "cloudwatch")
    dimensions = [{"Name": "ClusterId", "Value": stack.name}]
    listed = cloudwatch.list_metrics(Namespace="AWS/DAX", Dimensions=dimensions)["Metrics"]
    now = time.time()
    period = {"StartTime": now - 3600, "EndTime": now + 60, "Period": 7200, "Statistics": ["Sum"]}
    return {
        metric["MetricName"]: sum(
            point["Sum"]
            for point in cloudwatch.get_metric_statistics(
                Namespace="AWS/DAX", MetricName=metric["MetricName"], Dimensions=dimensions, **period
            )["Datapoints"]
        )
        for metric in listed
    }


def test_a_caller_can_do_only_what_its_policy_allows(stack: Stack) -> None:
    stack.dynamodb.put_item(TableName=stack.table, Item=note("old"))
    check = {"TableName": stack.table, "Key": key(), "ConditionExpression": "attribute_exists(id)"}
    with dax_client(stack.outputs["Url"], **stack.keys_of("dax:GetItem", "dax:PutItem")) as dax:
        assert dax.get_item(TableName=stack.table, Key=key())["Item"] == note("old")
        get = {"Get": {"TableName": stack.table, "Key": key()}}
        assert dax.transact_get_items(TransactItems=[get])["Responses"] == [{"Item": note("old")}]
        put = {"Put": {"TableName": stack.table, "Item": note("new")}}
        dax.transact_write_items(TransactItems=[put])
        other = {"TableName": stack.table, "Item": note("new", 2)}
        refused: list[Callable[[], Any]] = [
            lambda: dax.query(**owned(stack.table)),
            lambda: dax.scan(TableName=stack.table),
            lambda: dax.delete_item(TableName=stack.table, Key=key()),
            lambda: dax.batch_get_item(RequestItems={stack.table: {"Keys": [key()]}}),
            lambda: dax.batch_write_item(RequestItems={stack.table: [{"DeleteRequest": {"Key": key()}}]}),
            lambda: dax.transact_write_items(TransactItems=[{"Put": other}, {"ConditionCheck": check}]),
            lambda: dax.update_item(TableName=stack.table, Key=key(), UpdateExpression="REMOVE title"),
        ]
        for call in refused:
            with pytest.raises(ClientError) as error:
                call()
            assert error.value.response["Error"]["Code"] == "AccessDeniedException"
            assert "is not authorized to perform: dax:" in error.value.response["Error"]["Message"]
    assert stack.dynamodb.get_item(TableName=stack.table, Key=key())["Item"] == note("new")


def test_a_permission_on_the_table_or_on_another_cluster_is_not_sufficient(stack: Stack) -> None:
    for actions, resource in (("dynamodb:*", "*"), ("dax:*", f"{stack.outputs['Arn']}-other")):
        keys = stack.keys_of(actions, resource=resource)
        with dax_client(stack.outputs["Url"], **keys) as dax, pytest.raises(ClientError) as error:
            dax.get_item(TableName=stack.table, Key=key())
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aws_secret_access_key": "guessed"}, "SignatureDoesNotMatch"),
        ({"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"}, "UnrecognizedClientException"),
        ({"aws_session_token": "invented"}, "InvalidToken"),
    ],
)
def test_invalid_credentials_are_rejected(stack: Stack, change: dict[str, str], code: str) -> None:
    keys = stack.keys_of("dax:*") | change
    with pytest.raises(ClientError) as error:
        dax_client(stack.outputs["Url"], **keys)
    assert error.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(("age", "codes"), [(0, []), (3600, [4, 23, 31, 33])])
def test_a_signature_cannot_be_replayed_later(stack: Stack, age: int, codes: list[int]) -> None:
    keys = stack.keys_of("dax:*")
    credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"])
    signed_at = datetime.now(UTC) - timedelta(seconds=age)
    signed = generate_signature(credentials, "https://dax.amazonaws.com", REGION, b"", signed_at)
    caller = [credentials.access_key, signed.signature, signed.string_to_sign.encode(), None, None]
    sent = ["J7yne5G", 0, None, {}, 0, 1, DaxMethodIds.authorizeConnection_1489122155_1_Id, *caller]
    sent += [1, DaxMethodIds.endpoints_455855874_1_Id]
    host, port = stack.outputs["Endpoint"].split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"".join(map(cbor, sent)))
        assert next(values(connection.recv(4096))) == codes


def test_a_role_session_needs_its_token(stack: Stack) -> None:
    iam, sts = client_of(stack.endpoint, "iam"), client_of(stack.endpoint, "sts")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = f"role-{next(numbers)}"
    made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]
    statement = {"Effect": "Allow", "Action": "dax:GetItem", "Resource": stack.outputs["Arn"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="dax", PolicyDocument=policy)
    session = sts.assume_role(RoleArn=made["Arn"], RoleSessionName="function")["Credentials"]
    keys = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    with dax_client(stack.outputs["Url"], **keys) as dax:
        assert "Item" not in dax.get_item(TableName=stack.table, Key=key())
    del keys["aws_session_token"]
    with pytest.raises(ClientError):
        dax_client(stack.outputs["Url"], **keys)


def test_a_tls_endpoint_fails_with_a_reason_that_names_tls(with_dax: str) -> None:
    cloudformation = client_of(with_dax, "cloudformation")
    template = json.loads(cluster_template("encrypted", 0))
    template["Resources"]["Dax"]["Properties"]["ClusterEndpointEncryptionType"] = "TLS"
    cloudformation.create_stack(StackName="encrypted", TemplateBody=json.dumps(template), OnFailure="DELETE")

    def reasons() -> str:
        events = cloudformation.describe_stack_events(StackName="encrypted")["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in events)

    assert eventually(lambda: "TLS" in reasons()), reasons()
