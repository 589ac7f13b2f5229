"""Gap: each invocation writes a log stream of its own, whose name differs from the one that the function sees.

In a log group that functions share, the name of a stream has that of the function.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-loggroups.html
No longer needed when two invocations of one execution environment write to the stream context.log_stream_name.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.core import lambda_runtime, responses
from ministack.services import cloudwatch_logs, lambda_svc

_environment: ContextVar[str | None] = ContextVar("environment", default=None)
"""The id of the execution environment that ran the last invocation of this thread: 32 hexadecimal digits."""
_next_id: ContextVar[str | None] = ContextVar("next_id", default=None)
"""What the emulator takes as its next new id."""
_append = cloudwatch_logs._append_log_events
"""Adds lines to a stream, as they are."""


def shared_group(config: dict[str, Any]) -> str | None:
    """Return the log group of the function, if that is not its own."""
    group: str | None = (config.get("LoggingConfig") or {}).get("LogGroup")
    return group if group != f"/aws/lambda/{config.get('FunctionName')}" else None


def naming_streams(spawn: Any) -> Any:
    """Wrap the start of an execution environment: give it an id, and a log stream of AWS's form."""

    def spawn_worker(worker: Any) -> None:
        worker.environment_id = responses.new_uuid().replace("-", "")
        version = worker.config.get("Version", "$LATEST")
        name = worker.config["FunctionName"] if shared_group(worker.config) else ""
        token = _next_id.set(f"{today()}/{name}[{version}]{worker.environment_id}")
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

    def write_log(function: dict[str, Any], *arguments: Any, **options: Any) -> None:
        environment, days = _environment.get() or responses.new_uuid().replace("-", ""), {today()}
        token = _next_id.set(environment)
        try:
            write(function, *arguments, **options)
        finally:
            _next_id.reset(token)
            _environment.set(None)
        config = function.get("config") or function
        if group := shared_group(config):
            for day in days | {today()}:
                name_function(cloudwatch_logs._log_groups[group]["streams"], day, config, environment)

    return write_log


def name_function(streams: dict[str, Any], day: str, config: dict[str, Any], environment: str) -> None:
    """Move what the emulator wrote to the stream that has the function's name."""
    end = f"[{config.get('Version', '$LATEST')}]{environment}"
    written, named = streams.pop(f"{day}/{end}", None), f"{day}/{config['FunctionName']}{end}"
    if written and named in streams:
        _append(streams[named], written["events"])
    elif written:
        streams[named] = written


def today() -> str:
    return time.strftime("%Y/%m/%d", time.gmtime())


def with_next_id(new_id: Callable[[], str]) -> Callable[[], str]:
    return lambda: _next_id.get() or new_id()


def apply() -> None:
    lambda_runtime.Worker._spawn = naming_streams(lambda_runtime.Worker._spawn)
    lambda_runtime.Worker.invoke = noting_environment(lambda_runtime.Worker.invoke)
    lambda_svc._emit_lambda_logs = with_stream_of_environment(lambda_svc._emit_lambda_logs)
    # The start of an environment and the writing of a log each ask for one new id: for the name of a log stream.
    responses.new_uuid = lambda_svc.new_uuid = with_next_id(responses.new_uuid)
