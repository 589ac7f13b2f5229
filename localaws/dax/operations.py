"""The operations of the DAX protocol, with decoded CBOR arguments and encoded CBOR responses."""

import socket
from collections.abc import Callable
from typing import Any

from amazondax.AttributeValueEncoder import encode_compound_key
from amazondax.Constants import (
    DaxDataRequestParam,
    DaxMethodIds,
    DaxResponseParam,
    DynamoDBOperationNumerals,
    ReturnConsumedCapacityValues,
    ReturnValuesOnConditionCheckFailure,
    ReturnValuesValues,
    Role,
    SelectValues,
)

from localaws.dax.cache import Cluster, Item, Path, Response
from localaws.dax.wire import (
    AttributeLists,
    Expressions,
    attribute_value,
    cbor,
    decoded_key,
    encoded_capacity,
    encoded_key,
    projected,
    transaction_capacity,
    values,
)

# The name and the number of arguments of each method, by method number.
METHODS = {
    DaxMethodIds.endpoints_455855874_1_Id: ("endpoints", 0),
    DaxMethodIds.defineKeySchema_N742646399_1_Id: ("define_key_schema", 1),
    DaxMethodIds.defineAttributeList_670678385_1_Id: ("define_attribute_list", 1),
    DaxMethodIds.defineAttributeListId_N1230579644_1_Id: ("define_attribute_list_id", 1),
    DaxMethodIds.getItem_263244906_1_Id: ("get_item", 3),
    DaxMethodIds.putItem_N2106490455_1_Id: ("put_item", 4),
    DaxMethodIds.updateItem_1425579023_1_Id: ("update_item", 3),
    DaxMethodIds.deleteItem_1013539361_1_Id: ("delete_item", 3),
    DaxMethodIds.query_N931250863_1_Id: ("query", 3),
    DaxMethodIds.scan_N1875390620_1_Id: ("scan", 2),
    DaxMethodIds.batchGetItem_N697851100_1_Id: ("batch_get_item", 2),
    DaxMethodIds.batchWriteItem_116217951_1_Id: ("batch_write_item", 2),
    DaxMethodIds.transactGetItems_1866287579_1_Id: ("transact_get_items", 4),
    DaxMethodIds.transactWriteItems_N1160037738_1_Id: ("transact_write_items", 9),
}
_ACTIONS = {
    "get_item": "dax:GetItem",
    "put_item": "dax:PutItem",
    "update_item": "dax:UpdateItem",
    "delete_item": "dax:DeleteItem",
    "query": "dax:Query",
    "scan": "dax:Scan",
    "batch_get_item": "dax:BatchGetItem",
    "batch_write_item": "dax:BatchWriteItem",
    "transact_get_items": "dax:GetItem",
}
_TRANSACT_OPERATIONS = {
    DynamoDBOperationNumerals.PUT: ("Put", "dax:PutItem"),
    DynamoDBOperationNumerals.PARTIAL_UPDATE: ("Update", "dax:UpdateItem"),
    DynamoDBOperationNumerals.DELETE: ("Delete", "dax:DeleteItem"),
    DynamoDBOperationNumerals.CHECK: ("ConditionCheck", "dax:ConditionCheckItem"),
}


def _names(numbers: type) -> dict[int, str]:
    return {number: name for name, number in vars(numbers).items() if isinstance(number, int)}


_PARAMETERS = _names(DaxDataRequestParam)
_OPTION_DECODERS: dict[str, Callable[[Any], Any]] = {
    "ClientRequestToken": str,
    "ConsistentRead": bool,
    "IndexName": bytes.decode,
    "Limit": int,
    "ReturnConsumedCapacity": _names(ReturnConsumedCapacityValues).__getitem__,
    "ReturnValues": _names(ReturnValuesValues).__getitem__,
    "ScanIndexForward": bool,
    "Segment": int,
    "Select": _names(SelectValues).__getitem__,
    "TotalSegments": int,
}
_ON_CONDITION_CHECK_FAILURE = _names(ReturnValuesOnConditionCheckFailure)


def actions(method: str, arguments: list[Any]) -> set[str | None]:
    """Return the IAM actions that a method requires, or {None} if it requires only a valid signature.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodbacceleratordax.html
    """
    if method == "transact_write_items":
        return {_TRANSACT_OPERATIONS[number][1] for number in arguments[0]}
    return {_ACTIONS.get(method)}


