"""The route with the resolver of Powertools for AWS Lambda."""

from typing import Any

import todo
from aws_lambda_powertools.event_handler import APIGatewayRestResolver

app = APIGatewayRestResolver()


@app.get("/todos/<todo_id>")
def get_todo(todo_id: str) -> dict[str, Any]:
    return todo.get(app.current_event.request_context.authorizer.claims["sub"], todo_id)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
