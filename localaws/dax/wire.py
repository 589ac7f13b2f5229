"""The encoding of the DAX protocol: CBOR values, keys, items, expressions and errors."""

import threading
from collections.abc import Iterator
from typing import Any

from amazondax.AttributeValueDecoder import _decode_key_bytes
from amazondax.AttributeValueEncoder import encode_attribute_value, encode_key, encode_values
from amazondax.CborEncoder import CborEncoder
from amazondax.Constants import CONSUMED_CAPACITY
from amazondax.DaxCborDecoder import DaxCborDecoder
from amazondax.DaxCborTypes import DdbSet, DocumentPathOrdinal
from amazondax.DaxError import ERROR_MAP
from botocore.exceptions import ClientError

from localaws.dax.cache import AttributeValue, Item, Path

type KeySchema = list[dict[str, str]]

_AUTHENTICATION_ERRORS = (
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
_ERROR_CODES = {
    **{code: [4, 37, 38, 39, number] for number, code in ERROR_MAP[37][38][39].items()},
    **{code: [4, 23, 31, 33] for code in _AUTHENTICATION_ERRORS},
    "AccessDeniedException": [4, 37, 38, 42],
}
_OTHER_ERROR = [4, 0]


class Encoded(bytes):
    """Bytes that are already encoded as CBOR."""


def cbor(value: Any) -> bytes:
    encoder = CborEncoder()
    match value:
        case Encoded():
            encoder.append_raw(value)
        case None:
            encoder.append_null()
        case int():
            encoder.append_int(value)
        case float():
            encoder.append_float(value)
        case str():
            encoder.append_string(value)
        case bytes():
            encoder.append_binary(value)
        case dict():
            encoder.append_map_header(len(value))
            encoder.append_raw(b"".join(cbor(name) + cbor(each) for name, each in value.items()))
        case _:
            encoder.append_array_header(len(value))
            encoder.append_raw(b"".join(map(cbor, value)))
    return bytes(encoder.as_bytes())


def values(data: bytes) -> Iterator[Any]:
    """Yield the consecutive CBOR values in `data`."""
    decoder = DaxCborDecoder(lambda buffer, size: -1)
    decoder.buffer += data
    while decoder.buffer:
        yield decoder.decode_object()


def attribute_value(decoded: Any) -> AttributeValue:
    match decoded:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": decoded}
        case str():
            return {"S": decoded}
        case bytes():
            return {"B": decoded}
        case DdbSet():
            return {decoded.type: decoded.values}
        case list():
            return {"L": [attribute_value(each) for each in decoded]}
        case dict():
            return {"M": {name: attribute_value(each) for name, each in decoded.items()}}
        case _:
            return {"N": str(decoded)}


def encoded_value(value: AttributeValue) -> Encoded:
    return Encoded(encode_attribute_value(value))


def encoded_key(item: Item, schema: KeySchema) -> bytes:
    return bytes(encode_key(item, schema))


def decoded_key(data: bytes, schema: KeySchema) -> Item:
    decoder = DaxCborDecoder(lambda buffer, size: -1)
    decoder.buffer += cbor(data)
    key: Item = _decode_key_bytes(decoder, schema)
    return key


class AttributeLists:
    """The IDs that represent lists of attribute names in the protocol. ID 1 is the empty list."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, ...], int] = {(): 1}
        self._lists: dict[int, tuple[str, ...]] = {1: ()}
        self._lock = threading.Lock()

    def id(self, names: tuple[str, ...]) -> int:
        with self._lock:
            number = self._ids.setdefault(names, len(self._ids) + 1)
            self._lists[number] = names
        return number

    def names(self, number: int) -> tuple[str, ...]:
        return self._lists[number]

    def encoded_item(self, item: Item, schema: KeySchema) -> bytes:
        names = tuple(sorted(item.keys() - {each["AttributeName"] for each in schema}))
        return bytes(encode_values(item, schema, names, self.id(names)))

    def decoded_item(self, data: bytes) -> Item:
        number, *attributes = values(data)
        return dict(zip(self.names(number), map(attribute_value, attributes), strict=True))

    def encoded_updates(self, attributes: Item) -> bytes:
        names = tuple(sorted(attributes))
        ordinals = {ordinal: encoded_value(attributes[name]) for ordinal, name in enumerate(names)}
        return cbor(self.id(names)) + cbor(ordinals)


# Indexed by the function number of the s-expression. 17 is a variable, 18 is a document path.
_FUNCTIONS = (
    "{} = {}", "{} <> {}", "{} < {}", "{} >= {}", "{} > {}", "{} <= {}",
    "({} AND {})", "({} OR {})", "(NOT {})", "{} BETWEEN {} AND {}", "{} IN ({})",
    "attribute_exists({})", "attribute_not_exists({})", "attribute_type({}, {})",
    "begins_with({}, {})", "contains({}, {})", "size({})", "", "",
    "{} = {}", "{} {}", "{} {}", "{}",
    "if_not_exists({}, {})", "list_append({}, {})", "{} + {}", "{} - {}",
)  # fmt: skip
_VARIABLE, _DOCUMENT_PATH = 17, 18
_CLAUSES = {19: "SET", 20: "ADD", 21: "DELETE", 22: "REMOVE"}


class Expressions:
    """The expressions of one request, decoded to text with placeholders for names and values."""

    def __init__(self) -> None:
        self.request: dict[str, Any] = {}
        self.paths: list[Path] = []
        self._names: dict[str, str] = {}
        self._values: list[AttributeValue] = []

    def add(self, parameter: str, encoded: bytes | None) -> None:
        if encoded is None:
            return
        _, spec, *variables = next(values(encoded))
        scope = [self._value(attribute_value(each)) for each in (variables[0] if variables else [])]
        if parameter == "ProjectionExpression":
            self.paths = [tuple(map(_element, path[1:])) for path in spec]
            self.request[parameter] = ", ".join(self._text(path, scope) for path in spec)
        elif parameter == "UpdateExpression":
            self.request[parameter] = self._update(spec, scope)
        else:
            self.request[parameter] = self._text(spec, scope)
        if self._names:
            self.request["ExpressionAttributeNames"] = {mark: name for name, mark in self._names.items()}
        if self._values:
            marks = (f":v{number}" for number in range(len(self._values)))
            self.request["ExpressionAttributeValues"] = dict(zip(marks, self._values, strict=True))

    def _update(self, actions: list[Any], scope: list[str]) -> str:
        clauses: dict[str, list[str]] = {}
        for action in actions:
            clauses.setdefault(_CLAUSES[action[0]], []).append(self._text(action, scope))
        return " ".join(f"{clause} {', '.join(texts)}" for clause, texts in clauses.items())

    def _text(self, spec: list[Any], scope: list[str]) -> str:
        function, *arguments = spec
        if function == _VARIABLE:
            return scope[int(arguments[0])]
        if function == _DOCUMENT_PATH:
            return self._path(arguments)
        return _FUNCTIONS[function].format(*(self._argument(each, scope) for each in arguments))

    def _argument(self, argument: list[Any], scope: list[str]) -> str:
        if isinstance(argument[0], int):
            return self._text(argument, scope)
        return ", ".join(self._text(each, scope) for each in argument)

    def _path(self, elements: list[Any]) -> str:
        marks = (f"[{e}]" if isinstance(e, int) else f".{self._name(e)}" for e in map(_element, elements))
        return "".join(marks).removeprefix(".")

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, f"#n{len(self._names)}")

    def _value(self, value: AttributeValue) -> str:
        self._values.append(value)
        return f":v{len(self._values) - 1}"


def _element(element: Any) -> str | int:
    return element.ordinal if isinstance(element, DocumentPathOrdinal) else str(element)


def projected(item: Item, paths: list[Path]) -> dict[int, Encoded]:
    """Return a projected item in the format of the client: the value of each path by the ordinal of the path."""
    tree: dict[str | int, Any] = {}
    for ordinal, (*parents, last) in enumerate(paths):
        node = tree
        for element in parents:
            node = node.setdefault(element, {})
        node[last] = ordinal
    return dict(_ordinals({"M": item}, tree))


def _ordinals(value: AttributeValue, tree: Any) -> Iterator[tuple[int, Encoded]]:
    if isinstance(tree, int):
        yield tree, encoded_value(value)
    elif "M" in value:
        for name in tree.keys() & value["M"].keys():
            yield from _ordinals(value["M"][name], tree[name])
    elif "L" in value:
        # DynamoDB returns a list without gaps. Its elements belong, in order, to the indexes that select a value.
        elements = list(value["L"])
        for index in sorted(index for index in tree if isinstance(index, int)):
            selected = list(_ordinals(elements[0], tree[index])) if elements else []
            if selected:
                yield from selected
                elements.pop(0)


def encoded_capacity(capacity: dict[str, Any]) -> bytes:
    table = capacity.get("Table")
    parts = [capacity["TableName"], capacity["CapacityUnits"], table and table["CapacityUnits"]]
    for indexes in (capacity.get("GlobalSecondaryIndexes"), capacity.get("LocalSecondaryIndexes")):
        parts.append(indexes and {name: each["CapacityUnits"] for name, each in indexes.items()})
    return b"".join(map(cbor, parts))


def transaction_capacity(capacity: Any) -> Any:
    if not isinstance(capacity, dict):
        return capacity
    return {CONSUMED_CAPACITY.get(name, name): transaction_capacity(each) for name, each in capacity.items()}


def encoded_error(error: ClientError) -> bytes:
    """Return the header from which the client creates a ClientError with the same code, message and status."""
    details = error.response.get("Error", {})
    code = details.get("Code", "InternalServerError")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    info = [None, code, status]
    if reasons := error.response.get("CancellationReasons", []):
        info.append([part for each in reasons for part in (each.get("Code"), each.get("Message"), None)])
    return b"".join(map(cbor, (_ERROR_CODES.get(code, _OTHER_ERROR), details.get("Message", ""), info)))
