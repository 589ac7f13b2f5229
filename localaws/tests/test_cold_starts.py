"""What an execution environment imports before it imports the function."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ministack.core import lambda_runtime

from localaws.lambda_ import cold_starts, forked_environments
from localaws.tests.test_account import zipped

CODE = """
import sys
imported = "botocore" in sys.modules

def handler(event, context):
    import botocore.session
    headers = {}
    for name, handler, *_ in botocore.handlers.BUILTIN_HANDLERS:
        if name == "before-call" and handler.__name__ == "_ms_add_invoke_depth":
            handler(params={"headers": headers})
    return {"imported": imported, "headers": headers}
"""


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """A function that invokes `CODE` as the third of a chain of functions, in an environment of its own."""
    monkeypatch.setattr(lambda_runtime, "_PYTHON_WORKER_SCRIPT", lambda_runtime._PYTHON_WORKER_SCRIPT)
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    config = {"FunctionName": "f", "FunctionArn": arn, "Runtime": "python3.13", "Handler": "app.handler", "Timeout": 30}
    workers = []

    def invoke() -> Any:
        workers.append(lambda_runtime.Worker("f", config, zipped(CODE)))
        return workers[-1].invoke({}, "1", depth=3)["result"]

    yield invoke
    for worker in workers:
        worker.kill()


def test_the_emulator_imports_botocore_for_each_function(invoke: Callable[[], Any]) -> None:
    assert invoke()["imported"], "ministack no longer needs localaws/lambda_/cold_starts.py; delete it"


def test_a_function_imports_botocore_itself_and_its_calls_carry_the_depth(invoke: Callable[[], Any]) -> None:
    cold_starts.apply()

    answer = invoke()

    assert not answer["imported"]
    assert list(answer["headers"].values()) == ["3"]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="environments are forked on Linux only")
def test_the_calls_of_a_forked_environment_carry_the_depth(
    invoke: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lambda_runtime, "subprocess", subprocess)  # is restored
    cold_starts.apply()
    forked_environments.apply()

    answer = invoke()

    assert answer["imported"]
    assert list(answer["headers"].values()) == ["3"]
