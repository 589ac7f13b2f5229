"""The route with Flask, behind apig-wsgi."""

from typing import Any

import todo
from apig_wsgi import make_lambda_handler
from flask import Flask, request

app = Flask(__name__)


@app.get("/todos/<todo_id>")
def get_todo(todo_id: str) -> dict[str, Any]:
    claims = request.environ["apig_wsgi.full_event"]["requestContext"]["authorizer"]["claims"]
    return todo.get(claims["sub"], todo_id)


handler = make_lambda_handler(app)
