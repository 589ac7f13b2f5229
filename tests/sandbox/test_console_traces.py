"""What the console shows of a trace of X-Ray."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.console import traces

STAGE: dict[str, Any] = {
    "id": "a",
    "name": "video-app/api",
    "start_time": 100.0,
    "end_time": 100.5,
    "origin": "AWS::ApiGateway::Stage",
    "annotations": {"route": "POST /checkout", "cache": "miss"},
    "user": "ann@example.com",
    "http": {"response": {"status": 201}},
}
FUNCTION: dict[str, Any] = {
    "id": "b",
    "name": "handler",
    "parent_id": "a",
    "start_time": 100.1,
    "end_time": 100.4,
    "origin": "AWS::Lambda::Function",
    "subsegments": [
        {
            "id": "d",
            "name": "DynamoDB",
            "start_time": 100.3,
            "end_time": 100.4,
            "namespace": "aws",
            "error": True,
            "aws": {"operation": "PutItem", "table_name": "videos", "retries": 1, "consumed_capacity": 1.5},
            "http": {"response": {"status": 400}},
            "cause": {"exceptions": [{"type": "ConditionalCheckFailedException", "remote": True}]},
        },
        {"id": "c", "name": "Init", "start_time": 100.1, "end_time": 100.2, "annotations": {"ColdStart": True}},
    ],
}
CONSUMER: dict[str, Any] = {
    "id": "e",
    "name": "consumer",
    "parent_id": "d",
    "start_time": 101.0,
    "in_progress": True,
    "origin": "AWS::Lambda::Function",
    "metadata": {
        "event": {
            "source": "arn:aws:sqs:us-east-1:000000000000:receipts",
            "records": 2,
            "waited_seconds": 0.6,
            "attempt": 2,
        }
    },
    "links": [{"trace_id": "1-other"}],
}


def test_the_rows_of_a_trace_are_a_tree_in_order_of_time() -> None:
    shown = traces.described([STAGE, FUNCTION, CONSUMER], 2.0)

    rows = [(row["depth"], row["kind"], row["name"]) for row in shown["rows"]]
    assert rows == [
        (0, "API", "video-app/api"),
        (1, "function", "handler"),
        (2, "start", "Init"),
        (2, "call", "DynamoDB"),
        (3, "function", "consumer"),
    ]
    assert (shown["title"], shown["user"], shown["ms"]) == ("POST /checkout", "ann@example.com", 2000)


def test_a_row_says_what_was_called_and_how_it_ended() -> None:
    stage, _, start, call, consumer = traces.described([STAGE, FUNCTION, CONSUMER], 2.0)["rows"]

    assert stage["facts"] == ["cache miss"]
    assert start["facts"] == ["cold start"]
    assert (call["what"], call["status"], call["problem"]) == ("PutItem videos", 400, "error")
    assert call["failure"] == "ConditionalCheckFailedException"
    assert call["facts"] == ["retry 1", "1.5 capacity units"]
    assert (round(call["from"], 3), round(call["length"], 3), round(call["ms"])) == (0.15, 0.05, 100)
    assert consumer["facts"] == ["2 records of receipts", "waited 0.60 s", "attempt 2"]
    assert (consumer["running"], consumer["from"], consumer["links"]) == (True, 0.5, ["1-other"])


def test_a_resource_is_shown_by_its_name() -> None:
    names = {
        "queue_url": "http://127.0.0.1:4566/000000000000/receipts",
        "topic_arn": "arn:aws:sns:us-east-1:000000000000:receipts",
        "table_names": ["receipts"],
    }

    for member, value in names.items():
        document = STAGE | {"annotations": {}, "aws": {"operation": "Send", member: value}}
        assert traces.bar(document, 0, 100.0, 1.0)["what"] == "Send receipts"


def test_a_trace_is_found_by_its_route_its_user_and_its_functions() -> None:
    row = traces.row(
        {
            "Id": "1-a",
            "StartTime": datetime(2030, 1, 1, tzinfo=UTC),
            "Duration": 0.25,
            "HasFault": False,
            "HasError": True,
            "IsPartial": False,
            "Http": {"HttpStatus": 404, "HttpURL": "https://x/api/todos/7"},
            "Users": [{"UserName": "Ann@example.com"}],
            "Annotations": {"route": [{"AnnotationValue": {"StringValue": "GET /todos/{id}"}}]},
            "EntryPoint": {"Name": "todo-app/api"},
            "ServiceIds": [{"Name": "todo-app/api"}, {"Name": "Handler"}],
        }
    )

    assert (row["what"], row["status"], row["problem"], row["ms"]) == ("GET /todos/{id}", 404, "error", 250)
    for text in ("1-a", "todos/7", "ann@", "get /todos", "handler"):
        assert text in row["searched"]
