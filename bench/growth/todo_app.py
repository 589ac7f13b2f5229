"""The todos of a user."""

from __future__ import annotations

from bench import tables
from bench.growth.subject import Aws, Operation, Subject

_ANN = tables.TODO | {"owner": "ann"}


def subjects(aws: Aws) -> list[Subject]:
    from chalicelib.table import TodoTable
    from chalicelib.todos import TodoQuery
    from common.ids import new_id

    client = aws.client("dynamodb")
    table = tables.create(client, "todo-app", "Todos")
    store = TodoTable(client, table)

    def grow(before: int, size: int) -> None:
        ids = ((n, new_id()) for n in range(before, size))
        tables.fill(client, table, ({**_ANN, "id": i, "state": f"{('done', 'open')[n % 2]}#{i}"} for n, i in ids))

    page = Operation("a page of 5 todos", lambda: store.list("ann", TodoQuery(limit=5)))
    still_open = Operation("a page of 5 open todos", lambda: store.list("ann", TodoQuery(done=False, limit=5)))
    return [Subject("todos of the user", grow, (page, still_open))]
