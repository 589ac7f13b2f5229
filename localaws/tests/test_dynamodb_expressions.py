"""Requests with expressions that DynamoDB rejects, and the order of a Scan."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.testing import refusal

type Json = dict[str, Any]

TABLE = "orders"
KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}
X: Json = {":x": {"S": "x"}}
WRITE = "ValidationException: 1 validation error detected: "
READ = "ValidationException: "
OVERLAP = "Two document paths overlap with each other; must remove or rewrite one of these paths; "
EMPTY = "The expression can not be empty;"
KEYS = {f":x{number}": {"S": str(number)} for number in range(101)}
IN_101 = f"a IN ({', '.join(KEYS)})"
TOO_MANY = "The IN operator is provided with too many operands; number of operands: 101"
TYPE = "Incorrect operand type for operator or function; "


def update(expression: str, values: Json | None = None, **more: Any) -> tuple[str, Json]:
    given = {"ExpressionAttributeValues": values} if values else {}
    return "update_item", {"TableName": TABLE, "Key": KEY, "UpdateExpression": expression} | given | more


def scan(expression: str, values: Json | None = None, **more: Any) -> tuple[str, Json]:
    given = {"ExpressionAttributeValues": values} if values else {}
    return "scan", {"TableName": TABLE, "FilterExpression": expression} | given | more


def query(condition: str = "pk = :x", **more: Any) -> tuple[str, Json]:
    given = {"KeyConditionExpression": condition, "ExpressionAttributeValues": X}
    return "query", {"TableName": TABLE} | given | more


def transaction(**action: Any) -> tuple[str, Json]:
    return "transact_write_items", {"TransactItems": [action]}


CASES: dict[str, tuple[tuple[str, Json], str]] = {
    "SET twice": (
        update("SET a = :x, a = :x", X),
        f"{WRITE}Invalid UpdateExpression: {OVERLAP}path one: [a], path two: [a]",
    ),
    "SET and REMOVE": (
        update("SET a = :x REMOVE #a", X, ExpressionAttributeNames={"#a": "a"}),
        f"{WRITE}Invalid UpdateExpression: {OVERLAP}path one: [a], path two: [a]",
    ),
    "a map and its member": (
        update("SET m.l[0] = :x, m = :x", X),
        f"{WRITE}Invalid UpdateExpression: {OVERLAP}path one: [m, l, [0]], path two: [m]",
    ),
    "an index and a name": (
        update("REMOVE m[0], m.x"),
        f"{WRITE}Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of "
        "these paths; path one: [m, [0]], path two: [m, x]",
    ),
    "a clause twice": (
        update("SET a = :x SET b = :x", X),
        f'{WRITE}Invalid UpdateExpression: The "SET" section can only be used once in an update expression;',
    ),
    "list_append of a string": (
        update("SET a = list_append(if_not_exists(a, :l), :x)", X | {":l": {"L": []}}),
        f"{WRITE}Invalid UpdateExpression: {TYPE}operator or function: list_append, operand type: S",
    ),
    "a value whose name is the start of another": (
        update("SET a = :x1", X | {":x1": {"S": "1"}}),
        f"{WRITE}Value provided in ExpressionAttributeValues unused in expressions: keys: {{:x}}",
    ),
    "SET twice in a transaction": (
        transaction(Update=update("SET a = :x, a = :x", X)[1]),
        f"{READ}Invalid UpdateExpression: {OVERLAP}path one: [a], path two: [a]",
    ),
    "the key in a transaction": (
        transaction(Update=update("SET sk = :x", X)[1]),
        "TransactionCanceledException: Transaction cancelled, please refer cancellation reasons for specific reasons "
        "[ValidationError]",
    ),
    "two actions in one item": (
        transaction(Delete={"TableName": TABLE, "Key": KEY}, Put={"TableName": TABLE, "Item": KEY}),
        f"{READ}TransactItems can only contain one of Check, Put, Update or Delete",
    ),
    "no values in a transaction": (
        transaction(Update=update("SET a = b")[1] | {"ExpressionAttributeValues": {}}),
        f"{READ}ExpressionAttributeValues must not be empty",
    ),
    "an empty key in a transactional read": (
        ("transact_get_items", {"TransactItems": [{"Get": {"TableName": TABLE, "Key": KEY | {"sk": {"S": ""}}}}]}),
        f"{READ}One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
        "empty string value. Key: sk",
    ),
    "IN with 101 operands in a filter": (scan(IN_101, KEYS), f"{READ}Invalid FilterExpression: {TOO_MANY}"),
    "IN with 101 operands in a condition": (
        (
            "put_item",
            {
                "TableName": TABLE,
                "Item": KEY,
                "ConditionExpression": f"NOT {IN_101}",
                "ExpressionAttributeValues": KEYS,
            },
        ),
        f"{WRITE}Invalid ConditionExpression: {TOO_MANY}",
    ),
    "IN with 101 operands in a transaction": (
        transaction(
            ConditionCheck={
                "TableName": TABLE,
                "Key": KEY,
                "ConditionExpression": f"NOT {IN_101}",
                "ExpressionAttributeValues": KEYS,
            }
        ),
        f"{READ}Invalid ConditionExpression: {TOO_MANY}",
    ),
    "more than 300 operators": (
        scan(" OR ".join(["a <> :x"] * 151), X),
        f"{READ}Invalid FilterExpression: The expression contains too many operators; operator count: 301",
    ),
    "an empty filter": (scan(""), f"{READ}Invalid FilterExpression: {EMPTY}"),
    "an empty filter of a query": (query(FilterExpression=" "), f"{READ}Invalid FilterExpression: {EMPTY}"),
    "an empty projection": (query(ProjectionExpression=""), f"{READ}Invalid ProjectionExpression: {EMPTY}"),
    "a filter by the sort key": (
        query(FilterExpression="sk = :x"),
        f"{READ}Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
    ),
    "a filter by a key of the index": (
        query("g = :x", FilterExpression="n = :x", IndexName="by-g"),
        f"{READ}Filter Expression can only contain non-primary key attributes: Primary key attribute: n",
    ),
    "OR in a key condition": (
        query("pk = :x OR sk = :x"),
        f"{READ}Invalid operator used in KeyConditionExpression: OR",
    ),
    "<> in a key condition": (
        query("pk = :x AND sk <> :x"),
        f"{READ}Invalid operator used in KeyConditionExpression: <>",
    ),
    "an attribute compared with itself": (
        scan("a.b = a.b"),
        f"{READ}Invalid FilterExpression: The first operand must be distinct from the remaining operands for this "
        "operator or function; operator: =, first operand: [a, b]",
    ),
    "an unknown function": (
        scan("starts_with(a, :x)", X),
        f"{READ}Invalid FilterExpression: Invalid function name; function: starts_with",
    ),
    "an unknown type": (
        scan("attribute_type(a, :x)", X),
        f"{READ}Invalid FilterExpression: Invalid attribute type name found; type: x, "
        "valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
    ),
    "the order of maps": (
        scan("a < :x", {":x": {"M": {}}}),
        f"{READ}Invalid FilterExpression: {TYPE}operator: <, operand type: M",
    ),
    "a filter that no item reaches": (
        query(FilterExpression="a = "),
        f'{READ}Invalid FilterExpression: Syntax error; token: "<EOF>", near: "= "',
    ),
    "all attributes of an index of keys": (
        query("g = :x", IndexName="by-g", Select="ALL_ATTRIBUTES"),
        f"{READ}One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global "
        "secondary index by-g because its projection type is not ALL",
    ),
}

ACCEPTED: dict[str, tuple[str, Json]] = {
    "an update of two members": update("SET m.x = :x, m.y = if_not_exists(m.y, :x)", X),
    "an update with all clauses": update(
        "SET b = :x, n1 = if_not_exists(n1, :n) + :n REMOVE l[0], l[1] ADD n2 :n DELETE s :s",
        X | {":n": {"N": "1"}, ":s": {"SS": ["a"]}},
    ),
    "IN with 100 operands": scan(f"a IN ({', '.join(list(KEYS)[:100])})", dict(list(KEYS.items())[:100])),
    "a nested condition": scan(
        "(size(a) > :n AND NOT (a BETWEEN :x AND :y OR attribute_exists(b[0].c))) OR contains(a, :x)",
        X | {":n": {"N": "1"}, ":y": {"S": "y"}},
    ),
    "a range of the sort key": query("pk = :x AND begins_with(sk, :x)"),
    "a filter of an index by a key of the table": query("g = :x", IndexName="by-g", FilterExpression="pk = :x"),
}


@cache
def tables(endpoint: str) -> Any:
    """Return a client for which the table of the cases exists."""
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    client = boto3.client("dynamodb", endpoint_url=endpoint, config=config)
    with contextlib.suppress(client.exceptions.ResourceInUseException):
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "g", "n")],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-g",
                    "KeySchema": [
                        {"AttributeName": "g", "KeyType": "HASH"},
                        {"AttributeName": "n", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
    client.put_item(TableName=TABLE, Item=KEY | {"m": {"M": {"y": {"S": "1"}}}, "l": {"L": [{"S": "1"}, {"S": "2"}]}})
    return client


def answer(endpoint: str, request: tuple[str, Json]) -> str:
    operation, arguments = request
    return refusal(lambda: getattr(tables(endpoint), operation)(**arguments))


@pytest.mark.parametrize("case", CASES)
def test_an_invalid_expression_is_rejected(emulator: str, case: str) -> None:
    request, expected = CASES[case]

    assert answer(emulator, request) == expected


@pytest.mark.parametrize("case", CASES)
def test_the_gap_is_still_there(bare_emulator: str, case: str) -> None:
    request, expected = CASES[case]

    assert answer(bare_emulator, request) != expected


@pytest.mark.parametrize("case", ACCEPTED)
def test_a_valid_expression_is_accepted(emulator: str, case: str) -> None:
    assert answer(emulator, ACCEPTED[case]) == ""


def test_a_canceled_transaction_names_the_key_attribute(emulator: str) -> None:
    operation, arguments = transaction(Update=update("SET sk = :x", X)[1])

    with pytest.raises(ClientError) as error:
        getattr(tables(emulator), operation)(**arguments)

    reasons: Any = error.value.response
    assert [(reason["Code"], reason["Message"]) for reason in reasons["CancellationReasons"]] == [
        (
            "ValidationError",
            "One or more parameter values were invalid: Cannot update attribute sk. This attribute is part of the key",
        )
    ]


@cache
def numbered(endpoint: str) -> Any:
    """Return a client for which a table with the hash keys 0 to 9 and the range keys 1 to 11 exists."""
    client = boto3.client("dynamodb", endpoint_url=endpoint)
    with contextlib.suppress(client.exceptions.ResourceInUseException):
        client.create_table(
            TableName="numbers",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "N"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-sk",
                    "KeySchema": [{"AttributeName": "sk", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        for pk in range(10):
            for sk in range(1, 12):
                client.put_item(TableName="numbers", Item={"pk": {"N": str(pk)}, "sk": {"N": str(sk)}})
    return client


def scanned(client: Any, **options: Any) -> list[tuple[int, int]]:
    pages = client.get_paginator("scan").paginate(TableName="numbers", **options)
    return [(int(item["pk"]["N"]), int(item["sk"]["N"])) for page in pages for item in page["Items"]]


def test_a_scan_is_not_ordered_by_the_hash_key(emulator: str, bare_emulator: str) -> None:
    hashes = list(dict.fromkeys(pk for pk, _ in scanned(numbered(emulator))))
    bare = list(dict.fromkeys(pk for pk, _ in scanned(numbered(bare_emulator))))

    assert bare == list(range(10))
    assert hashes != list(range(10))
    assert sorted(hashes) == list(range(10))


def test_a_scan_orders_a_partition_by_its_range_key(emulator: str) -> None:
    found = scanned(numbered(emulator))

    assert [sk for pk, sk in found if pk == 3] == list(range(1, 12))


@pytest.mark.parametrize("index", [{}, {"IndexName": "by-sk"}])
@pytest.mark.parametrize("limit", [1, 7, 200])
def test_the_pages_of_a_scan_hold_each_item_once(emulator: str, index: Json, limit: int) -> None:
    client = numbered(emulator)

    found = scanned(client, Limit=limit, **index)

    assert found == scanned(client, **index)
    assert sorted(found) == [(pk, sk) for pk in range(10) for sk in range(1, 12)]


def test_the_segments_of_a_scan_hold_each_item_once(emulator: str) -> None:
    client = numbered(emulator)

    found = [item for segment in range(3) for item in scanned(client, Segment=segment, TotalSegments=3, Limit=5)]

    assert sorted(found) == [(pk, sk) for pk in range(10) for sk in range(1, 12)]
