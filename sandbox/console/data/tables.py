"""The items of a DynamoDB table or index: all, or those of a key."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from deploy.account import client
from sandbox.console.data.answers import Json, Refused, field, given

PAGE = 25
"""Items that DynamoDB reads for a page. A page has fewer if the answer is larger than 1 MB."""
TYPES = {
    "S": "string",
    "N": "number",
    "B": "binary",
    "BOOL": "boolean",
    "NULL": "null",
    "M": "map",
    "L": "list",
    "SS": "set of strings",
    "NS": "set of numbers",
    "BS": "set of binaries",
}
"""DynamoDB's types in words."""
CONDITIONS = {
    "equals": "#sort = :sort",
    "begins": "begins_with(#sort, :sort)",
    "from": "#sort >= :sort",
    "to": "#sort <= :sort",
}
"""By its name in a request the condition of the sort key."""


def table(query: Mapping[str, str]) -> Json:
    """Return a page of items, with the keys of the table and its indexes.

    *query* has ``table``. ``index`` reads an index, ``key`` the items with this partition key. ``sort`` is a sort key,
    for a ``condition`` of CONDITIONS. ``cursor`` is that of the page before. Raises Refused.
    """
    name, index = given(query, "table"), query.get("index", "")
    dynamodb = client("dynamodb")
    described = dynamodb.describe_table(TableName=name)["Table"]
    schemas = {"": _keys(described)} | {
        each["IndexName"]: _keys(each)
        for indexes in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
        for each in described.get(indexes, [])
    }
    if index not in schemas:
        raise Refused(f"index={index}: {name} has {', '.join(filter(None, schemas)) or 'no index'}")
    types = {each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]}
    request = {"TableName": name, "Limit": PAGE} | ({"IndexName": index} if index else {})
    request |= condition(query, schemas[index], types)
    if "cursor" in query:
        request["ExclusiveStartKey"] = _from_cursor(query["cursor"])
    read = dynamodb.query if "KeyConditionExpression" in request else dynamodb.scan
    answer = read(**request)
    shown = list(dict.fromkeys([*schemas[index], *schemas[""]]))
    last = answer.get("LastEvaluatedKey")
    return {
        "name": name,
        "count": described["ItemCount"],
        "indexes": [
            {"name": each, "keys": [{"name": key, "type": TYPES[types[key]]} for key in keys]}
            for each, keys in schemas.items()
        ],
        "entries": [entry(item, shown, schemas[""]) for item in answer["Items"]],
        "cursor": _cursor(last) if last else None,
        "stream": described.get("LatestStreamArn"),
    }


def _keys(schema: Json) -> list[str]:
    """Return the names of a table's or index's partition key and sort key."""
    return [key["AttributeName"] for key in sorted(schema["KeySchema"], key=lambda key: str(key["KeyType"]))]


def condition(query: Mapping[str, str], keys: Sequence[str], types: Mapping[str, str]) -> Json:
    """Return the parameters of a Query for the key in *query*; none without one. Raises Refused."""
    partition, sort, how = query.get("key", ""), query.get("sort", ""), query.get("condition", "equals")
    if how not in CONDITIONS:
        raise Refused(f"condition={how}: give one of {', '.join(CONDITIONS)}")
    if not partition:
        if sort:
            raise Refused(f"key is missing: a sort key is looked up among the items of one {keys[0]}")
        return {}
    names, values = {"#key": keys[0]}, {":key": typed("key", partition, keys[0], types)}
    expression = "#key = :key"
    if sort:
        if len(keys) == 1:
            raise Refused(f"sort={sort}: there is no sort key besides {keys[0]}")
        if how == "begins" and types[keys[1]] == "N":
            raise Refused(f"condition=begins: {keys[1]} is a number, which begins with nothing")
        names["#sort"], values[":sort"] = keys[1], typed("sort", sort, keys[1], types)
        expression += f" AND {CONDITIONS[how]}"
    return {
        "KeyConditionExpression": expression,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def typed(parameter: str, text: str, attribute: str, types: Mapping[str, str]) -> Json:
    """Return a key as DynamoDB wants it: ``{"N": "7"}``. Raises Refused if it does not have the type of the key."""
    match types[attribute]:
        case "N":
            try:
                is_number = Decimal(text).is_finite()
            except InvalidOperation:
                is_number = False
            if not is_number:
                raise Refused(f"{parameter}={text}: {attribute} is a number")
            return {"N": text.strip()}
        case "B":
            try:
                return {"B": base64.b64decode(text, validate=True)}
            except ValueError:
                raise Refused(f"{parameter}={text}: {attribute} is binary, give it in base64") from None
    return {"S": text}


def _cursor(key: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, default=_base64).encode()).decode()


def _from_cursor(cursor: str) -> Json:
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor))
        return {
            name: {type: base64.b64decode(value) if type == "B" else value for type, value in each.items()}
            for name, each in key.items()
        }
    except (ValueError, AttributeError, TypeError):
        raise Refused(f"cursor={cursor}: this is not the cursor of a page, begin with the first one") from None


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def entry(item: Json, shown: Sequence[str], keys: Sequence[str]) -> Json:
    """Return an item as an entry, which the attributes *shown* name. *keys* are those of the table."""
    names = [name for name in shown if name in item]
    names += sorted(set(item) - set(names))
    fields = [attribute(name, item[name]) for name in names]
    title = [each["text"] for each in fields if each["name"] in shown]
    rest = [f"{each['name']}: {' '.join(each['text'].split())}" for each in fields if each["name"] not in shown]
    return {
        "id": json.dumps([item[key] for key in keys], default=_base64),
        "title": " · ".join(title),
        "preview": ", ".join(rest)[:300],
        "fields": fields,
    }


def attribute(name: str, value: Json) -> Json:
    """Return an attribute with its type. Maps and lists contain types, as DynamoDB writes them."""
    ((type, content),) = value.items()
    if isinstance(content, str):
        text = content
    elif isinstance(content, bytes):
        text = _base64(content)
    else:
        text = json.dumps(content, indent=2 if type in "ML" else None, ensure_ascii=False, default=_base64)
    return field(name, TYPES[type] + (", in base64" if type in ("B", "BS") else ""), text)
