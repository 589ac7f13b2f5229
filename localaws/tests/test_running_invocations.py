"""An update of a function leaves the invocations that are running alone."""

from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc

from localaws.lambda_ import running_invocations
from localaws.testing import active, until

REGION = "us-east-1"
CODE = """
import pathlib, time
def handler(event, context):
    if "folder" in event:
        folder = pathlib.Path(event["folder"])
        (folder / "begun").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
    return VERSION
"""


def archive(version: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("app.py", f"VERSION = {version!r}\n{CODE}")
    return content.getvalue()


def results(endpoint: str, folder: Path, change: str) -> list[Any]:
    """Return the results of an invocation during which the function changes, and of the next one."""
    config = Config(retries={"max_attempts": 0}, read_timeout=120)
    functions, iam = (boto3.client(each, REGION, endpoint_url=endpoint, config=config) for each in ("lambda", "iam"))
    name = f"running-{change}"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]["Arn"]
    settings = {"Runtime": "python3.13", "Handler": "app.handler", "Role": role, "Timeout": 120}
    functions.create_function(FunctionName=name, Code={"ZipFile": archive("earlier")}, **settings)
    active(functions, name)

    def invoke(event: dict[str, str]) -> Any:
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
        return json.load(answer["Payload"])

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(invoke, {"folder": str(folder)})
        until((folder / "begun").exists)
        if change == "code":
            functions.update_function_code(FunctionName=name, ZipFile=archive("later"))
        else:
            functions.update_function_configuration(FunctionName=name, MemorySize=256)
        (folder / "go").touch()
        first = running.result()
    until(lambda: functions.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Successful")
    return [first, invoke({})]


@pytest.mark.parametrize(("change", "next_one"), [("code", "later"), ("settings", "earlier")])
def test_a_running_invocation_ends_with_the_code_that_it_began_with(
    emulator: str, tmp_path: Path, change: str, next_one: str
) -> None:
    assert results(emulator, tmp_path, change) == ["earlier", next_one]


def test_the_bare_emulator_ends_running_invocations(bare_emulator: str, tmp_path: Path) -> None:
    first, _ = results(bare_emulator, tmp_path, "code")

    assert first != "earlier", "ministack no longer needs localaws/lambda_/running_invocations.py; delete it"


@pytest.mark.parametrize("is_replaced", [False, True])
def test_an_environment_that_cannot_start_ends_alone(monkeypatch: pytest.MonkeyPatch, is_replaced: bool) -> None:
    ended: list[Any] = []
    at_work, failed = (SimpleNamespace(in_use=True, name=name) for name in ("at work", "failed"))
    pool = {f"{get_account_id()}:{get_region()}:f:$LATEST": [at_work, failed]}
    monkeypatch.setattr(lambda_runtime, "_workers", pool)
    monkeypatch.setattr(lambda_runtime, "kill_workers", ended.extend)
    monkeypatch.setattr(lambda_svc, "_functions", {})
    release = running_invocations.ending_replaced(lambda_runtime.release_worker)
    invalidate = running_invocations.sparing(lambda_runtime.invalidate_worker)
    acquire = running_invocations.beginning(lambda *_, **named: (failed, "spawn"))

    acquire("f", {}, b"")
    if is_replaced:
        running_invocations._replaced.add(id(failed))
    invalidate("f", qualifier="$LATEST")
    release(None)  # as ministack does after a failure

    assert ended == [failed]
    assert list(pool.values()) == [[at_work]]
    assert id(failed) not in running_invocations._replaced
    invalidate("f")
    assert ended == [failed, at_work], "after the invocation all end, as when the function is deleted"


def test_a_replaced_environment_ends_with_its_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[Any] = []
    at_work, idle = (SimpleNamespace(in_use=in_use) for in_use in (True, False))
    pool = {f"{get_account_id()}:{get_region()}:f:$LATEST": [at_work, idle]}
    monkeypatch.setattr(lambda_runtime, "_workers", pool)
    monkeypatch.setattr(lambda_runtime, "kill_workers", ended.extend)
    release = running_invocations.ending_replaced(lambda_runtime.release_worker)
    invalidate = running_invocations.sparing(lambda_runtime.invalidate_worker)
    begun_meanwhile = SimpleNamespace(in_use=True)

    def update(name: str, data: Any) -> None:
        next(iter(pool.values())).append(begun_meanwhile)
        invalidate(name)

    running_invocations.replacing(update)("f", {})
    assert (pool, ended) == ({}, [idle])
    release(at_work)
    release(begun_meanwhile)
    release(SimpleNamespace(in_use=True))

    assert ended == [idle, at_work, begun_meanwhile]


def test_an_invocation_that_waited_during_an_update_begins_with_the_new_code(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = {"f": {"config": {"MemorySize": 256}, "code_zip": b"new"}, "without code": {"config": {}}}
    monkeypatch.setattr(lambda_svc, "_functions", functions)
    acquire = running_invocations.beginning(lambda *leased, **named: ((*leased, named["qualifier"]), "spawn"))
    release = running_invocations.ending_replaced(lambda _: None)

    def leased(*about: Any, **named: Any) -> Any:
        environment, _ = acquire(*about, **named)
        release(environment)
        return environment

    assert leased("f", {}, b"old") == ("f", {"MemorySize": 256}, b"new", "$LATEST")
    assert leased("f", {}, b"of version 1", qualifier="1") == ("f", {}, b"of version 1", "1")
    assert leased("without code", {}, b"old") == ("without code", {}, b"old", "$LATEST")
