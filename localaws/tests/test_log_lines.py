"""The log lines of an invocation, however late the emulator reads them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ministack.core import lambda_runtime

from localaws.lambda_ import log_lines
from localaws.tests.test_account import zipped

CODE = """
def handler(event, context):
    print("line of", event)
    if event == "error":
        raise ValueError
    return event
"""


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An execution environment whose lines the emulator reads half a second late."""
    for target, name in ((lambda_runtime, "_PYTHON_WORKER_SCRIPT"), (lambda_runtime.Worker, "_drain_stderr_bounded")):
        monkeypatch.setattr(target, name, getattr(target, name))
    log_lines.apply()
    read = lambda_runtime.Worker._read_stderr

    def read_late(worker: Any) -> None:
        time.sleep(0.5)
        read(worker)

    monkeypatch.setattr(lambda_runtime.Worker, "_read_stderr", read_late)
    config = {
        "FunctionName": "f",
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Timeout": 30,
    }
    worker = lambda_runtime.Worker("f", config, zipped(CODE))
    yield worker
    worker.kill()


def test_each_line_is_in_the_log_of_its_invocation(worker: Any) -> None:
    assert worker.invoke("first", "1")["log"] == "line of first"
    assert worker.invoke("second", "2")["log"] == "line of second"
    assert "line of error" in worker.invoke("error", "3")["log"]
