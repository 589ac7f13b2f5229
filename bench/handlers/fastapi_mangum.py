"""The route with FastAPI, behind Mangum."""

from typing import Any, Literal

import todo
from fastapi import FastAPI, Request
from mangum import Mangum
from pydantic import BaseModel

app = FastAPI()


class Todo(BaseModel):
    id: str
    title: str
    notes: str
    due: str | None
    priority: Literal["low", "normal", "high"]
    tags: list[str]
    done: bool
    created_at: str
    updated_at: str
    version: int


@app.get("/todos/{todo_id}")
def get_todo(todo_id: str, request: Request) -> Todo:
    claims: dict[str, Any] = request.scope["aws.event"]["requestContext"]["authorizer"]["claims"]
    return Todo(**todo.get(claims["sub"], todo_id))


handler = Mangum(app, lifespan="off")
