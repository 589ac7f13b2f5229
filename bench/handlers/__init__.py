"""A route of todo-app beside the same route in other frameworks: the cold start with its first request, and a warm one.

Each contestant is a process of its own. It reads one item of DynamoDB with boto3 from a server of this process that
always gives the same answer. Figures are CPU time of the process of the handler alone.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any, NamedTuple

from bench import peers, tables, zips
from bench.row import Row, turns
from common import dynamodb

_HERE = Path(__file__).parent
_ROUNDS, _WARM = 5, 100
_PEERS = {
    "a plain handler": "plain",
    "Powertools' resolver": "powertools",
    "FastAPI with Mangum": "fastapi_mangum",
    "Flask with apig-wsgi": "flask_apig_wsgi",
}
_OWNER, _ID = "owner", "018f0000-0000-7000-8000-000000000000"


class _Result(NamedTuple):
    """The CPU time in ms until the first answer, and of one of the answers after it."""

    first: float
    warm: float


def rows() -> Iterator[Row]:
    """Yield each peer's cold start with and without compiled code, and a warm request. Raises Unmeasured."""
    packages = peers.packages("handlers")
    with tempfile.TemporaryDirectory() as folder, _table() as table:
        app, compiled = Path(folder, "app"), Path(folder, "compiled")
        zips.unpacked("todo-app", app)
        for source in app.rglob("__pycache__"):
            shutil.rmtree(source)
        for source, name in ((app, "app"), (packages, "packages"), (_HERE, "handlers")):
            shutil.copytree(source, compiled / name, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(compiled, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        sources = {"": (app, _HERE, packages), "compiled": (*(compiled / n for n in ("app", "handlers", "packages")),)}
        contestants = [
            partial(_measure, table, module, [path] if ours else paths)
            for ours, module in ((True, "app"), *((False, each) for each in _PEERS.values()))
            for path, *paths in sources.values()
        ]
        bare, compiled_, *others = turns(_ROUNDS, *contestants)
    what = "import and first request of a route"
    for title, here, its in (("with compiled code", compiled_, others[1::2]), ("without", bare, others[::2])):
        for peer, results in zip(_PEERS, its, strict=True):
            first = [each.first for each in here], [each.first for each in results]
            short = title != "without" and peer.startswith(("FastAPI", "Flask"))
            yield Row(f"{what}, {title}", first[0], peer, first[1], "CPU ms", short=short)
    first = [each.first for each in compiled_], [each.first for each in bare]
    yield Row(f"{what}, with compiled code", first[0], "without", first[1], "CPU ms")
    for peer, results in zip(_PEERS, others[1::2], strict=True):
        warm = [each.warm for each in compiled_], [each.warm for each in results]
        yield Row("a warm request of it", warm[0], peer, warm[1], "CPU ms", short=peer.startswith(("FastAPI", "Flask")))


def _measure(table: str, module: str, path: list[Path]) -> _Result:
    """Run a handler. Raises AssertionError unless it answers with the todo."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_ENDPOINT_URL": table,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    command = [sys.executable, str(_HERE / "timed.py"), f"{module}.{'app' if module == 'app' else 'handler'}"]
    command += [json.dumps(_event()), str(_WARM)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    printed = json.loads(done.stdout.splitlines()[-1])
    answer = printed["answer"]
    assert answer["statusCode"] == 200, answer
    assert json.loads(answer["body"]) == {"id": _ID, **tables.TODO}, answer
    return _Result(printed["first"], printed["warm"])


def _event() -> dict[str, Any]:
    """Return the event of API Gateway for ``GET /todos/{todo_id}``."""
    claims = {"sub": _OWNER, "aud": os.environ["USER_POOL_CLIENT_ID"], "token_use": "id"}
    path = f"/todos/{_ID}"
    headers = {"Accept": "application/json", "Host": "example.com", "X-Forwarded-Proto": "https"}
    return {
        "resource": "/todos/{todo_id}",
        "path": path,
        "httpMethod": "GET",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"todo_id": _ID},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/todos/{todo_id}",
            "httpMethod": "GET",
            "path": path,
            "stage": "bench",
            "requestId": "1",
            "authorizer": {"claims": claims},
            "identity": {"sourceIp": "127.0.0.1", "userAgent": "bench"},
        },
        "body": None,
        "isBase64Encoded": False,
    }


@contextmanager
def _table() -> Iterator[str]:
    """Serve one item as DynamoDB does, whatever is asked; the value is the address."""
    item = dynamodb.item({"owner": _OWNER, "id": _ID, "state": f"open#{_ID}", **tables.TODO})
    body = json.dumps({"Item": item}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
