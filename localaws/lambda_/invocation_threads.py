"""Gap: each invocation starts two threads, which take a third of the CPU time of a short request.

One runs the invocation, and one reads what the environment answers. Here both are threads that have no work, and a new
one starts only if there is none. So there are no more threads than two for each invocation at the same time, as before.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
No longer needed when two invocations, one after the other, run in one thread of the emulator.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from ministack.core import concurrency, lambda_runtime

NAMES = (
    "ministack-lambda-invoke",
    "ministack-lambda-url",
    "ministack-apigw-invoke",
    "ministack-apigw-ws-invoke",
)
"""The threads that run invocations: of Lambda's API, of function URLs, and of API Gateway."""
_READS = "_read_response"
"""The function of the thread that reads an answer."""


class Threads:
    """Threads that are used again."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.idle = threading.Semaphore(0)
        """How many threads have no work."""

    def run(self, work: Callable[[], object]) -> None:
        """Let a thread do the work. Raises RuntimeError if the system has no more threads."""
        if not self.idle.acquire(blocking=False):
            threading.Thread(target=self._serve, daemon=True, name=NAMES[0]).start()
        self._work.put(work)

    def _serve(self) -> None:
        while True:
            self._work.get()()
            self.idle.release()


class Work:
    """The part of the interface of a thread that the emulator uses."""

    threads = Threads()

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._working = threading.Lock()

    def start(self) -> None:
        self._working.acquire()
        self.threads.run(self._run)

    def join(self, timeout: float) -> None:
        """Wait until the work is done, or for *timeout* seconds."""
        if self._working.acquire(timeout=timeout):
            self._working.release()

    def is_alive(self) -> bool:
        return self._working.locked()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._working.release()


def invoking(target: Callable[[], object], name: str, **options: Any) -> Any:
    """Return a new thread, or for an invocation one of those that are used again."""
    return Work(target) if name in NAMES else threading.Thread(target=target, name=name, **options)


def reading(target: Callable[..., object], **options: Any) -> Any:
    """Return a new thread, or to read an answer one of those that are used again."""
    return Work(target) if target.__name__ == _READS else threading.Thread(target=target, **options)


def apply() -> None:
    for module, thread in ((concurrency, invoking), (lambda_runtime, reading)):
        setattr(module, "threading", types.SimpleNamespace(**vars(threading) | {"Thread": thread}))  # noqa: B010
