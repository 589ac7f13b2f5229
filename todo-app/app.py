"""MyTodoList: all routes."""

from chalice import Chalice, CognitoUserPoolAuthorizer

from chalicelib import wiring
from chalicelib.files import Folder, NewFile, Upload
from chalicelib.todos import NewTodo, Todo, TodoChange, TodoQuery
from common import cognito, rest
from common.pages import Page

app = Chalice(app_name="todo-app", configure_logs=False)
rest.configure(app)
signed_in = CognitoUserPoolAuthorizer("cognito", provider_arns=[wiring.settings().user_pool_arn])


def owner() -> str:
    return cognito.caller(app, wiring.settings().user_pool_client_id)


@app.route("/health", methods=["GET"])
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.route("/todos", methods=["POST"], authorizer=signed_in)
def create_todo() -> rest.Created[Todo]:
    todo = wiring.todos().add(owner(), rest.body(app, NewTodo), rest.idempotency_key(app))
    return rest.created(todo, location=f"todos/{todo.id}", etag=todo.etag)


@app.route("/todos", methods=["GET"], authorizer=signed_in)
def list_todos() -> rest.Answer[Page[Todo]]:
    return rest.answer(app, wiring.todos().list(owner(), rest.query(app, TodoQuery)))


@app.route("/todos/{todo_id}", methods=["GET"], authorizer=signed_in)
def get_todo(todo_id: str) -> rest.Answer[Todo]:
    todo = wiring.todos().get(owner(), todo_id)
    return rest.answer(app, todo, todo.etag)


@app.route("/todos/{todo_id}", methods=["PATCH"], authorizer=signed_in)
def change_todo(todo_id: str) -> rest.Changed[Todo]:
    todo = wiring.todos().change(owner(), todo_id, rest.body(app, TodoChange), rest.if_match(app))
    return rest.changed(todo, todo.etag)


@app.route("/todos/{todo_id}", methods=["DELETE"], authorizer=signed_in)
def remove_todo(todo_id: str) -> rest.NoContent:
    wiring.todos().remove(owner(), todo_id, rest.if_match(app))
    return rest.no_content()


# The same two reads through the stage cache and DAX: cheaper, and up to two minutes old (docs/caching.md).


@app.route("/cached/todos", methods=["GET"], authorizer=signed_in)
def list_cached_todos() -> rest.Answer[Page[Todo]]:
    return rest.answer(app, wiring.cached_todos().list(owner(), rest.query(app, TodoQuery)))


@app.route("/cached/todos/{todo_id}", methods=["GET"], authorizer=signed_in)
def get_cached_todo(todo_id: str) -> rest.Answer[Todo]:
    todo = wiring.cached_todos().get(owner(), todo_id)
    return rest.answer(app, todo, todo.etag)


@app.route("/files", methods=["GET"], authorizer=signed_in)
def get_files() -> rest.Answer[Folder]:
    owner()
    return rest.answer(app, wiring.files().folder(cognito.id_token(app)))


@app.route("/files", methods=["POST"], authorizer=signed_in)
def create_file() -> rest.Created[Upload]:
    owner()
    return rest.created(wiring.files().upload(cognito.id_token(app), rest.body(app, NewFile)))
