"""Gap: an update of a function, or an environment that cannot start, ends the invocations that are running.

In AWS a running invocation ends with the code and the settings that it began with. The next one gets the new ones.
An environment whose code cannot be loaded ends alone.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
No longer needed when an invocation that began before UpdateFunctionCode returns the result of the earlier code.
"""

from contextvars import ContextVar
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc

_replaced: set[int] = set()
"""By `id`, the execution environments that end when their invocation does. They are no longer in a pool."""
_updating: ContextVar[bool] = ContextVar("updating", default=False)
_leased: ContextVar[Any] = ContextVar("leased", default=None)
"""The execution environment of the invocation that runs in this context."""


def replacing(update: Any) -> Any:
    """Wrap an update, for `sparing`."""

    def update_function(name: str, data: Any) -> Any:
        token = _updating.set(True)
        try:
            return update(name, data)
        finally:
            _updating.reset(token)

    return update_function


def sparing(invalidate: Any) -> Any:
    """Wrap what ends the environments of a function: during an update those at work only leave their pool.

    This happens after the update has changed the function, so every environment that begins later has the new code.
    During an invocation, it is the environment of this invocation that failed: no other one ends.
    """

    def invalidate_worker(name: str, *place: Any, **named: Any) -> None:
        if failed := _leased.get():
            _end_alone(failed)
            return
        if not _updating.get():
            invalidate(name, *place, **named)
            return
        key = f"{get_account_id()}:{get_region()}:{name}:$LATEST"
        with lambda_runtime._lock:
            pool = lambda_runtime._workers.pop(key, [])
            _replaced.update(id(worker) for worker in pool if worker.in_use)
            idle = [worker for worker in pool if not worker.in_use]
        lambda_runtime.kill_workers(idle)

    return invalidate_worker


def _end_alone(failed: Any) -> None:
    with lambda_runtime._lock:
        for pool in lambda_runtime._workers.values():
            pool[:] = [worker for worker in pool if worker is not failed]
        _replaced.discard(id(failed))  # a later environment may get the same id
    lambda_runtime.kill_workers([failed])


def beginning(acquire: Any) -> Any:
    """Wrap what leases an environment: an invocation that waited during an update begins with the new code."""

    def acquire_worker(name: str, config: Any, code_zip: bytes, qualifier: str = "$LATEST", **limits: Any) -> Any:
        function = lambda_svc._functions.get(name) if qualifier == "$LATEST" else None
        if function and function.get("code_zip"):
            config, code_zip = function["config"], function["code_zip"]
        worker, reason = acquire(name, config, code_zip, qualifier=qualifier, **limits)
        _leased.set(worker)
        return worker, reason

    return acquire_worker


def ending_replaced(release: Any) -> Any:
    """Wrap what returns an environment to its pool: end it if it was replaced."""

    def release_worker(worker: Any) -> None:
        _leased.set(None)
        release(worker)
        with lambda_runtime._lock:
            ends = id(worker) in _replaced
            _replaced.discard(id(worker))
        if ends:
            lambda_runtime.kill_workers([worker])

    return release_worker


def apply() -> None:
    lambda_svc._update_code = replacing(lambda_svc._update_code)
    lambda_svc._update_config = replacing(lambda_svc._update_config)
    lambda_svc.invalidate_worker = sparing(lambda_svc.invalidate_worker)
    lambda_svc.acquire_worker = beginning(lambda_svc.acquire_worker)
    lambda_svc.release_worker = ending_replaced(lambda_svc.release_worker)
