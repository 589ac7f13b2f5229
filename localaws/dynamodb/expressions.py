"""Gap: the emulator runs many expressions that DynamoDB rejects, such as an update of two paths that overlap.

It also checks a filter only when it finds an item, and counts a name or value as used if it is the start of another.
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-expression-parameters
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.FilterExpression.html
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
No longer needed when `SET a = :v, a = :v` and an IN with 101 operands are rejected with a ValidationException.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import dynamodb

type Json = dict[str, Any]
type Token = tuple[str, str]
type Path = list[str | int]

CLAUSES = ("SET", "REMOVE", "ADD", "DELETE")
COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
CONDITION_FUNCTIONS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
}
UPDATE_FUNCTIONS = {"if_not_exists": 2, "list_append": 2, "+": 2, "-": 2}
ENVELOPE = "1 validation error detected: "
MAX_IN_OPERANDS = 100
MAX_OPERATORS = 300
ORDERED_TYPES = ("S", "N", "B")
TYPES = "B,NULL,SS,BOOL,L,BS,N,NS,S,M"


tokenize = lru_cache(dynamodb._tokenize)


class InvalidExpression(Exception):
    """The message with which DynamoDB rejects a request."""


@dataclass(frozen=True)
class Operand:
    """A document path, a value of the request or a function: exactly one of the three."""

    path: Path | None = None
    value: Json | None = None
    function: str | None = None

    @property
    def type(self) -> str | None:
        """The type of a value, such as `S`, or None if only an item tells it."""
        if self.function:
            return "N" if self.function == "size" else "L" if self.function == "list_append" else None
        return next(iter(self.value), None) if self.value else None


class Reader:
    """Reads the operators and functions of an expression whose syntax is valid."""

    def __init__(self, tokens: list[Token], request: Json) -> None:
        self.tokens = [token for token in tokens if token[0] != "EOF"]
        self.names = request.get("ExpressionAttributeNames") or {}
        self.values = request.get("ExpressionAttributeValues") or {}
        self.position = 0
        self.calls: list[tuple[str, list[Operand]]] = []
        self.paths: list[Path] = []

    def peek(self) -> Token:
        return self.tokens[self.position] if self.position < len(self.tokens) else ("EOF", "")

    def next(self) -> Token:
        token = self.peek()
        self.position += 1
        return token

    def operand(self) -> Operand:
        kind, text = self.next()
        if kind == "LPAREN":
            inner = self.operand()
            self.next()
            return inner
        if kind == "VALUE_REF":
            return Operand(value=self.values.get(text))
        if kind == "IDENT" and self.peek()[0] == "LPAREN":
            self.calls.append((text, self.arguments()))
            return Operand(function=text)
        path: Path = [self.names.get(text, text)]
        while self.peek()[0] in ("DOT", "LBRACKET"):
            if self.next()[0] == "DOT":
                name = self.next()[1]
                path.append(self.names.get(name, name))
            else:
                path.append(int(self.next()[1]))
                self.next()
        self.paths.append(path)
        return Operand(path=path)

    def arguments(self) -> list[Operand]:
        self.next()
        found = [self.operand()]
        while self.next()[0] == "COMMA":
            found.append(self.operand())
        return found

    def conditions(self) -> None:
        """Read a condition, filter or key condition."""
        while self.peek()[0] != "EOF":
            kind, text = self.peek()
            if kind in ("LPAREN", "RPAREN") or (kind == "IDENT" and text.upper() in ("AND", "OR", "NOT")):
                if kind == "IDENT":
                    self.calls.append((text.upper(), []))
                self.next()
                continue
            left = self.operand()
            operator = self.peek()[1].upper()
            if operator in COMPARATORS:
                self.next()
                self.calls.append((operator, [left, self.operand()]))
            elif operator == "BETWEEN":
                self.next()
                low = self.operand()
                self.next()
                self.calls.append((operator, [left, low, self.operand()]))
            elif operator == "IN":
                self.next()
                self.calls.append((operator, [left, *self.arguments()]))

    def update(self) -> Iterator[tuple[str, list[Path]]]:
        """Read an update; yield each clause with the paths that it changes."""
        while self.peek()[0] != "EOF":
            clause, targets = self.next()[1].upper(), []
            while True:
                path = self.operand().path
                if path:
                    targets.append(path)
                if clause == "SET":
                    self.next()
                    self.sum()
                elif self.peek()[0] == "VALUE_REF":
                    self.next()
                if self.peek()[0] != "COMMA":
                    break
                self.next()
            yield clause, targets

    def sum(self) -> None:
        left = self.operand()
        if self.peek()[0] in ("PLUS", "MINUS"):
            self.calls.append((self.next()[1], [left, self.operand()]))


def show(path: Path) -> str:
    return "[" + ", ".join(f"[{part}]" if isinstance(part, int) else part for part in path) + "]"


def check_calls(calls: list[tuple[str, list[Operand]]], functions: dict[str, int]) -> None:
    for name, _ in calls:
        if not (name in functions or name in COMPARATORS or name in ("AND", "OR", "NOT", "BETWEEN", "IN")):
            raise InvalidExpression(f"Invalid function name; function: {name}")
    for name, operands in calls:
        if name in functions and functions[name] != len(operands):
            raise InvalidExpression(
                "Incorrect number of operands for operator or function; "
                f"operator or function: {name}, number of operands: {len(operands)}"
            )
        if name == "IN" and len(operands) - 1 > MAX_IN_OPERANDS:
            raise InvalidExpression(
                f"The IN operator is provided with too many operands; number of operands: {len(operands) - 1}"
            )
        if len(operands) == 2 and operands[0].path and operands[0].path == operands[1].path and name != "if_not_exists":
            raise InvalidExpression(
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {name}, first operand: {show(operands[0].path)}"
            )
        check_types(name, operands)
    if len(calls) > MAX_OPERATORS:
        raise InvalidExpression(f"The expression contains too many operators; operator count: {MAX_OPERATORS + 1}")


def check_types(name: str, operands: list[Operand]) -> None:
    allowed = {
        "<": ORDERED_TYPES,
        "<=": ORDERED_TYPES,
        ">": ORDERED_TYPES,
        ">=": ORDERED_TYPES,
        "begins_with": ("S", "B"),
        "list_append": ("L",),
        "+": ("N",),
        "-": ("N",),
    }.get(name)
    for operand in operands:
        if allowed and operand.type and operand.type not in allowed:
            function = " or function" if name.isidentifier() or name in "+-" else ""
            raise InvalidExpression(
                "Incorrect operand type for operator or function; "
                f"operator{function}: {name}, operand type: {operand.type}"
            )
    if name in ("attribute_exists", "attribute_not_exists", "if_not_exists") and operands[0].path is None:
        raise InvalidExpression(f"Operator or function requires a document path; operator or function: {name}")
    if name == "attribute_type":
        value = operands[1].value or {}
        if value.get("S") not in TYPES.split(","):
            raise InvalidExpression(
                f"Invalid attribute type name found; type: {value.get('S')}, valid types: {{{TYPES}}}"
            )


def check_update(expression: str, request: Json) -> list[Path]:
    """Return the paths that the update changes, or raise InvalidExpression."""
    reader = Reader(tokenize(expression), request)
    clauses = list(reader.update())
    check_calls(reader.calls, UPDATE_FUNCTIONS)
    names = [clause for clause, _ in clauses]
    for clause in CLAUSES:
        if names.count(clause) > 1:
            raise InvalidExpression(f'The "{clause}" section can only be used once in an update expression;')
    changed: list[Path] = []
    for _, targets in clauses:
        for target in targets:
            for other in changed:
                check_paths(other, target)
            changed.append(target)
    return changed


def check_paths(one: Path, two: Path) -> None:
    for first, second in zip(one, two, strict=False):
        if isinstance(first, int) != isinstance(second, int):
            kind = "conflict"
            break
        if first != second:
            return
    else:
        kind = "overlap"
    raise InvalidExpression(
        f"Two document paths {kind} with each other; must remove or rewrite one of these paths; "
        f"path one: {show(one)}, path two: {show(two)}"
    )


def check_condition(slot: str, request: Json) -> Reader:
    """Return the reader of the condition, which has read it. Raises InvalidExpression."""
    expression = request[slot]
    # The emulator's own errors, which it raises only when it finds an item.
    syntax = dynamodb._condition_syntax_error(expression, slot)
    if syntax:
        raise InvalidExpression(syntax.removeprefix(f"Invalid {slot}: "))
    reader = Reader(tokenize(expression), request)
    reader.conditions()
    check_calls(reader.calls, CONDITION_FUNCTIONS)
    return reader


def check_key_condition(request: Json) -> None:
    reader = Reader(tokenize(request["KeyConditionExpression"]), request)
    reader.conditions()
    for name, _ in reader.calls:
        if name in ("OR", "NOT", "IN", "<>") or (name in CONDITION_FUNCTIONS and name != "begins_with"):
            raise InvalidExpression(f"Invalid operator used in KeyConditionExpression: {name}")


def check_filter_attributes(reader: Reader, request: Json) -> None:
    """Raise InvalidExpression if the filter of a Query names a key attribute of the table or index that it reads."""
    table = dynamodb._tables.get(dynamodb._normalize_table_name(request.get("TableName")))
    if not table:
        return
    index = request.get("IndexName")
    schemas = {name: [*hashes, *ranges] for name, hashes, ranges in dynamodb._index_key_schemas(table)}
    keys = schemas.get(index, []) if index else [table["pk_name"], table["sk_name"]]
    for path in reader.paths:
        if path[0] in keys:
            raise InvalidExpression(
                f"Filter Expression can only contain non-primary key attributes: Primary key attribute: {path[0]}"
            )


def check_used(request: Json, fields: tuple[str, ...]) -> None:
    tokens = {text for field in fields for _, text in tokenize(request.get(field) or "")}
    for kind in ("Values", "Names"):
        for name in request.get(f"ExpressionAttribute{kind}") or {}:
            if name not in tokens:
                raise InvalidExpression(
                    f"Value provided in ExpressionAttribute{kind} unused in expressions: keys: {{{name}}}"
                )


def check(field: str, request: Json, is_query: bool) -> None:
    """Check the expression in a field of the request. Raises InvalidExpression with the whole message."""
    expression, prefix = request[field], f"Invalid {field}: "
    try:
        if not expression.strip():
            raise InvalidExpression("The expression can not be empty;")
        if field == "UpdateExpression":
            check_update(expression, request)
        elif field in ("ConditionExpression", "FilterExpression"):
            reader = check_condition(field, request)
    except InvalidExpression as error:
        raise InvalidExpression(f"{prefix}{error}") from None
    if field == "KeyConditionExpression":
        check_key_condition(request)
    if field == "FilterExpression" and is_query:
        check_filter_attributes(reader, request)


def expression_error(request: Json, fields: tuple[str, ...]) -> Any:
    """Return the response with which DynamoDB rejects the request's expressions, or None."""
    try:
        for field in fields:
            if request.get(field) is not None:
                check(field, request, is_query="KeyConditionExpression" in fields)
        check_used(request, fields)
    except InvalidExpression as error:
        return error_response_json("ValidationException", str(error), 400)
    return None


