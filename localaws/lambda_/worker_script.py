"""The emulator's program of an execution environment of Python, which several gap modules change."""

from __future__ import annotations

from ministack.core import lambda_runtime


def replace(old: str, new: str) -> None:
    """Replace *old* in the program. Raises AssertionError unless it is there once: ministack has changed."""
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    assert script.count(old) == 1, f"the program has {old!r} {script.count(old)} times"
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(old, new)
