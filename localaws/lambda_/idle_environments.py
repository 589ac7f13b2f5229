"""Gap: the first execution environment of each function stays forever, with the memory of a process.

Lambda ends an environment that is idle. AWS does not say after how long; here it is IDLE_SECONDS.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
No longer needed when no process of a function is left some minutes after its last invocation.
"""

import time
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

IDLE_SECONDS = 300


def ending_all(reap: Any) -> Any:
    """Wrap what ends idle environments, which spares the first of each function."""

    def reap_idle_workers(ttl: float | None = None) -> int:
        ended = int(reap(ttl))
        before = time.time() - IDLE_SECONDS
        with lambda_runtime._lock:
            pools = lambda_runtime._workers
            idle = [
                worker for pool in pools.values() for worker in pool if not worker.in_use and worker.last_used < before
            ]
            for key, pool in list(pools.items()):
                pool[:] = [worker for worker in pool if worker not in idle]
                if not pool:
                    del pools[key]
        lambda_runtime.kill_workers(idle)
        return ended + len(idle)

    return reap_idle_workers


def apply() -> None:
    lambda_svc.reap_idle_workers = lambda_runtime.reap_idle_workers = ending_all(lambda_runtime.reap_idle_workers)
