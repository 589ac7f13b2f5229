"""Gap: each invocation writes a log stream of its own, whose name differs from the one that the function sees.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
No longer needed when two invocations of one execution environment write to the stream context.log_stream_name.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.core import lambda_runtime, responses
from ministack.services import lambda_svc

_environment: ContextVar[str | None] = ContextVar("environment", default=None)
"""The id of the execution environment that ran the last invocation of this thread: 32 hexadecimal digits."""
_next_id: ContextVar[str | None] = ContextVar("next_id", default=None)
"""What the emulator takes as its next new id."""


def naming_streams(spawn: Any) -> Any:
    """Wrap the start of an execution environment: give it an id, and a log stream of AWS's form."""

    def spawn_worker(worker: Any) -> None:
        worker.environment_id = responses.new_uuid().replace("-", "")
        day, version = time.strftime("%Y/%m/%d", time.gmtime()), worker.config.get("Version", "$LATEST")
        token = _next_id.set(f"{day}/[{version}]{worker.environment_id}")
        try:
            spawn(worker)
        finally:
            _next_id.reset(token)

    return spawn_worker


def noting_environment(invoke: Any) -> Any:
    """Wrap an invocation of an execution environment: note the environment for the log."""

    def invoke_worker(worker: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return invoke(worker, *arguments, **options)
        finally:
            _environment.set(getattr(worker, "environment_id", None))

    return invoke_worker


def with_stream_of_environment(write: Any) -> Any:
    """Wrap the writing of an invocation's log."""

    def write_log(*arguments: Any, **options: Any) -> None:
        token = _next_id.set(_environment.get())
        try:
            write(*arguments, **options)
        finally:
            _next_id.reset(token)
            _environment.set(None)

    return write_log


def with_next_id(new_id: Callable[[], str]) -> Callable[[], str]:
    return lambda: _next_id.get() or new_id()


def apply() -> None:
    lambda_runtime.Worker._spawn = naming_streams(lambda_runtime.Worker._spawn)
    lambda_runtime.Worker.invoke = noting_environment(lambda_runtime.Worker.invoke)
    lambda_svc._emit_lambda_logs = with_stream_of_environment(lambda_svc._emit_lambda_logs)
    # The start of an environment and the writing of a log each ask for one new id: for the name of a log stream.
    responses.new_uuid = lambda_svc.new_uuid = with_next_id(responses.new_uuid)
