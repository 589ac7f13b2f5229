"""The route without a framework."""

import json
from typing import Any

import todo


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    if (event["httpMethod"], event["resource"]) != ("GET", "/todos/{todo_id}"):
        return {"statusCode": 404, "body": "{}"}
    owner = event["requestContext"]["authorizer"]["claims"]["sub"]
    found = todo.get(owner, event["pathParameters"]["todo_id"])
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(found)}
