"""The end of a command, the same for all commands of the suite."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn


def run_command(main: Callable[[], str | int | None]) -> NoReturn:
    """Run a command, and end the process with the status or the message that it returns.

    If nobody reads the output any more, as after `make status | head`, it ends with status 1 and without a trace:
    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    status: str | int | None
    try:
        try:
            status = main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
