"""Run the tests of one suite again and again, each time in a new fork of this process.

    python -m bench.mutants.worker '{"pythonpath": ["todo-app", ".", "tests"], "tests": "tests/todo-app"}'

This process imports all packages, but none of our own code, and starts one emulator for all runs. So a run takes as
long as its tests. The first line of output says which tests there are, how long each takes, and which lines it runs.
Each line of input asks for a run: ``{"tests": [ids in order], "seconds": limit}``. The line of output that follows says
which test failed first: ``{"failed": id or null}``; it is ``timeout`` if the run exceeds its limit.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localaws import control_client, serve

ROOT = Path(__file__).parent.parent.parent
_fork = multiprocessing.get_context("fork")


class Recorder:
    """A plugin that records which lines of our code each test runs, by sys.monitoring."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}
        self._lines: dict[str, set[int]] = {}
        self._ours = {str(path) for pattern in ("common/*.py", "*-app/chalicelib/*.py") for path in ROOT.glob(pattern)}
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(sys.monitoring.COVERAGE_ID, "mutants")
        sys.monitoring.register_callback(sys.monitoring.COVERAGE_ID, events.LINE, self._on_line)
        sys.monitoring.set_events(sys.monitoring.COVERAGE_ID, events.LINE)

    def _on_line(self, code: types.CodeType, line: int) -> object:
        if code.co_filename in self._ours and code.co_name != "<module>":
            self._lines.setdefault(str(Path(code.co_filename).relative_to(ROOT)), set()).add(line)
        return sys.monitoring.DISABLE  # until the next test

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._lines = {}
        sys.monitoring.restart_events()
        begun = time.monotonic()
        result = yield
        lines = {file: sorted(numbers) for file, numbers in self._lines.items()}
        self.tests[item.nodeid] = {"seconds": time.monotonic() - begun, "lines": lines}
        return result


class Selection:
    """A plugin that runs only *tests*, in their order, or all if it is None; and keeps which one failed."""

    def __init__(self, tests: list[str] | None) -> None:
        self._places = None if tests is None else {test: place for place, test in enumerate(tests)}
        self._failed: str | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if (places := self._places) is not None:
            chosen = [item for item in items if item.nodeid in places]
            items[:] = sorted(chosen, key=lambda item: places[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._failed:
            self._failed = report.nodeid

    def result(self, code: int) -> dict[str, Any]:
        """Return the first test that failed, or the exit code of pytest if it failed in another way."""
        return {"failed": self._failed or (f"exit code {int(code)}" if code else None)}


class Suite:
    """The tests at the path *tests*, with *pythonpath*; *emulator* is the address of the emulator of all runs.

    *folder* gets the output of the last run.
    """

    def __init__(self, pythonpath: list[str], tests: str, emulator: str, folder: Path) -> None:
        self._pythonpath = pythonpath
        self._tests = tests
        self._emulator = emulator
        self._output = folder / "output"

    def record(self) -> dict[str, Any]:
        """Run all tests on the code as it is, and import their packages into this process; return the tests."""
        recorded: dict[str, Any] = self._forked(self._record, [self._tests], 3600)
        if recorded.get("failed"):
            sys.exit(f"the tests fail without any change: {recorded['failed']}\n{self._output.read_text()}")
        for module in recorded["packages"]:
            with contextlib.suppress(Exception):
                importlib.import_module(module)
        if failed := self.run(list(recorded["tests"])[:1], 600)["failed"]:
            sys.exit(f"a test fails in a second run: {failed}\n{self._output.read_text()}")
        return {"tests": recorded["tests"]}

    def run(self, tests: list[str], seconds: float) -> dict[str, Any]:
        return self._forked(self._select, tests, seconds)

    def _forked(self, run: Any, tests: list[str], seconds: float) -> dict[str, Any]:
        ours, theirs = _fork.Pipe()
        process = _fork.Process(target=self._in_fork, args=(run, tests, theirs))
        process.start()
        theirs.close()
        result: dict[str, Any] = {"failed": "timeout"}
        if ours.poll(seconds):
            try:
                result = ours.recv()
            except EOFError:
                result = {"failed": "crash"}
        with contextlib.suppress(ProcessLookupError):  # with all that the tests started
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        return result

    def _in_fork(self, run: Any, tests: list[str], pipe: Any) -> None:
        os.setsid()
        with open(os.devnull, "rb") as nothing, self._output.open("wb") as output:
            for number, file in ((0, nothing), (1, output), (2, output)):
                os.dup2(file.fileno(), number)
        serve.emulator = self._emptied
        pipe.send(run(tests))

    @contextlib.contextmanager
    def _emptied(self, *_: object, **__: object) -> Iterator[str]:
        """Take the place of serve.emulator, which takes seconds to start."""
        control_client.call(f"{self._emulator}/_ministack/reset", b"", timeout=60)
        yield self._emulator

    def _record(self, paths: list[str]) -> dict[str, Any]:
        recorder, selection = Recorder(), Selection(None)
        code = pytest.main([*self._options(), *paths], plugins=[recorder, selection])
        packages = [
            name
            for name, module in list(sys.modules.items())
            if "site-packages" in (getattr(module, "__file__", None) or "")
        ]
        return selection.result(code) | {"tests": recorder.tests, "packages": packages}

    def _select(self, tests: list[str]) -> dict[str, Any]:
        selection = Selection(tests)
        paths = sorted({test.partition("::")[0] for test in tests})
        code = pytest.main([*self._options(), *paths], plugins=[selection])
        return selection.result(code)

    def _options(self) -> list[str]:
        already = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
        path = f"pythonpath={' '.join(self._pythonpath)}"
        return ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-W", already, "-o", path]


def main() -> None:
    wanted = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, serve.emulator(Path(folder)) as emulator:
        suite = Suite(wanted["pythonpath"], wanted["tests"], emulator, Path(folder))
        print(json.dumps(suite.record()), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps(suite.run(asked["tests"], asked["seconds"])), flush=True)


if __name__ == "__main__":
    main()
