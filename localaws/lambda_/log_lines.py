"""Gap: on a busy machine, log lines of an invocation are lost, or are in the log of the next one.

The emulator waits 50 ms for the first line and 5 ms for each further one. A Python environment now ends the lines of an
invocation with a mark, and the emulator collects them up to it, so it waits for no longer than it must.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
No longer needed when a line that a function writes just before its result is always in the log of that invocation.
"""

from __future__ import annotations

import queue
import time
from typing import Any

from ministack.core import lambda_runtime

from localaws.lambda_ import worker_script

END = "\0end"
LIMIT = 10
"""Seconds after which an environment is believed to have lost its standard error."""

_ANSWERED = "        _real_stdout.flush()\n\nrun()\n"
_MARKED = f"""\
        _real_stdout.flush()
        sys.__stderr__.write({END + chr(10)!r})
        sys.__stderr__.flush()

run()
"""
"""The end of the program of an execution environment: the result, and then the mark."""


def collecting(collect: Any) -> Any:
    """Wrap the collection of the lines of an invocation."""

    def collect_to_the_end(worker: Any, *arguments: Any, **options: Any) -> str:
        if not worker.config.get("Runtime", "").startswith("python"):
            return str(collect(worker, *arguments, **options))
        lines: list[str] = []
        began = time.monotonic()
        while time.monotonic() - began < LIMIT:
            is_alive = worker._stderr_thread.is_alive()
            try:
                line = worker._stderr_queue.get(timeout=0.05)
            except queue.Empty:
                if not is_alive:  # the process has ended, and all of its lines are here
                    break
                continue
            if line == END:
                break
            lines.append(line)
        return "\n".join(lines)

    return collect_to_the_end


def apply() -> None:
    worker_script.replace(_ANSWERED, _MARKED)
    lambda_runtime.Worker._drain_stderr_bounded = collecting(lambda_runtime.Worker._drain_stderr_bounded)
