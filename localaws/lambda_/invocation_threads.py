"""Gap: each invocation starts a thread of its own, which takes a tenth of the CPU time of a short request.

Here an invocation takes a thread that has no work, and starts one only if there is none. So there are no more threads
than invocations at the same time, as before.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
No longer needed when two invocations, one after the other, run in one thread of the emulator.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from ministack.core import concurrency

NAME = "ministack-lambda-invoke"


class Threads:
    """Threads that are used again."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.idle = threading.Semaphore(0)
        """How many threads have no work."""

    def run(self, work: Callable[[], object]) -> None:
        """Let a thread do the work. Raises RuntimeError if the system has no more threads."""
        if not self.idle.acquire(blocking=False):
            threading.Thread(target=self._serve, daemon=True, name=NAME).start()
        self._work.put(work)

    def _serve(self) -> None:
        while True:
            self._work.get()()
            self.idle.release()


class Invocation:
    """The part of the interface of a thread that the emulator uses."""

    threads = Threads()

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work

    def start(self) -> None:
        self.threads.run(self._work)


def thread(target: Callable[[], object], name: str, **options: Any) -> Any:
    """Return a new thread, or for an invocation one of those that are used again."""
    return Invocation(target) if name == NAME else threading.Thread(target=target, name=name, **options)


def apply() -> None:
    concurrency.threading = types.SimpleNamespace(**vars(threading) | {"Thread": thread})