def select_error(request: Json) -> Any:
    """Return the rejection of a read of all attributes from an index that does not hold them, or None."""
    table = dynamodb._tables.get(dynamodb._normalize_table_name(request.get("TableName")))
    if not table or request.get("Select") != "ALL_ATTRIBUTES":
        return None
    for index in table.get("GlobalSecondaryIndexes") or []:
        projection = (index.get("Projection") or {}).get("ProjectionType", "ALL")
        if index["IndexName"] == request.get("IndexName") and projection != "ALL":
            reason = f"is not supported for global secondary index {index['IndexName']}"
            return error_response_json(
                "ValidationException",
                f"One or more parameter values were invalid: Select type ALL_ATTRIBUTES {reason}"
                " because its projection type is not ALL",
                400,
            )
    return None


def empty_attributes_error(action: Json) -> Any:
    """Return the rejection of an action of a transaction with an empty map of values or names, or None."""
    for field in ("ExpressionAttributeValues", "ExpressionAttributeNames"):
        if action.get(field) == {}:
            return error_response_json("ValidationException", f"{field} must not be empty", 400)
    return None


def transaction_error(request: Json) -> Any:
    """Return the rejection of a transaction that is not valid in itself or that updates a key, or None."""
    items = request.get("TransactItems") or []
    reasons: dict[int, str] = {}
    for number, item in enumerate(items):
        if len(item) > 1:
            return error_response_json(
                "ValidationException", "TransactItems can only contain one of Check, Put, Update or Delete", 400
            )
        if error := empty_attributes_error(next(iter(item.values()), {})):
            return error
        update = item.get("Update") or {}
        table = dynamodb._tables.get(dynamodb._normalize_table_name(update.get("TableName")))
        if table and update.get("UpdateExpression"):
            try:
                changed = check_update(update["UpdateExpression"], update)
            except InvalidExpression:
                continue
            for path in changed:
                if path[0] in (table["pk_name"], table["sk_name"]):
                    reasons[number] = (
                        f"One or more parameter values were invalid: Cannot update attribute {path[0]}. "
                        "This attribute is part of the key"
                    )
    return dynamodb._transact_cancel_response(len(items), {}, reasons) if reasons else None


