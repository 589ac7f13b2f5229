"""A debugger attaches to functions at any time, and stops them at breakpoints in their source.

https://microsoft.github.io/debug-adapter-protocol/specification
"""

from __future__ import annotations

import io
import itertools
import json
import socket
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ministack.core import lambda_runtime
from ministack.services import apigateway_v1

from localaws.lambda_ import debugger
from localaws.lambda_.debugger import SUSPENDED, Session

APP = """\
from shared.rules import double

def route(event, context):
    path = event["path"]
    return {"path": path, "left": context.get_remaining_time_in_millis()}

def consume(event, context):
    return [double(record["kinesis"]["data"]) for record in event["Records"]]
"""
RULES = """\
def double(number):
    return number * 2
"""


class Adapter:
    """A minimal client of the Debug Adapter Protocol."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=90)
        self._file = self._socket.makefile("rb")
        self._numbers = itertools.count(1)
        self._read: list[dict[str, Any]] = []
        self.request("initialize", adapterID="test", clientID="test", pathFormat="path")

    def close(self) -> None:
        self.request("disconnect", terminateDebuggee=False)
        self._file.close()
        self._socket.close()

    def send(self, command: str, arguments: dict[str, Any]) -> int:
        number = next(self._numbers)
        text = json.dumps({"seq": number, "type": "request", "command": command, "arguments": arguments}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(text), text))
        return number

    def request(self, command: str, **arguments: Any) -> Any:
        return self.answer(self.send(command, arguments))

    def answer(self, number: int) -> Any:
        answer = self._first(lambda message: message.get("request_seq") == number)
        assert answer["success"], answer
        return answer.get("body")

    def event(self, name: str) -> Any:
        return self._first(lambda message: message.get("event") == name)["body"]

    def _first(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return and forget the first message of a kind, read before or yet to come."""
        while not (found := next(filter(is_it, self._read), None)):
            length = 0
            while (line := self._file.readline()) != b"\r\n":
                assert line, "the adapter has closed the connection"
                length = int(line.partition(b":")[2])
            self._read.append(json.loads(self._file.read(length)))
        self._read.remove(found)
        return found

    def attach(self, breakpoints: dict[Path, int], **arguments: Any) -> None:
        attaching = self.send("attach", {"type": "debugpy", "request": "attach"} | arguments)
        self._first(lambda message: message.get("event") == "initialized")
        for file, line in breakpoints.items():
            self.request("setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": line}])
        self.request("configurationDone")
        self.answer(attaching)

    def stopped(self) -> tuple[str, int, dict[str, str]]:
        """Wait for a breakpoint; return its file, its line, and the local variables."""
        thread = self.event("stopped")["threadId"]
        frame = self.request("stackTrace", threadId=thread)["stackFrames"][0]
        scope = self.request("scopes", frameId=frame["id"])["scopes"][0]
        variables = self.request("variables", variablesReference=scope["variablesReference"])["variables"]
        self.request("continue", threadId=thread)
        return frame["source"]["path"], frame["line"], {each["name"]: each["value"] for each in variables}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The folder of an app whose ``vendor`` links to shared code, as Chalice allows."""
    app, shared = tmp_path / "shop", tmp_path / "shared"
    (app / "vendor").mkdir(parents=True)
    shared.mkdir()
    (app / "app.py").write_text(APP)
    (shared / "rules.py").write_text(RULES)
    (app / "vendor" / "shared").symlink_to("../../shared")
    return app


@pytest.fixture
def session(
    source: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Session, int]]:
    """A debug session for functions of the app, and the port that a debugger attaches to."""
    worker = lambda_runtime.Worker
    for place, name in (
        (worker, "__init__"),
        (worker, "_spawn"),
        (lambda_runtime, "_detect_runtime_binary"),
        (apigateway_v1, "_invoke_lambda_proxy_v1"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name))  # is restored
    port = free_port()
    session = debugger.start(f"shop-unit={source}", port)
    debugger.install(session)
    yield session, port
    session.process.kill()
    session.process.wait()


@pytest.fixture
def function(source: Path) -> Callable[[str, str], Any]:
    """A function that makes an execution environment of a function, with the code as Chalice packages it."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.write(source / "app.py", "app.py")
        file.write(source / "vendor" / "shared" / "rules.py", "shared/rules.py")

    def function(name: str, handler: str) -> Any:
        arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        role = "arn:aws:iam::000000000000:role/unit"
        settings = {"FunctionName": name, "FunctionArn": arn, "Role": role, "Runtime": "python3.13", "Timeout": 1}
        return lambda_runtime.Worker(name, settings | {"Handler": handler}, code.getvalue())

    return function


ROUTE, BATCH = {"path": "/things"}, {"Records": [{"kinesis": {"data": 4}}]}


def test_breakpoints_stop_functions_that_ran_before_and_that_start_later(
    source: Path, session: tuple[Session, int], function: Callable[[str, str], Any]
) -> None:
    _, port = session
    route, consumer = function("shop-unit", "app.route"), function("shop-unit-consume", "app.consume")
    with ThreadPoolExecutor() as pool, ended(route, consumer):
        assert route.invoke(ROUTE, "1")["result"]["path"] == "/things", "it waits for no debugger"
        editor = Adapter(port)
        editor.attach({})
        in_route = Adapter(port)
        in_route.attach({source / "app.py": 5}, **of_process(editor))
        answer = pool.submit(route.invoke, ROUTE, "2")
        file, line, variables = in_route.stopped()
        assert (file, line, variables["path"]) == (str(source / "app.py"), 5, "'/things'")
        assert answer.result()["result"]["left"] > SUSPENDED * 900, "there is time to look"

        answer = pool.submit(consumer.invoke, BATCH, "3")
        in_consumer = Adapter(port)
        rules = source.parent / "shared" / "rules.py"
        in_consumer.attach({rules: 2}, **of_process(editor))
        file, line, variables = in_consumer.stopped()
        assert (file, line, variables["number"]) == (str(rules), 2, "4")
        assert answer.result()["result"] == [8]
        for each in (in_route, in_consumer, editor):
            each.close()
        assert route.invoke(ROUTE, "4")["result"]["path"] == "/things", "it goes on without the debugger"


@contextmanager
def ended(*environments: Any) -> Iterator[None]:
    """End the execution environments after the block, so that no invocation waits for a debugger that failed."""
    try:
        yield
    finally:
        lambda_runtime.kill_workers(environments)


def of_process(editor: Adapter) -> dict[str, Any]:
    """Return the arguments with which an editor attaches to the next function that it is told of."""
    found: dict[str, Any] = editor.event("debugpyAttach")
    return {name: found[name] for name in ("subProcessId", "connect")}


@pytest.mark.parametrize(
    ("function", "is_of"), [("shop-unit", True), ("shop-unit-a", True), ("shop-unit2", False), ("shop", False)]
)
def test_only_the_functions_that_are_named_are_debugged(function: str, is_of: bool) -> None:
    assert Session("shop-unit", "/shop", process=SimpleNamespace(), port=0, token="").is_of(function) is is_of
