"""Gap: an update of a function's code or settings ends the invocations that are running.

In AWS a running invocation ends with the code and the settings that it began with. The next one gets the new ones.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
No longer needed when an invocation that began before UpdateFunctionCode returns the result of the earlier code.
"""

from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc

_replaced: set[int] = set()
"""By `id`, the execution environments that end when their invocation does. They are no longer in a pool."""


def replacing(update: Any) -> Any:
    """Wrap an update: environments at work leave their pool, so that the update ends only the others."""

    def update_function(name: str, data: Any) -> Any:
        key = f"{get_account_id()}:{get_region()}:{name}:$LATEST"
        with lambda_runtime._lock:
            pool = lambda_runtime._workers.get(key, [])
            _replaced.update(id(worker) for worker in pool if worker.in_use)
            pool[:] = [worker for worker in pool if not worker.in_use]
        return update(name, data)

    return update_function


def ending_replaced(release: Any) -> Any:
    """Wrap what returns an environment to its pool: end it if it was replaced."""

    def release_worker(worker: Any) -> None:
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
    lambda_svc.release_worker = ending_replaced(lambda_svc.release_worker)
