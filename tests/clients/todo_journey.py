"""A todo from post to delete, through the generated Python client: `todo_journey.py API ID_TOKEN`."""

import sys

from todo_app_client import AuthenticatedClient
from todo_app_client.api.default import change_todo, create_todo, get_todo, list_todos, remove_todo
from todo_app_client.models import Error, NewTodo, NewTodoPriority, PageTodo, Todo, TodoChange


def main(api: str, id_token: str) -> None:
    client = AuthenticatedClient(base_url=api, token=id_token, prefix="", raise_on_unexpected_status=True)
    new = NewTodo(title="Milk", notes="2 l", due="2030-01-31", priority=NewTodoPriority.HIGH, tags=["home"])

    created = create_todo.sync_detailed(client=client, body=new)
    todo = created.parsed
    assert isinstance(todo, Todo), created
    assert (todo.title, todo.due, todo.priority.value, todo.done) == ("Milk", "2030-01-31", "high", False)

    got = get_todo.sync_detailed(todo.id, client=client)
    assert got.parsed == todo
    known = get_todo.sync_detailed(todo.id, client=client, if_none_match=got.headers["ETag"])
    assert known.status_code == 304

    done = TodoChange(done=True, due=None)
    changed = change_todo.sync(todo.id, client=client, body=done, if_match=got.headers["ETag"])
    assert isinstance(changed, Todo)
    assert (changed.done, changed.due, changed.version) == (True, None, 2)
    stale = change_todo.sync(todo.id, client=client, body=done, if_match=got.headers["ETag"])
    assert isinstance(stale, Error)
    assert stale.code == "PreconditionFailed"

    page = list_todos.sync(client=client, done=True)
    assert isinstance(page, PageTodo)
    assert page.items == [changed]

    removed = remove_todo.sync_detailed(todo.id, client=client)
    assert removed.status_code == 204
    missing = get_todo.sync(todo.id, client=client)
    assert isinstance(missing, Error)
    assert missing.code == "NotFound"


if __name__ == "__main__":
    main(*sys.argv[1:])
