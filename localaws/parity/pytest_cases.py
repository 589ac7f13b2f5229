"""A pytest plugin that runs cases of LocalStack or moto against another AWS: `pytest -p pytest_cases`.

It runs in a virtual environment of the suite, so it imports nothing of localaws. Environment:

* ``PARITY_OUT``: the folder for the results, one JSON line a case in `<worker>.jsonl`;
* ``PARITY_WITHOUT``: a regular expression of the ids of cases that are left out;
* ``AWS_ENDPOINT_URL``: the AWS under test.

A line has ``id``, ``outcome`` ("passed", "failed", "skipped"), ``error`` and ``differences``: the parts of an
answer that are not as recorded, those included that the suite itself does not compare.
"""

from __future__ import annotations

import ast
import copy
import functools
import importlib.abc
import importlib.machinery
import inspect
import json
import os
import re
import socket
import sys
import types
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

OUT = Path(os.environ["PARITY_OUT"])
WITHOUT = re.compile(os.environ.get("PARITY_WITHOUT") or r"(?!)")
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]

NEEDS = {
    "multiruntime",
    "only_on_arm64",
    "requires_docker",
    "requires_in_container",
    "requires_in_process",
    "resource_heavy",
    "aws_manual_setup_required",
    "lambda_runtime_update",
}
"""Markers of LocalStack's cases that need Docker, LocalStack's own process, or work by hand."""

OTHER_RUNTIMES = re.compile(r"ruby|java(8|11|17|21)|dotnet|go1\.x|provided|nodejs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the cases that were validated on AWS, can run here, and are not left out."""
    kept = [item for item in items if _validated(item) and _can_run(item) and not WITHOUT.search(item.nodeid)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    for module in {item.module for item in kept if isinstance(item, pytest.Function)}:
        if hasattr(module, "_endpoint_url"):  # the cases for S3 name another host
            module._endpoint_url = lambda *_arguments, **_options: ENDPOINT
        if hasattr(module, "apigw_snapshot_imported_resources"):  # the URLs of models are those of AWS
            module.localstack_host = lambda: types.SimpleNamespace(host_and_port=lambda: "amazonaws.com")
            module.config = types.SimpleNamespace(get_protocol=lambda: "https")


def _validated(item: pytest.Item) -> bool:
    markers = {marker.name for marker in item.iter_markers()}
    if markers & {"aws_validated", "aws_verified"}:
        return True
    return isinstance(item, pytest.Function) and item.originalname in _verified(item.module)


@functools.cache
def _verified(module: types.ModuleType) -> set[str]:
    """Return the tests with a decorator such as moto's `@dynamodb_aws_verified()`, which leaves no marker."""
    return {
        node.name
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.FunctionDef)
        and any("aws_verified" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def _can_run(item: pytest.Item) -> bool:
    return not NEEDS & {marker.name for marker in item.iter_markers()} and not OTHER_RUNTIMES.search(item.name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the result of a case."""
    report = yield
    if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
        error = "" if call.excinfo is None else f"{call.excinfo.type.__name__}: {call.excinfo.value}"
        line = {
            "id": item.nodeid,
            "outcome": report.outcome,
            "error": error[:1500],
            "differences": getattr(getattr(item, "funcargs", {}).get("snapshot"), "parity_differences", []),
        }
        OUT.mkdir(parents=True, exist_ok=True)
        with (OUT / f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
    return report


# No case may reach AWS or a name server.

_getaddrinfo = socket.getaddrinfo


def _loopback(host: str | bytes | None, *arguments: Any, **options: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if name and name.endswith((".localhost", "localstack.cloud", "amazonaws.com")):
        name = "127.0.0.1"
    return _getaddrinfo(name, *arguments, **options)


socket.getaddrinfo = _loopback


# LocalStack.


class _Anything(type):
    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(name, (), {})


class _NotInstalled(types.ModuleType):
    """A package that some modules import for cases that are not selected (CDK, the Kinesis client library)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(name, (), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] in {"aws_cdk", "amazon_kclpy", "constructs"}:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _NotInstalled(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Give LocalStack's own clients the port under test; its conftest.py sets 4566."""
    if not os.environ.get("TEST_SKIP_LOCALSTACK_START"):
        return
    from localstack import config, constants  # type: ignore[import-not-found]

    port = int(ENDPOINT.rsplit(":", 1)[1])
    config.GATEWAY_LISTEN = config.UniqueHostAndPortList([config.HostAndPort(host="127.0.0.1", port=port)])
    constants.DEFAULT_PORT_EDGE = port


def _keep_differences() -> None:
    from localstack_snapshot.snapshots import prototype  # type: ignore[import-not-found]

    compare = prototype.SnapshotSession._assert_all

    def compare_all(session: Any, *arguments: Any, **options: Any) -> Any:
        session.parity_differences = _differences(session, prototype.SnapshotMatchResult)
        return compare(session, *arguments, **options)

    transform = prototype.SnapshotSession._transform
    prototype.SnapshotSession._assert_all = compare_all
    prototype.SnapshotSession._transform = lambda session, answers: _with_shard_ids(
        transform(session, _as_user(answers))
    )


def _as_user(answers: Any) -> Any:
    """Return the answers with a user as the principal of subscriptions: the cases ran as one, here they run as root."""
    if isinstance(answers, list):
        return [_as_user(item) for item in answers]
    if not isinstance(answers, dict):
        return answers
    found = {key: _as_user(value) for key, value in answers.items()}
    if str(found.get("SubscriptionPrincipal", "")).endswith(":root"):
        found["SubscriptionPrincipal"] = found["SubscriptionPrincipal"].replace(":root", ":user/parity")
    return found


def _with_shard_ids(answer: Any) -> Any:
    """Return *answer* with its shard ids: they contain the local account id, for which a placeholder was put."""
    if isinstance(answer, str):
        return answer.replace("shardId-111111111111", "shardId-000000000000")
    if isinstance(answer, list):
        return [_with_shard_ids(item) for item in answer]
    if isinstance(answer, dict):
        return {key: _with_shard_ids(value) for key, value in answer.items()}
    return answer


def _copied(answers: Any) -> Any:
    """Return a copy of the answers. Some exceptions in them cannot be copied."""
    if isinstance(answers, list):
        return [_copied(item) for item in answers]
    if isinstance(answers, dict):
        return {key: _copied(value) for key, value in answers.items()}
    return answers


def _differences(session: Any, match: Any) -> list[dict[str, str]]:
    """Return what differs from the recorded answers, with nothing left out."""
    if not session.observed_state or not session.recorded_state:
        return []
    session._transform_dict_to_parseable_values(session.observed_state)
    session._transform_dict_to_parseable_values = lambda *_: None  # a second time would parse what is nested in JSON
    complete = copy.copy(session)
    complete.observed_state = _copied(session.observed_state)
    complete.recorded_state = _copied(session.recorded_state)
    complete.skip_verification_paths = []
    try:
        observed = complete._transform(complete.observed_state)
    except Exception as error:
        return [{"path": "", "aws": "", "here": repr(error)}]
    results = [match(complete.recorded_state.get(key), observed[key], key=key) for key in complete.called_keys]
    return [
        {"path": f"{result.key}: {change.path()}", "aws": repr(change.t1)[:600], "here": repr(change.t2)[:600]}
        for result in results
        if not result
        for changes in result.result.values()
        for change in changes
    ]


if os.environ.get("TEST_SKIP_LOCALSTACK_START"):
    sys.meta_path.append(_Finder())
    _keep_differences()
