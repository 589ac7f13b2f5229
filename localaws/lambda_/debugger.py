"""Gap: no debugger can attach to a function.

The variable `LOCALAWS_DEBUG=NAME=FOLDER` lets one attach at any time to the Python functions whose names are NAME or
begin with `NAME-`, on the port `LOCALAWS_DEBUG_PORT` (5678). FOLDER has the source of their code. Their time-out, and
that of API Gateway for them, is suspended, as in a remote debugging session of AWS. It needs the package debugpy.

A debugger attaches to one process, `localaws.lambda_.debug_session`. The execution environments connect to the adapter
of this process as its children, so a debugger learns of each, also of those that start later.
AWS: https://docs.aws.amazon.com/toolkit-for-vscode/latest/userguide/lambda-remote-debug.html
No longer needed when a debugger stops at a breakpoint in a function.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import apigateway_v1

FUNCTIONS, PORT = "LOCALAWS_DEBUG", "LOCALAWS_DEBUG_PORT"
SUSPENDED = 24 * 60 * 60
"""Seconds of the time-out of a function that is debugged."""

_PROGRAM = Path(__file__).with_name("debugged_function.py")
_starting = threading.local()


@dataclass(frozen=True)
class Session:
    """What a debugger attaches to: a process, and the port of its adapter to which functions connect."""

    name: str
    folder: str
    process: subprocess.Popen[str]
    port: int
    token: str

    def is_of(self, function: str) -> bool:
        """Return whether the function is debugged."""
        return function == self.name or function.startswith(f"{self.name}-")

    def program(self, worker_script: str) -> str:
        """Return the program of an execution environment that connects to the session before it imports the code."""
        arguments = self.port, self.token, self.process.pid, self.folder
        return f"{_PROGRAM.read_text()}\nattach(*{arguments!r})\n{worker_script}"


def start(functions: str, port: int) -> Session:
    """Start the session for *functions*, ``NAME=FOLDER``. It ends with this process."""
    name, _, folder = functions.partition("=")
    command = [sys.executable, "-m", "localaws.lambda_.debug_session", str(port)]
    environment = os.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    adapter, token = process.stdout.readline().split()
    return Session(name, folder, process, int(adapter), token)


def debugged(session: Session, spawn: Any) -> Any:
    """Wrap the start of an execution environment: connect it to the session."""

    def spawn_worker(worker: Any) -> None:
        _starting.session = session if session.is_of(worker.func_name) else None
        try:
            spawn(worker)
        finally:
            _starting.session = None

    return spawn_worker


def with_session(detect: Any) -> Any:
    """Wrap the choice of the program of an execution environment."""

    def detect_runtime_binary(runtime: str) -> tuple[str, str]:
        binary, script = detect(runtime)
        session: Session | None = getattr(_starting, "session", None)
        return binary, session.program(script) if session and runtime.startswith("python") else script

    return detect_runtime_binary


def without_time_out(session: Session, create: Any) -> Any:
    """Wrap the constructor of an execution environment."""

    def init(worker: Any, name: str, config: dict[str, Any], code: bytes) -> None:
        create(worker, name, config | {"Timeout": SUSPENDED} if session.is_of(name) else config, code)

    return init


def waiting(session: Session, invoke: Any) -> Any:
    """Wrap the Lambda integration of API Gateway."""

    async def respond(integration: dict[str, Any], *call: Any, **context: Any) -> Any:
        function = str(integration.get("uri")).partition(":function:")[2].partition("/")[0].partition(":")[0]
        if session.is_of(function):
            integration = integration | {"timeoutInMillis": SUSPENDED * 1000}
        return await invoke(integration, *call, **context)

    return respond


def apply() -> None:
    if functions := os.environ.get(FUNCTIONS):
        install(start(functions, int(os.environ.get(PORT, "5678"))))


def install(session: Session) -> None:
    """Connect the functions that start from now on to the session."""
    worker = lambda_runtime.Worker
    worker.__init__ = without_time_out(session, worker.__init__)
    worker._spawn = debugged(session, worker._spawn)
    lambda_runtime._detect_runtime_binary = with_session(lambda_runtime._detect_runtime_binary)
    apigateway_v1._invoke_lambda_proxy_v1 = waiting(session, apigateway_v1._invoke_lambda_proxy_v1)