def transaction_read_error(request: Json) -> Any:
    """Return the rejection of an empty key, or None."""
    for item in request.get("TransactItems") or []:
        for name, value in ((item.get("Get") or {}).get("Key") or {}).items():
            error = dynamodb._empty_key_value_error(name, value)
            if error:
                return error
    return None


def in_envelope(error: Any) -> Any:
    """Return the error as PutItem, UpdateItem and DeleteItem write it."""
    message = json.loads(error[2])["message"] if error else ""
    if not error or message.startswith(ENVELOPE) or "Expression size" in message:
        return error
    return error_response_json("ValidationException", f"{ENVELOPE}{message}", 400)


def apply() -> None:
    validate = dynamodb._validate_expression_attrs

    def validate_expressions(request: Json, fields: tuple[str, ...], size_wording: Any = "figure") -> Any:
        error = validate(request, fields, size_wording) or expression_error(request, fields)
        return error or (select_error(request) if "FilterExpression" in fields else None)

    def rejecting(run: Any, error: Any) -> Any:
        return lambda request: error(request) or run(request)

    dynamodb._validate_expression_attrs = validate_expressions
    dynamodb._envelope_condition_refs = in_envelope
    dynamodb._transact_write_items = rejecting(dynamodb._transact_write_items, transaction_error)
    dynamodb._transact_get_items = rejecting(dynamodb._transact_get_items, transaction_read_error)