class Operations:
    """The DAX methods, with the arguments that the Stubs of the `amazondax` client send."""

    def __init__(self, cluster: Cluster, host: str, port: int) -> None:
        self._cluster = cluster
        self._host, self._port = host, port
        self._lists = AttributeLists()

    def endpoints(self) -> bytes:
        node = ("node", self._host, socket.inet_aton(self._host), self._port, int(Role.LEADER), "az", 0)
        return cbor([dict(enumerate(node))])

    def define_key_schema(self, table: bytes) -> bytes:
        schema = self._cluster.key_schema(table.decode())
        return cbor({each["AttributeName"]: each["AttributeType"] for each in schema})

    def define_attribute_list(self, number: int) -> bytes:
        return cbor(self._lists.names(number))

    def define_attribute_list_id(self, names: list[str]) -> bytes:
        return cbor(self._lists.id(tuple(names)))

    def get_item(self, table: bytes, key: bytes, options: Any) -> bytes:
        return self._call(self._cluster.get_item, table, options, Key=self._key(table, key))

    def update_item(self, table: bytes, key: bytes, options: Any) -> bytes:
        return self._call(self._cluster.update_item, table, options, Key=self._key(table, key))

    def delete_item(self, table: bytes, key: bytes, options: Any) -> bytes:
        return self._call(self._cluster.delete_item, table, options, Key=self._key(table, key))

    def put_item(self, table: bytes, key: bytes, item: bytes, options: Any) -> bytes:
        return self._call(self._cluster.put_item, table, options, Item=self._item(table, key, item))

    def query(self, table: bytes, condition: bytes | None, options: Any) -> bytes:
        expressions = Expressions()
        expressions.add("KeyConditionExpression", condition)
        return self._call(self._cluster.query, table, options, expressions)

    def scan(self, table: bytes, options: Any) -> bytes:
        return self._call(self._cluster.scan, table, options)

    def batch_get_item(self, tables: dict[str, Any], options: Any) -> bytes:
        request_items: dict[str, Any] = {}
        paths: dict[str, list[Path]] = {}
        for table, (consistent, projection, keys) in tables.items():
            expressions = Expressions()
            expressions.add("ProjectionExpression", projection)
            paths[table] = expressions.paths
            keys = [self._key(table.encode(), key) for key in keys]
            request_items[table] = {"ConsistentRead": consistent, "Keys": keys, **expressions.request}
        response = self._cluster.batch_get_item(RequestItems=request_items, **_decode_options(options))
        responses = {
            table: [part for item in items for part in self._batch_item(table, item, paths[table])]
            for table, items in response["Responses"].items()
        }
        unprocessed = {
            table: [encoded_key(key, self._cluster.key_schema(table)) for key in wanted["Keys"]]
            for table, wanted in response["UnprocessedKeys"].items()
        }
        return cbor([responses, unprocessed]) + _capacities(response)

    def batch_write_item(self, tables: dict[str, list[Any]], options: Any) -> bytes:
        request_items = {
            table: [
                {"DeleteRequest": {"Key": self._key(table.encode(), key)}}
                if item is None
                else {"PutRequest": {"Item": self._item(table.encode(), key, item)}}
                for key, item in zip(writes[::2], writes[1::2], strict=True)
            ]
            for table, writes in tables.items()
        }
        response = self._cluster.batch_write_item(RequestItems=request_items, **_decode_options(options))
        unprocessed = {
            table: [part for write in writes for part in self._batch_write(table, write)]
            for table, writes in response.get("UnprocessedItems", {}).items()
        }
        return cbor(unprocessed) + _capacities(response) + cbor({})

    def transact_get_items(
        self, tables: list[bytes], keys: list[bytes], projections: list[bytes | None] | None, options: Any
    ) -> bytes:
        gets, paths = [], []
        for table, key, projection in zip(tables, keys, projections or [None] * len(tables), strict=True):
            expressions = Expressions()
            expressions.add("ProjectionExpression", projection)
            paths.append(expressions.paths)
            get = {"TableName": table.decode(), "Key": self._key(table, key), **expressions.request}
            gets.append({"Get": get})
        response = self._cluster.transact_get_items(TransactItems=gets, **_decode_options(options))
        items = [
            self._single_item(table.decode(), found["Item"], wanted) if "Item" in found else None
            for table, found, wanted in zip(tables, response["Responses"], paths, strict=True)
        ]
        return cbor([items, _transaction_capacities(response)])

    def transact_write_items(self, operations: list[int], *columns: Any) -> bytes:
        *columns, options = columns  # type: ignore[assignment]
        rows = zip(operations, *(column or [None] * len(operations) for column in columns), strict=True)
        items = [self._transact_write(*row) for row in rows]
        response = self._cluster.transact_write_items(TransactItems=items, **_decode_options(options))
        return cbor([None, _transaction_capacities(response), {}])

    def _transact_write(
        self,
        operation: int,
        table: bytes,
        key: bytes,
        item: bytes | None,
        _return_values: None,
        on_failure: int,
        condition: bytes | None,
        update: bytes | None,
    ) -> dict[str, Any]:
        expressions = Expressions()
        expressions.add("ConditionExpression", condition)
        expressions.add("UpdateExpression", update)
        target = {"Key": self._key(table, key)} if item is None else {"Item": self._item(table, key, item)}
        request = {"TableName": table.decode(), **target, **expressions.request}
        request["ReturnValuesOnConditionCheckFailure"] = _ON_CONDITION_CHECK_FAILURE[on_failure]
        return {_TRANSACT_OPERATIONS[operation][0]: request}

    def _call(
        self,
        operation: Callable[..., Response],
        table: bytes,
        options: dict[int, Any] | None,
        expressions: Expressions | None = None,
        **arguments: Any,
    ) -> bytes:
        expressions = expressions or Expressions()
        request = {"TableName": table.decode(), **arguments, **_decode_options(options)}
        for name, value in _options_by_name(options).items():
            if name == "ExclusiveStartKey":
                request[name] = self._start_key(table, value, compound="IndexName" in request)
            elif name.endswith("Expression"):
                expressions.add(name, value)
        request |= expressions.request
        return self._encode(operation(**request), request, expressions.paths)

    def _encode(self, response: Response, request: dict[str, Any], paths: list[Path]) -> bytes:
        table = request["TableName"]
        encoders: dict[str, Callable[[Any], Any]] = {
            "Item": lambda item: self._single_item(table, item, paths),
            "Items": lambda items: [
                projected(i, paths) if paths else self._encoded_key_and_item(table, i) for i in items
            ],
            "Attributes": lambda attributes: self._attributes(attributes, request),
            "Count": int,
            "ScannedCount": int,
            "LastEvaluatedKey": lambda key: self._last_key(key, request),
            "ConsumedCapacity": encoded_capacity,
        }
        return cbor(
            {
                getattr(DaxResponseParam, name): encode(response[name])
                for name, encode in encoders.items()
                if name in response
            }
        )

    def _attributes(self, attributes: Item, request: dict[str, Any]) -> bytes:
        if request["ReturnValues"].startswith("UPDATED"):
            return self._lists.encoded_updates(attributes)
        return self._lists.encoded_item(attributes, self._cluster.key_schema(request["TableName"]))

    def _key(self, table: bytes, key: bytes) -> Item:
        return decoded_key(key, self._cluster.key_schema(table.decode()))

    def _item(self, table: bytes, key: bytes, item: bytes) -> Item:
        return self._key(table, key) | self._lists.decoded_item(item)

    def _start_key(self, table: bytes, key: bytes, *, compound: bool) -> Item:
        if not compound:
            return self._key(table, key)
        return {name: attribute_value(value) for name, value in next(values(key)).items()}

    def _last_key(self, key: Item, request: dict[str, Any]) -> bytes:
        if "IndexName" in request:
            return bytes(encode_compound_key(key))
        return encoded_key(key, self._cluster.key_schema(request["TableName"]))

    def _single_item(self, table: str, item: Item, paths: list[Path]) -> Any:
        return projected(item, paths) if paths else self._encoded_key_and_item(table, item)[1]

    def _encoded_key_and_item(self, table: str, item: Item) -> tuple[bytes, bytes]:
        schema = self._cluster.key_schema(table)
        return encoded_key(item, schema), self._lists.encoded_item(item, schema)

    def _batch_item(self, table: str, item: Item, paths: list[Path]) -> tuple[Any, ...]:
        return (projected(item, paths),) if paths else self._encoded_key_and_item(table, item)

    def _batch_write(self, table: str, write: dict[str, Any]) -> tuple[bytes, bytes | None]:
        if "PutRequest" in write:
            return self._encoded_key_and_item(table, write["PutRequest"]["Item"])
        return encoded_key(write["DeleteRequest"]["Key"], self._cluster.key_schema(table)), None


def _options_by_name(options: dict[int, Any] | None) -> dict[str, Any]:
    return {_PARAMETERS[number]: value for number, value in (options or {}).items()}


def _decode_options(options: dict[int, Any] | None) -> dict[str, Any]:
    return {
        name: _OPTION_DECODERS[name](value)
        for name, value in _options_by_name(options).items()
        if name in _OPTION_DECODERS
    }


def _capacities(response: Response) -> bytes:
    return cbor([encoded_capacity(each) for each in response.get("ConsumedCapacity", [])])


def _transaction_capacities(response: Response) -> list[Any]:
    return [transaction_capacity(each) for each in response.get("ConsumedCapacity", [])]
