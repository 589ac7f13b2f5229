"""The routes of the page of data. Each reads, and answers what it cannot with 400 or 404 and a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.console import graph
from sandbox.console.data import buckets, queries, queues, streams, tables
from sandbox.console.data.answers import Json, Missing, Refused, given
from sandbox.console.failures import counted

_NOT_FOUND = re.compile(r"NotFound|NoSuch|NonExistent|DoesNotExist")


def routes(stage: str, endpoint: str) -> list[Route]:
    """Return the routes for the resources of a stage."""

    def workgroup(request: Request) -> Json:
        name = given(request.query_params, "workgroup")
        own = [node.physical for node in graph.resources(stage) if node.kind == "database"]
        return queries.workgroup(name, own)

    return [
        _read("/data.json", lambda _: overview(stage)),
        _read("/data/table.json", lambda request: tables.table(request.query_params)),
        _read("/data/bucket.json", lambda request: buckets.folder(request.query_params)),
        _read("/data/object.json", lambda request: buckets.described(request.query_params)),
        _read("/data/picture", lambda request: buckets.drawn(request.query_params)),
        _read("/data/download", lambda request: buckets.download(request.query_params)),
        _read("/data/queue.json", lambda request: queues.queue(endpoint, request.query_params)),
        _read("/data/stream.json", lambda request: streams.stream(request.query_params)),
        _read("/data/workgroup.json", workgroup),
        _read("/data/query.json", lambda request: queries.execution(request.query_params)),
        Route("/data/queries", _start, methods=["POST"]),
    ]


def _read(path: str, read: Callable[[Request], Any]) -> Route:
    # A plain function: Starlette runs it in a thread, where boto3 may block.
    def endpoint(request: Request) -> Response:
        return answered(lambda: read(request))

    return Route(path, endpoint)


async def _start(request: Request) -> Response:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return JSONResponse({"message": "the body is not JSON"}, 400)
    return await run_in_threadpool(answered, lambda: queries.start(body))


def answered(read: Callable[[], Any]) -> Response:
    """Return what *read* returns, or why it cannot: in its own words, or in those of AWS."""
    try:
        found = read()
    except Refused as error:
        return JSONResponse({"message": str(error)}, 404 if isinstance(error, Missing) else 400)
    except ParamValidationError as error:
        return JSONResponse({"message": str(error)}, 400)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message")
        return JSONResponse({"message": message or code}, 404 if _NOT_FOUND.search(code) else 400)
    return found if isinstance(found, Response) else JSONResponse(found)


def overview(stage: str) -> list[Json]:
    """Return ``[{app, resources: [{kind, name, id, note}]}]`` of a stage: what the page can show."""
    nodes = graph.resources(stage)
    shown = sorted((node for node in nodes if node.data), key=lambda node: (graph.DATA.index(node.kind), node.name))
    return [
        {"app": app, "resources": [_resource(node) for node in shown if node.app == app]}
        for app in sorted({node.app for node in nodes})
    ]


def _resource(node: graph.Node) -> Json:
    note = counted(sum(queues.counts(node.physical).values()), "message") if node.kind == "queue" else ""
    return {"kind": node.kind, "name": node.name, "id": node.data, "note": note}
